import type { Queryable } from '@switchyard/db';
import { excessOf, type ScopeAmounts } from './core/lease-scope.js';
import type { LeaseScopeKind, ScopeIdentity } from './core/lease-scope-identity.js';

export interface ScopeRow extends ScopeIdentity {
  readonly scopeId: bigint;
  amounts: ScopeAmounts;
}

interface RawScope {
  scopeId: bigint;
  kind: LeaseScopeKind;
  accountId: string;
  keyHash: string;
  limitReset: ScopeIdentity['limitReset'];
  windowStartMs: bigint;
  windowEndMs: bigint | null;
  limit: string | null;
  held: string;
  spent: string;
}

const COLUMNS = `scope_id AS "scopeId", kind, account_id AS "accountId", key_hash AS "keyHash", limit_reset AS "limitReset", window_start_ms AS "windowStartMs",
  window_end_ms AS "windowEndMs", limit_amount AS "limit", held, spent`;

export async function findScopeId(client: Queryable, identity: ScopeIdentity): Promise<bigint | undefined> {
  const { rows } = await client.query<{ scopeId: bigint }>(
    `SELECT scope_id AS "scopeId" FROM lease_scopes WHERE account_id = $1 AND key_hash = $2 AND kind = $3 AND limit_reset = $4 AND window_start_ms = $5`,
    [identity.accountId, identity.keyHash, identity.kind, identity.limitReset, identity.window.startMs],
  );
  return rows[0]?.scopeId;
}

/** Begins a window with what was spent in it already; nothing happens when it exists. */
export async function insertScope(client: Queryable, identity: ScopeIdentity, limit: bigint | undefined, spent: bigint): Promise<void> {
  const excess = excessOf({ limit, held: 0n, spent });
  await client.query(
    `INSERT INTO lease_scopes (kind, account_id, key_hash, limit_reset, window_start_ms, window_end_ms, limit_amount, spent, over_amount)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
    [
      identity.kind,
      identity.accountId,
      identity.keyHash,
      identity.limitReset,
      identity.window.startMs,
      identity.window.endMs ?? null,
      limit ?? null,
      spent,
      excess,
    ],
  );
}

/** Locks in id order, which every transaction keeps. */
export async function lockScopes(client: Queryable, scopeIds: readonly bigint[]): Promise<Map<bigint, ScopeRow>> {
  const { rows } = await client.query<RawScope>({
    name: 'lock_scopes',
    text: `SELECT ${COLUMNS} FROM lease_scopes WHERE scope_id = ANY($1::bigint[]) ORDER BY scope_id FOR NO KEY UPDATE`,
    values: [scopeIds],
  });
  return new Map(rows.map((row) => [row.scopeId, toScope(row)]));
}

/**
 * A condition on `lease_scopes`: more was spent than there is, and whoever spends next would be refused. A window that has ended, or that its key no longer
 * has, keeps its excess and refuses nobody.
 */
export function isBlocked(nowMs: number): string {
  return `over_amount > 0 AND kind IN ('account_credit', 'key_limit') AND (kind = 'account_credit' OR coalesce(window_end_ms > ${nowMs}, true)
    AND EXISTS (SELECT 1 FROM api_keys WHERE api_keys.key_hash = lease_scopes.key_hash AND api_keys.limit_reset = lease_scopes.limit_reset AND NOT deleted))`;
}

/** Without a lock: for showing only. */
export async function readCreditScope(client: Queryable, accountId: string): Promise<ScopeRow | undefined> {
  const { rows } = await client.query<RawScope>(`SELECT ${COLUMNS} FROM lease_scopes WHERE account_id = $1 AND key_hash = '' AND kind = 'account_credit'`, [
    accountId,
  ]);
  return rows[0] && toScope(rows[0]);
}

/** What was spent of today's free requests; a quota that nobody used yet has no row. */
export async function readFreeRequestsSpent(client: Queryable, accountIds: readonly string[], dayStartMs: number): Promise<Map<string, bigint>> {
  const { rows } = await client.query<{ accountId: string; spent: string }>(
    `SELECT account_id AS "accountId", spent FROM lease_scopes
      WHERE account_id = ANY($1::text[]) AND key_hash = '' AND kind = 'free_requests_per_day' AND limit_reset = '' AND window_start_ms = $2`,
    [accountIds, dayStartMs],
  );
  return new Map(rows.map((row) => [row.accountId, BigInt(row.spent)]));
}

/** What a batch of charges touches. */
export interface ChargedScopes {
  readonly leaseIds: readonly string[];
  readonly accountIds: readonly string[];
  readonly keyHashes: readonly string[];
  readonly earliestMs: number;
  readonly latestMs: number;
}

/** Locks the leases' scopes, the accounts' credit and every limit window of the keys that overlaps the time; in id order, which every transaction keeps. */
export async function lockChargedScopes(client: Queryable, charged: ChargedScopes): Promise<Map<bigint, ScopeRow>> {
  const { rows } = await client.query<RawScope>({
    name: 'lock_charged_scopes',
    // Each is looked up by its index, whatever the planner knows of tables that grew since: it would compare every row with all that is charged.
    // Windows of money stay for ever, so a key's are found by their ends: those that ended before are not even looked at. One that never ends began at zero.
    // Of the scopes an array, each once, so that the rows to be locked are found by their ids and in their order.
    text: `SELECT ${COLUMNS} FROM lease_scopes WHERE scope_id = ANY(ARRAY(
             SELECT scope_id FROM unnest($1::uuid[]) AS charged (id), LATERAL (SELECT scope_id FROM leases WHERE lease_id = charged.id OFFSET 0) AS found
             UNION
             SELECT scope_id FROM unnest($2::text[]) AS charged (id),
               LATERAL (SELECT scope_id FROM lease_scopes WHERE account_id = charged.id AND key_hash = '' AND kind = 'account_credit' OFFSET 0) AS found
             UNION
             SELECT scope_id FROM unnest($3::text[]) AS charged (hash),
               LATERAL (SELECT scope_id FROM lease_scopes WHERE kind = 'key_limit' AND key_hash = charged.hash AND window_end_ms IS NULL OFFSET 0) AS found
             UNION
             SELECT scope_id FROM unnest($3::text[]) AS charged (hash),
               LATERAL (SELECT scope_id FROM lease_scopes WHERE kind = 'key_limit' AND key_hash = charged.hash AND window_end_ms > $4
                                                            AND window_start_ms <= $5 OFFSET 0) AS found
           )) ORDER BY scope_id FOR NO KEY UPDATE`,
    values: [charged.leaseIds, charged.accountIds, charged.keyHashes, charged.earliestMs, charged.latestMs],
  });
  return new Map(rows.map((row) => [row.scopeId, toScope(row)]));
}

/** Scopes of a key or an account whose window has not ended: those that a changed limit touches. */
export async function findPresentScopes(
  client: Queryable,
  subject: { readonly accountId: string; readonly keyHash: string },
  nowMs: number,
): Promise<bigint[]> {
  const { rows } = await client.query<{ scopeId: bigint }>(
    `SELECT scope_id AS "scopeId" FROM lease_scopes WHERE account_id = $1 AND key_hash = $2 AND kind <> 'account_credit' AND (window_end_ms IS NULL OR window_end_ms > $3)`,
    [subject.accountId, subject.keyHash, nowMs],
  );
  return rows.map((row) => row.scopeId);
}

/** Writes the amounts of locked scopes; the excess is derived from them. */
export async function saveScopes(client: Queryable, scopes: readonly ScopeRow[]): Promise<void> {
  if (scopes.length === 0) return;
  await client.query({
    name: 'save_scopes',
    text: `UPDATE lease_scopes SET limit_amount = new.limit_amount, held = new.held, spent = new.spent, over_amount = new.over_amount
             FROM unnest($1::bigint[], $2::numeric[], $3::numeric[], $4::numeric[], $5::numeric[]) AS new (scope_id, limit_amount, held, spent, over_amount)
            WHERE lease_scopes.scope_id = new.scope_id`,
    values: [
      scopes.map((scope) => scope.scopeId),
      scopes.map((scope) => scope.amounts.limit ?? null),
      scopes.map((scope) => scope.amounts.held),
      scopes.map((scope) => scope.amounts.spent),
      scopes.map((scope) => excessOf(scope.amounts)),
    ],
  });
}

/** Adds to what is held and to nothing else, so that the database itself refuses a grant that the scope cannot bear. */
export async function addHeld(client: Queryable, scopeIds: readonly bigint[], amounts: readonly bigint[]): Promise<void> {
  await client.query(
    `UPDATE lease_scopes SET held = held + grants.amount FROM unnest($1::bigint[], $2::numeric[]) AS grants (scope_id, amount) WHERE lease_scopes.scope_id = grants.scope_id`,
    [scopeIds, amounts],
  );
}

/** Quota windows long past, with their leases, at most so many windows; money windows stay. Answers how many there were. */
export async function dropOldQuotaWindows(client: Queryable, endedBeforeMs: number, limit: number): Promise<number> {
  const { rows } = await client.query<{ scopeId: bigint }>(
    `SELECT scope_id AS "scopeId" FROM lease_scopes WHERE window_end_ms < $1 AND kind <> 'key_limit' ORDER BY window_end_ms LIMIT $2 FOR UPDATE SKIP LOCKED`,
    [endedBeforeMs, limit],
  );
  const scopeIds = rows.map(({ scopeId }) => scopeId);
  // Nobody begins a lease in a scope that is locked so, and those begun before are seen by now. Of an array whose length it does not know the database takes
  // few, and looks them up: knowing it, it takes each window to have as many leases as an account's credit, and reads them all.
  await client.query('DELETE FROM leases WHERE scope_id = ANY(ARRAY(SELECT unnest($1::bigint[])))', [scopeIds]);
  await client.query('DELETE FROM lease_scopes WHERE scope_id = ANY($1::bigint[])', [scopeIds]);
  return scopeIds.length;
}

function toScope(row: RawScope): ScopeRow {
  return {
    scopeId: row.scopeId,
    kind: row.kind,
    accountId: row.accountId,
    keyHash: row.keyHash,
    limitReset: row.limitReset,
    window: { startMs: Number(row.windowStartMs), endMs: row.windowEndMs === null ? undefined : Number(row.windowEndMs) },
    amounts: { limit: row.limit === null ? undefined : BigInt(row.limit), held: BigInt(row.held), spent: BigInt(row.spent) },
  };
}
