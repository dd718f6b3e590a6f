import type { Queryable } from '@switchyard/db';

export interface AuditFinding {
  readonly check: string;
  readonly subject: string;
  readonly detail: string;
}

export interface AuditCheck {
  readonly name: string;
  /** Returns `subject` and `detail` of everything that is wrong; the database aggregates, so memory stays bounded. */
  readonly sql: string;
}

const MAX_FINDINGS = 100;
/** Each check reads whole tables. */
const CHECK_TIMEOUT_MS = 900_000;
const OPEN_HOLD = `CASE WHEN resolved_at_ms IS NULL THEN greatest(0, granted - released - settled) ELSE 0 END`;

/** Each must find nothing. */
export const AUDIT_CHECKS: readonly AuditCheck[] = [
  {
    name: 'zero_sum',
    sql: `SELECT transaction_id::text AS subject, 'sums to ' || sum(amount_pico) AS detail FROM ledger_entries GROUP BY transaction_id HAVING sum(amount_pico) <> 0`,
  },
  {
    name: 'whole_transactions',
    sql: `SELECT coalesce(head.transaction_id, body.transaction_id)::text AS subject, coalesce(entry_count, 0) || ' entries announced, ' || coalesce(count, 0) || ' found' AS detail
            FROM ledger_transactions head FULL JOIN (SELECT transaction_id, count(*) FROM ledger_entries GROUP BY transaction_id) body USING (transaction_id)
           WHERE entry_count IS DISTINCT FROM count`,
  },
  {
    name: 'projection_equals_journal',
    sql: `SELECT ledger_account AS subject, 'balance ' || coalesce(balance_pico, 0) || ', journal ' || coalesce(journal.sum, 0) AS detail
            FROM ledger_balances FULL JOIN (SELECT ledger_account, sum(amount_pico), count(*) FROM ledger_entries GROUP BY ledger_account) journal USING (ledger_account)
           WHERE balance_pico IS DISTINCT FROM journal.sum OR entry_count IS DISTINCT FROM journal.count`,
  },
  {
    name: 'one_charge_per_event',
    sql: `SELECT coalesce(event.event_id, charges.event_id)::text AS subject, CASE WHEN charges.event_id IS NULL THEN 'event without charge' ELSE 'charge without event' END AS detail
            FROM (SELECT event_id FROM usage_events WHERE event_type = 'generation') event FULL JOIN charges USING (event_id)
           WHERE event.event_id IS NULL OR charges.event_id IS NULL`,
  },
  {
    name: 'one_cost_per_attempt',
    sql: `SELECT coalesce(attempt_id, event_id::text) AS subject, 'cost without its event' AS detail
            FROM (SELECT event_id, attempt_id FROM attempt_costs UNION ALL SELECT event_id, attempt_id FROM attempt_corrections) cost LEFT JOIN usage_events USING (event_id)
           WHERE generation_id IS NULL`,
  },
  {
    name: 'charges_equal_postings',
    sql: `SELECT coalesce(charges.event_id, posted.transaction_id)::text AS subject, 'charged ' || coalesce(charge_pico, 0) || ', posted ' || coalesce(-posted.amount_pico, 0) AS detail
            FROM (SELECT event_id, charge_pico FROM charges WHERE charge_pico > 0) charges
            FULL JOIN (SELECT transaction_id, amount_pico FROM ledger_entries WHERE ledger_account = 'platform:revenue:inference') posted ON posted.transaction_id = charges.event_id
           WHERE charge_pico IS DISTINCT FROM -posted.amount_pico`,
  },
  {
    name: 'costs_equal_postings',
    sql: `SELECT coalesce(cost.event_id, posted.transaction_id)::text AS subject, 'cost ' || coalesce(cost_pico, 0) || ', posted ' || coalesce(posted.amount_pico, 0) AS detail
            FROM (SELECT event_id, cost_pico FROM attempt_costs WHERE cost_pico <> 0 AND NOT is_byok
                  UNION ALL SELECT correction.event_id, difference_pico FROM attempt_corrections correction JOIN attempt_costs USING (attempt_id) WHERE difference_pico <> 0 AND NOT is_byok) cost
            FULL JOIN (SELECT transaction_id, amount_pico FROM ledger_entries WHERE ledger_account LIKE 'platform:expense:inference:%') posted ON posted.transaction_id = cost.event_id
           WHERE cost_pico IS DISTINCT FROM posted.amount_pico`,
  },
  {
    name: 'holds_equal_leases',
    sql: `SELECT scope.scope_id::text AS subject, kind || ' holds ' || held || ', leases ' || coalesce(leased.sum, 0) AS detail
            FROM lease_scopes scope LEFT JOIN (SELECT scope_id, sum(${OPEN_HOLD}) FROM leases WHERE resolved_at_ms IS NULL GROUP BY scope_id) leased USING (scope_id)
           WHERE held <> coalesce(leased.sum, 0)`,
  },
  {
    name: 'credit_equals_grants_and_charges',
    sql: `SELECT account_id AS subject, 'granted ' || limit_amount || ' and spent ' || spent || ', grants ' || coalesce(granted.sum, 0) || ' and charges ' || coalesce(charged.sum, 0) AS detail
            FROM lease_scopes LEFT JOIN (SELECT account_id, sum(amount_pico) FROM credit_grants GROUP BY account_id) granted USING (account_id)
            LEFT JOIN (SELECT account_id, sum(charge_pico) FROM charges GROUP BY account_id) charged USING (account_id)
           WHERE kind = 'account_credit' AND (limit_amount <> coalesce(granted.sum, 0) OR spent <> coalesce(charged.sum, 0))`,
  },
  {
    name: 'credit_equals_ledger',
    sql: `SELECT scope.account_id AS subject, 'credit ' || limit_amount - spent + over_amount || ' and owed ' || over_amount || ', ledger ' || coalesce(-credits.balance_pico, 0) || ' and ' || coalesce(owed.balance_pico, 0) AS detail
            FROM lease_scopes scope LEFT JOIN ledger_balances credits ON credits.ledger_account = 'account:' || scope.account_id || ':credits'
            LEFT JOIN ledger_balances owed ON owed.ledger_account = 'account:' || scope.account_id || ':receivable'
           WHERE kind = 'account_credit' AND (limit_amount - spent + over_amount <> coalesce(-credits.balance_pico, 0) OR over_amount <> coalesce(owed.balance_pico, 0))`,
  },
  {
    name: 'key_usage_equals_charges',
    sql: `SELECT coalesce(usage.key_hash, charged.key_hash) AS subject, 'counted ' || coalesce(usage.sum, 0) || ', charged ' || coalesce(charged.sum, 0) AS detail
            FROM (SELECT key_hash, sum(charge_pico) FROM key_usage_days GROUP BY key_hash) usage
            FULL JOIN (SELECT key_hash, sum(charge_pico) FROM charges GROUP BY key_hash) charged USING (key_hash)
           WHERE usage.sum IS DISTINCT FROM charged.sum`,
  },
];

/** Nothing wrong, but people should know. */
export const FLAGGED: readonly AuditCheck[] = [
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
    sql: `SELECT account_id || ' ' || kind AS subject, over_amount || ' above its limit' AS detail FROM lease_scopes WHERE over_amount > 0 AND kind IN ('account_credit', 'key_limit')`,
  },
];

/** Run within one snapshot, so that a live database does not look wrong. */
export async function runAudit(client: Queryable, checks: readonly AuditCheck[]): Promise<AuditFinding[]> {
  const findings: AuditFinding[] = [];
  await client.query(`SET LOCAL statement_timeout = ${CHECK_TIMEOUT_MS}`);
  for (const { name, sql } of checks) {
    const { rows } = await client.query<{ subject: string; detail: string }>(`${sql} LIMIT ${MAX_FINDINGS}`);
    findings.push(...rows.map((row) => ({ check: name, ...row })));
  }
  return findings;
}

export async function countJournal(client: Queryable): Promise<{ transactionCount: bigint; entryCount: bigint }> {
  const { rows } = await client.query<{ transactionCount: bigint; entryCount: bigint }>(
    `SELECT (SELECT count(*) FROM ledger_transactions) AS "transactionCount", (SELECT count(*) FROM ledger_entries) AS "entryCount"`,
  );
  return rows[0]!;
}
