import { insertOnce } from '@switchyard/db';
import { events } from '@switchyard/proto';
import type { ClientBase, Pool } from 'pg';
import { canonicalEventId } from './generation.store.js';

const MAX_INTEGER = 2_147_483_647n;

const insertAttempts = insertOnce<events.AttemptCompleted>({
  table: 'attempt',
  columns: {
    event_id: ['uuid', (attempt) => attempt.eventId],
    attempt_id: ['text', (attempt) => attempt.attemptId],
    generation_id: ['text', (attempt) => attempt.generationId],
    endpoint_id: ['text', (attempt) => attempt.endpointId],
    provider_slug: ['text', (attempt) => attempt.providerSlug],
    is_from_worker: ['boolean', (attempt) => attempt.reporter === events.AttemptReporter.WORKER],
    outcome: ['text', (attempt) => attempt.outcome],
    end_time_ms: ['bigint', (attempt) => attempt.endTimeMs],
    first_token_ms: ['integer', ({ firstTokenMs }) => (firstTokenMs === undefined || firstTokenMs > MAX_INTEGER ? null : firstTokenMs)],
    output_tokens: ['bigint', (attempt) => attempt.outputTokens],
    cost_pico: ['bigint', (attempt) => attempt.costPico],
  },
  key: 'event_id',
  identity: ['event_id', (attempt) => canonicalEventId(attempt.eventId)],
});

export class AttemptStore {
  constructor(private readonly pool: Pool) {}

  /** Those that were not there yet. */
  insert(client: ClientBase, attempts: readonly events.AttemptCompleted[], mayBeKnown: boolean): Promise<readonly events.AttemptCompleted[]> {
    return insertAttempts(client, attempts, mayBeKnown);
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
