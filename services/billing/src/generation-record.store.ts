import type { Queryable } from '@switchyard/db';
import type { AttemptRecord, ChargeRecord, ExplanationNames, PostingRecord } from './core/generation-explanation.js';

export interface LeaseRecord {
  readonly leaseId: string;
  readonly kind: string;
  readonly keyHash: string;
  readonly windowStartMs: bigint;
  readonly holderId: string;
  readonly epoch: bigint;
  readonly granted: bigint;
  readonly released: bigint;
  readonly settled: string;
  readonly resolution: string | null;
}

/** What a generation was charged; undefined when no terminal event of it has come. */
export async function findCharge(client: Queryable, generationId: string): Promise<ChargeRecord | undefined> {
  const { rows } = await client.query<ChargeRecord>(
    `SELECT event_id AS "eventId", charge_pico AS "chargePico", excess_pico AS "excessPico", flags, coalesce(document, body::jsonb) AS document
       FROM charges JOIN usage_events USING (event_id, generation_id) WHERE generation_id = $1`,
    [generationId],
  );
  return rows[0];
}

/** Names of the account and the key that a generation was charged to. */
export async function findNames(client: Queryable, generationId: string): Promise<ExplanationNames | undefined> {
  const { rows } = await client.query<ExplanationNames>(
    `SELECT accounts.name AS "accountName", coalesce(api_keys.name, '') AS "keyName", coalesce(api_keys.label, '') AS "keyLabel"
       FROM charges JOIN accounts USING (account_id) LEFT JOIN api_keys USING (key_hash) WHERE generation_id = $1`,
    [generationId],
  );
  return rows[0];
}

export async function findAttempts(client: Queryable, generationId: string): Promise<AttemptRecord[]> {
  const { rows } = await client.query<AttemptRecord>(
    `SELECT attempt_id AS "attemptId", cost.event_id AS "eventId", reporter, provider_slug AS "providerSlug", is_byok AS "isByok", cost.cost_pico AS "costPico",
            coalesce(event.document, event.body::jsonb) AS document, correction.cost_pico AS "correctedCostPico", difference_pico AS "differencePico",
            coalesce(later.document, later.body::jsonb) AS "correctionDocument"
       FROM attempt_costs cost JOIN usage_events event ON event.event_id = cost.event_id
       LEFT JOIN attempt_corrections correction USING (attempt_id)
       LEFT JOIN usage_events later ON later.event_id = correction.event_id
      WHERE cost.attempt_id >= $1 || ':' AND cost.attempt_id < $1 || ';' ORDER BY length(attempt_id), attempt_id`,
    [generationId],
  );
  return rows;
}

export async function findPostings(client: Queryable, generationId: string): Promise<PostingRecord[]> {
  const { rows } = await client.query<PostingRecord>(
    `SELECT transaction_id AS "transactionId", kind, reference, posted_at_ms AS "postedAtMs", ledger_account AS "ledgerAccount", amount_pico AS "amountPico"
       FROM (SELECT event_id AS transaction_id FROM charges WHERE generation_id = $1
             UNION ALL SELECT event_id FROM attempt_costs WHERE attempt_id >= $1 || ':' AND attempt_id < $1 || ';'
             UNION ALL SELECT event_id FROM attempt_corrections WHERE attempt_id >= $1 || ':' AND attempt_id < $1 || ';') posted
       JOIN ledger_transactions USING (transaction_id) JOIN ledger_entries USING (transaction_id)
      ORDER BY posted_at_ms, kind, transaction_id, entry_index`,
    [generationId],
  );
  return rows;
}

export async function findNamedLeases(client: Queryable, leaseIds: readonly string[]): Promise<LeaseRecord[]> {
  const { rows } = await client.query<LeaseRecord>(
    `SELECT lease_id AS "leaseId", kind, key_hash AS "keyHash", window_start_ms AS "windowStartMs", holder_id AS "holderId", epoch, granted, released, settled, resolution
       FROM leases JOIN lease_scopes USING (scope_id) WHERE lease_id = ANY($1::uuid[]) ORDER BY lease_id`,
    [leaseIds],
  );
  return rows;
}
