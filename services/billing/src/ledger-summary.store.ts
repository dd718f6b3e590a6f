import type { Queryable } from '@switchyard/db';
import type { billing } from '@switchyard/proto';
import type { AuditCheck } from './ledger-audit.store.js';
import { isBlocked } from './lease-scope.store.js';

/** What a blocked scope is told by: a key's limit with the key's hash. */
const SCOPE_NAME = `concat_ws(' ', account_id, kind, nullif(key_hash, ''))`;

/** Nothing wrong, but people should know. */
export const flaggedThings = (nowMs: number): readonly AuditCheck[] => [
  {
    name: 'flagged_charge',
    sql: `SELECT generation_id AS subject, flags || CASE WHEN excess_pico > 0 THEN ', ' || excess_pico || ' pico above its reservation' ELSE '' END AS detail
            FROM charges WHERE flags <> '' ORDER BY accept_time_ms DESC`,
  },
  {
    name: 'abandoned_lease',
    sql: `SELECT lease_id::text AS subject, 'held by ' || holder_id AS detail FROM leases WHERE resolution = 'abandoned' ORDER BY resolved_at_ms DESC`,
  },
  {
    name: 'blocked_scope',
    sql: `SELECT ${SCOPE_NAME} AS subject, over_amount || ' above its limit' AS detail FROM lease_scopes WHERE ${isBlocked(nowMs)}`,
  },
];

const MAX_FLAGS = 100;
const MAX_NEWEST = 20;

/** What is flagged and is no charge: how many, and the newest. */
const flagSources = (nowMs: number): readonly { readonly flag: string; readonly from: string; readonly id: string; readonly order: string }[] => [
  {
    flag: 'cost_estimated',
    from: `attempt_costs LEFT JOIN attempt_corrections USING (attempt_id) WHERE reporter = 'ingress' AND attempt_corrections.event_id IS NULL`,
    id: 'attempt_id',
    order: 'accept_time_ms DESC',
  },
  { flag: 'cost_corrected', from: 'attempt_corrections WHERE true', id: 'attempt_id', order: 'event_id DESC' },
  { flag: 'abandoned_lease', from: `leases WHERE resolution = 'abandoned'`, id: 'lease_id::text', order: 'resolved_at_ms DESC' },
  { flag: 'blocked_scope', from: `lease_scopes WHERE ${isBlocked(nowMs)}`, id: SCOPE_NAME, order: 'scope_id DESC' },
];

/** Every flag that something bears, with the newest that do. */
export async function readFlagCounts(client: Queryable, nowMs: number): Promise<billing.FlagCount[]> {
  const { rows } = await client.query<{ flag: string; count: bigint }>(
    `SELECT flag, count(*) FROM charges CROSS JOIN LATERAL regexp_split_to_table(flags, ' ') AS flag WHERE flags <> '' GROUP BY flag ORDER BY flag LIMIT ${MAX_FLAGS}`,
  );
  const counts: billing.FlagCount[] = [];
  for (const { flag, count } of rows) {
    const newest = await client.query<{ id: string }>(
      `SELECT generation_id AS id FROM charges WHERE flags <> '' AND $1 = ANY (string_to_array(flags, ' ')) ORDER BY accept_time_ms DESC LIMIT ${MAX_NEWEST}`,
      [flag],
    );
    counts.push({ flag, count, newest: newest.rows.map(({ id }) => id) });
  }
  for (const { flag, from, id, order } of flagSources(nowMs)) {
    const { rows: counted } = await client.query<{ count: bigint }>(`SELECT count(*) FROM ${from}`);
    const { count } = counted[0]!;
    if (count === 0n) continue;
    const newest = await client.query<{ id: string }>(`SELECT ${id} AS id FROM ${from} ORDER BY ${order} LIMIT ${MAX_NEWEST}`);
    counts.push({ flag, count, newest: newest.rows.map((row) => row.id) });
  }
  return counts;
}

/** Pairs that must be equal, and what it all sums to. */
const TOTALS: readonly { readonly name: string; readonly sql: string }[] = [
  {
    name: 'charged by events',
    sql: `SELECT sum((coalesce(document, body::jsonb) ->> 'chargePico')::numeric) FROM usage_events WHERE event_type = 'generation'`,
  },
  { name: 'charged in the ledger', sql: `SELECT -sum(amount_pico) AS sum FROM ledger_entries WHERE ledger_account = 'platform:revenue:inference'` },
  {
    name: 'cost by attempts',
    sql: `SELECT sum(cost_pico) FROM (SELECT cost_pico FROM attempt_costs WHERE NOT is_byok
            UNION ALL SELECT difference_pico FROM attempt_corrections JOIN attempt_costs USING (attempt_id) WHERE NOT is_byok) cost`,
  },
  { name: 'cost in the ledger', sql: `SELECT sum(amount_pico) FROM ledger_entries WHERE ledger_account LIKE 'platform:expense:inference:%'` },
  { name: 'held by leases', sql: `SELECT sum(held) FROM lease_scopes WHERE kind = 'account_credit'` },
  { name: 'owed by customers', sql: `SELECT sum(balance_pico) FROM ledger_balances WHERE ledger_account LIKE 'account:%:receivable'` },
  { name: 'all entries', sql: `SELECT sum(amount_pico) FROM ledger_entries` },
];

export async function readTotals(client: Queryable): Promise<billing.LedgerTotal[]> {
  const totals: billing.LedgerTotal[] = [];
  for (const { name, sql } of TOTALS) {
    const { rows } = await client.query<{ sum: string | null }>(sql);
    totals.push({ name, amountPico: rows[0]?.sum ?? '0' });
  }
  return totals;
}

export async function countJournal(client: Queryable): Promise<{ transactionCount: bigint; entryCount: bigint }> {
  const { rows } = await client.query<{ transactionCount: bigint; entryCount: bigint }>(
    `SELECT (SELECT count(*) FROM ledger_transactions) AS "transactionCount", (SELECT count(*) FROM ledger_entries) AS "entryCount"`,
  );
  return rows[0]!;
}
