import { batchInsert, type Queryable } from '@switchyard/db';
import { events } from '@switchyard/proto';
import type { Pool } from 'pg';

const insertAttempts = batchInsert({
  table: 'attempt',
  columns: {
    event_id: 'uuid',
    attempt_id: 'text',
    generation_id: 'text',
    endpoint_id: 'text',
    provider_slug: 'text',
    is_from_worker: 'boolean',
    outcome: 'text',
    end_time_ms: 'bigint',
    first_token_ms: 'integer',
    output_tokens: 'bigint',
    cost_pico: 'bigint',
  },
  suffix: 'ON CONFLICT (event_id) DO NOTHING RETURNING event_id',
});

const MAX_INTEGER = 2_147_483_647n;

export class AttemptStore {
  constructor(private readonly pool: Pool) {}

  /** Ids of the events that were not there yet. */
  async insert(client: Queryable, attempts: readonly events.AttemptCompleted[]): Promise<Set<string>> {
    const rows = await insertAttempts(client, attempts.map(toRow));
    return new Set(rows.map((row) => String(row['event_id'])));
  }

  /** What the attempts of a generation cost, pico-USD; of two reports of one attempt the worker's counts. */
  async sumCost(generationId: string): Promise<bigint> {
    const { rows } = await this.pool.query<{ cost_pico: string | null }>({
      name: 'sum_attempt_cost',
      text: `SELECT sum(cost_pico)::text AS cost_pico FROM (
               SELECT DISTINCT ON (attempt_id) cost_pico FROM attempt WHERE generation_id = $1 ORDER BY attempt_id, is_from_worker DESC
             ) AS reported`,
      values: [generationId],
    });
    return BigInt(rows[0]?.cost_pico ?? 0);
  }
}

function toRow(attempt: events.AttemptCompleted) {
  const firstTokenMs = attempt.firstTokenMs;
  return {
    event_id: attempt.eventId,
    attempt_id: attempt.attemptId,
    generation_id: attempt.generationId,
    endpoint_id: attempt.endpointId,
    provider_slug: attempt.providerSlug,
    is_from_worker: attempt.reporter === events.AttemptReporter.WORKER,
    outcome: attempt.outcome,
    end_time_ms: attempt.endTimeMs,
    first_token_ms: firstTokenMs === undefined || firstTokenMs > MAX_INTEGER ? null : firstTokenMs,
    output_tokens: attempt.outputTokens,
    cost_pico: attempt.costPico,
  };
}
