import { batchInsert, type Queryable } from '@switchyard/db';

/** A usage event as it came, byte for byte but for what Postgres cannot hold. */
export interface UsageEventRow {
  readonly eventId: string;
  readonly eventType: 'generation' | 'attempt';
  readonly generationId: string;
  readonly document: string;
}

/** Records the events; returns the ids of those that are new. Rows sorted by id. */
export async function recordEvents(client: Queryable, rows: readonly UsageEventRow[], nowMs: number): Promise<Set<string>> {
  const { rows: inserted } = await client.query<{ eventId: string }>({
    name: 'record_usage_events',
    // The documents travel as one JSON array, just as they came: quoting each would cost more than everything else here.
    text: `INSERT INTO usage_events (event_id, event_type, generation_id, document, recorded_at_ms)
           SELECT event_id, event_type, generation_id, document, $5
             FROM ROWS FROM (unnest($1::uuid[]), unnest($2::text[]), unnest($3::text[]), jsonb_array_elements($4::jsonb)) AS event (event_id, event_type, generation_id, document)
           ON CONFLICT (event_id) DO NOTHING RETURNING event_id AS "eventId"`,
    values: [
      rows.map((row) => row.eventId),
      rows.map((row) => row.eventType),
      rows.map((row) => row.generationId),
      `[${rows.map((row) => row.document).join(',')}]`,
      nowMs,
    ],
  });
  return new Set(inserted.map((row) => row.eventId));
}

export interface ChargeRow {
  readonly generationId: string;
  readonly eventId: string;
  readonly accountId: string;
  readonly workspaceId: string;
  readonly keyHash: string;
  readonly acceptTimeMs: number;
  readonly chargePico: bigint;
  readonly excessPico: bigint;
  readonly generationEnd: string;
  readonly flags: readonly string[];
}

const CHARGE_COLUMNS = {
  generation_id: 'text',
  event_id: 'uuid',
  account_id: 'text',
  workspace_id: 'text',
  key_hash: 'text',
  accept_time_ms: 'bigint',
  charge_pico: 'bigint',
  excess_pico: 'bigint',
  generation_end: 'text',
} as const;

// Flags are words joined by blanks: an array of arrays cannot travel.
const insertPlainCharges = batchInsert<typeof CHARGE_COLUMNS & { flags: 'text' }, { eventId: string }>({
  table: 'charges',
  columns: { ...CHARGE_COLUMNS, flags: 'text' },
  suffix: 'ON CONFLICT (generation_id) DO NOTHING RETURNING event_id AS "eventId"',
});

/** One end per generation: returns the ids of the events whose generation had none yet. Rows sorted by generation. */
export async function insertCharges(client: Queryable, rows: readonly ChargeRow[]): Promise<Set<string>> {
  const inserted = await insertPlainCharges(
    client,
    rows.map((row) => ({
      generation_id: row.generationId,
      event_id: row.eventId,
      account_id: row.accountId,
      workspace_id: row.workspaceId,
      key_hash: row.keyHash,
      accept_time_ms: row.acceptTimeMs,
      charge_pico: row.chargePico,
      excess_pico: row.excessPico,
      generation_end: row.generationEnd,
      flags: row.flags.join(' '),
    })),
  );
  return new Set(inserted.map((row) => row.eventId));
}

export interface AttemptCostRow {
  readonly attemptId: string;
  readonly eventId: string;
  readonly generationId: string;
  readonly accountId: string;
  readonly providerSlug: string;
  readonly reporter: 'worker' | 'ingress';
  readonly isByok: boolean;
  readonly acceptTimeMs: number;
  readonly costPico: bigint;
}

const ATTEMPT_COLUMNS = {
  attempt_id: 'text',
  event_id: 'uuid',
  generation_id: 'text',
  account_id: 'text',
  provider_slug: 'text',
  reporter: 'text',
  is_byok: 'boolean',
  accept_time_ms: 'bigint',
  cost_pico: 'bigint',
} as const;

const insertAttempts = batchInsert<typeof ATTEMPT_COLUMNS, { eventId: string }>({
  table: 'attempt_costs',
  columns: ATTEMPT_COLUMNS,
  suffix: 'ON CONFLICT (attempt_id) DO NOTHING RETURNING event_id AS "eventId"',
});

/** The first report of an attempt wins: returns the ids of those events. Rows sorted by attempt. */
export async function insertAttemptCosts(client: Queryable, rows: readonly AttemptCostRow[]): Promise<Set<string>> {
  const inserted = await insertAttempts(
    client,
    rows.map((row) => ({
      attempt_id: row.attemptId,
      event_id: row.eventId,
      generation_id: row.generationId,
      account_id: row.accountId,
      provider_slug: row.providerSlug,
      reporter: row.reporter,
      is_byok: row.isByok,
      accept_time_ms: row.acceptTimeMs,
      cost_pico: row.costPico,
    })),
  );
  return new Set(inserted.map((row) => row.eventId));
}

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

export interface CorrectionRow {
  readonly attemptId: string;
  readonly eventId: string;
  readonly costPico: bigint;
  readonly differencePico: bigint;
}

const insertCorrectionRows = batchInsert<{ attempt_id: 'text'; event_id: 'uuid'; cost_pico: 'bigint'; difference_pico: 'bigint' }, { eventId: string }>({
  table: 'attempt_corrections',
  columns: { attempt_id: 'text', event_id: 'uuid', cost_pico: 'bigint', difference_pico: 'bigint' },
  suffix: 'ON CONFLICT (attempt_id) DO NOTHING RETURNING event_id AS "eventId"',
});

/** Returns the ids of the events that correct an attempt for the first time. */
export async function insertCorrections(client: Queryable, rows: readonly CorrectionRow[]): Promise<Set<string>> {
  const inserted = await insertCorrectionRows(
    client,
    rows.map((row) => ({ attempt_id: row.attemptId, event_id: row.eventId, cost_pico: row.costPico, difference_pico: row.differencePico })),
  );
  return new Set(inserted.map((row) => row.eventId));
}
