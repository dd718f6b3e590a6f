import { insertOnce, type Queryable } from '@switchyard/db';
import { events } from '@switchyard/proto';
import type { ClientBase } from 'pg';

/** A usage event as it came, byte for byte but for what JSON in Postgres cannot hold. */
export interface UsageEvent {
  readonly kind: 'generation' | 'attempt';
  readonly event: { readonly eventId: string; readonly generationId: string };
  readonly document: string;
}

const insertEvents = insertOnce<UsageEvent, 'recorded_at_ms'>({
  table: 'usage_events',
  columns: {
    event_id: ['uuid', ({ event }) => event.eventId],
    event_type: ['text', ({ kind }) => kind],
    generation_id: ['text', ({ event }) => event.generationId],
    body: ['text', ({ document }) => document],
  },
  shared: { recorded_at_ms: 'bigint' },
  key: 'event_id',
  identity: ['event_id', ({ event }) => event.eventId],
});

/** Records the events; returns those that are new. Sorted by id. */
export function recordEvents<Item extends UsageEvent>(
  client: ClientBase,
  items: readonly Item[],
  nowMs: number,
  mayBeKnown: boolean,
): Promise<readonly Item[]> {
  return insertEvents(client, items, mayBeKnown, { recorded_at_ms: nowMs }) as Promise<readonly Item[]>;
}

export interface Charge {
  readonly event: events.GenerationCompleted;
  readonly excessPico: bigint;
  readonly flags: readonly string[];
}

/** One end per generation: returns the charges whose generation had none yet. Sorted by generation. */
export const insertCharges = insertOnce<Charge>({
  table: 'charges',
  columns: {
    generation_id: ['text', ({ event }) => event.generationId],
    event_id: ['uuid', ({ event }) => event.eventId],
    account_id: ['text', ({ event }) => event.accountId],
    workspace_id: ['text', ({ event }) => event.workspaceId],
    key_hash: ['text', ({ event }) => event.keyHash],
    accept_time_ms: ['bigint', ({ event }) => event.acceptTimeMs],
    charge_pico: ['bigint', ({ event }) => event.chargePico],
    excess_pico: ['bigint', ({ excessPico }) => excessPico],
    generation_end: ['text', ({ event }) => event.end],
    // Words joined by blanks: an array of arrays cannot travel.
    flags: ['text', ({ flags }) => flags.join(' ')],
  },
  key: 'generation_id',
  identity: ['event_id', ({ event }) => event.eventId],
});

export interface AttemptCost {
  readonly event: events.AttemptCompleted;
}

/** The first report of an attempt wins: returns those. Sorted by attempt. */
export const insertAttemptCosts = insertOnce<AttemptCost>({
  table: 'attempt_costs',
  columns: {
    attempt_id: ['text', ({ event }) => event.attemptId],
    event_id: ['uuid', ({ event }) => event.eventId],
    generation_id: ['text', ({ event }) => event.generationId],
    account_id: ['text', ({ event }) => event.accountId],
    provider_slug: ['text', ({ event }) => event.providerSlug],
    reporter: ['text', ({ event }) => (event.reporter === events.AttemptReporter.WORKER ? 'worker' : 'ingress')],
    is_byok: ['boolean', ({ event }) => event.isByok],
    accept_time_ms: ['bigint', ({ event }) => event.acceptTimeMs],
    cost_pico: ['bigint', ({ event }) => event.costPico],
  },
  key: 'attempt_id',
  identity: ['event_id', ({ event }) => event.eventId],
});

export interface EarlierReport {
  readonly attemptId: string;
  readonly providerSlug: string;
  readonly costPico: bigint;
  readonly isByok: boolean;
}

/** Of these attempts, those that an ingress estimated. */
export async function findEstimates(client: Queryable, attemptIds: readonly string[]): Promise<Map<string, EarlierReport>> {
  const { rows } = await client.query<EarlierReport>(
    `SELECT attempt_id AS "attemptId", provider_slug AS "providerSlug", cost_pico AS "costPico", is_byok AS "isByok" FROM attempt_costs
      WHERE attempt_id = ANY($1::text[]) AND reporter = 'ingress'`,
    [attemptIds],
  );
  return new Map(rows.map((row) => [row.attemptId, row]));
}

export interface Correction {
  readonly event: events.AttemptCompleted;
  readonly estimate: EarlierReport;
  readonly differencePico: bigint;
}

/** Returns what corrects an attempt for the first time. */
export const insertCorrections = insertOnce<Correction>({
  table: 'attempt_corrections',
  columns: {
    attempt_id: ['text', ({ event }) => event.attemptId],
    event_id: ['uuid', ({ event }) => event.eventId],
    cost_pico: ['bigint', ({ event }) => event.costPico],
    difference_pico: ['bigint', ({ differencePico }) => differencePico],
  },
  key: 'attempt_id',
  identity: ['event_id', ({ event }) => event.eventId],
});
