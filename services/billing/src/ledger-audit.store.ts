import { DAY_MS } from '@switchyard/core';
import { allowStatementTime, type Queryable } from '@switchyard/db';
import { INT64_MAX } from './request-checks.js';

export interface AuditFinding {
  readonly check: string;
  readonly subject: string;
  readonly detail: string;
}

export interface AuditCheck {
  readonly name: string;
  /** Returns `subject` and `detail` of everything that is wrong. */
  readonly sql: string;
}

const MAX_FINDINGS = 100;
/** Each check reads whole tables. */
const CHECK_TIMEOUT_MS = 3_600_000;
const OPEN_HOLD = `CASE WHEN resolved_at_ms IS NULL THEN greatest(0, granted - released - settled) ELSE 0 END`;

/** What the stored documents of terminal events say; fields at their default are absent from proto3's JSON. */
const GENERATION_EVENTS = `usage_events event CROSS JOIN LATERAL jsonb_to_record(coalesce(document, body::jsonb))
  AS fact ("generationId" text, "accountId" text, "keyHash" text, "acceptTimeMs" bigint, "chargePico" bigint, leases jsonb)`;
const ATTEMPT_FACTS = `jsonb_to_record(coalesce(document, body::jsonb)) AS fact ("attemptId" text, "costPico" bigint)`;
const COST_EVENTS = `SELECT event_id, attempt_id FROM attempt_costs UNION ALL SELECT event_id, attempt_id FROM attempt_corrections`;

/**
 * What each event counts against each lease that it names: of credit no more than its charge, however many leases it names.
 * Leases of other accounts or keys are never touched, those of old quota windows are gone.
 */
const leaseUses = (isNeeded: string): string => `
  SELECT lease_id, scope_id, event_id, charge_pico, accept_time_ms,
         CASE WHEN kind = 'account_credit' THEN least(charge_pico, so_far) - least(charge_pico, so_far - amount) ELSE amount END AS amount
    FROM (SELECT lease.lease_id, lease.scope_id, event.event_id, scope.kind, coalesce(fact."chargePico", 0) AS charge_pico, fact."acceptTimeMs" AS accept_time_ms,
                 coalesce(named.amount, 0) AS amount, sum(coalesce(named.amount, 0)) OVER (PARTITION BY event.event_id, lease.scope_id ORDER BY named.position) AS so_far
            FROM ${GENERATION_EVENTS}
            CROSS JOIN LATERAL ROWS FROM (jsonb_to_recordset(fact.leases) AS ("leaseId" text, amount numeric)) WITH ORDINALITY AS named (lease_id, amount, position)
            JOIN leases lease ON lease.lease_id::text = named.lease_id JOIN lease_scopes scope ON scope.scope_id = lease.scope_id
           WHERE ${isNeeded} AND event.event_type = 'generation' AND scope.account_id = fact."accountId" AND scope.key_hash IN ('', fact."keyHash")) used`;

/** The journal against itself and its projections. */
const JOURNAL_CHECKS: readonly AuditCheck[] = [
  {
    name: 'zero_sum',
    sql: `SELECT 'all entries' AS subject, 'sum to ' || sum(amount_pico) AS detail FROM ledger_entries HAVING sum(amount_pico) <> 0
          UNION ALL
          SELECT transaction_id::text, 'sums to ' || sum(amount_pico) FROM ledger_entries GROUP BY transaction_id HAVING sum(amount_pico) <> 0`,
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
    name: 'key_usage_equals_charges',
    sql: `SELECT key_hash || ' on ' || to_char(to_timestamp(day_start_ms / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS subject,
                 'counted ' || coalesce(usage.charge_pico, 0) || ' in ' || coalesce(generation_count, 0) || ', charged ' || coalesce(charged.sum, 0) || ' in ' || coalesce(charged.count, 0) AS detail
            FROM key_usage_days usage
            FULL JOIN (SELECT key_hash, accept_time_ms - accept_time_ms % ${DAY_MS} AS day_start_ms, sum(charge_pico), count(*) FROM charges GROUP BY 1, 2) charged USING (key_hash, day_start_ms)
           WHERE usage.charge_pico IS DISTINCT FROM charged.sum OR generation_count IS DISTINCT FROM charged.count`,
  },
];

/** The journal against the events that it was made from. */
const EVENT_CHECKS: readonly AuditCheck[] = [
  {
    name: 'one_charge_per_event',
    sql: `SELECT coalesce(event.event_id, charges.event_id)::text AS subject, CASE WHEN charges.event_id IS NULL THEN 'event without charge' ELSE 'charge without event' END AS detail
            FROM (SELECT event_id FROM usage_events WHERE event_type = 'generation') event FULL JOIN charges USING (event_id)
           WHERE event.event_id IS NULL OR charges.event_id IS NULL`,
  },
  {
    name: 'one_charge_per_generation',
    sql: `SELECT generation_id AS subject, coalesce(charge_count, 0) || ' ends, ' || coalesce(posted.count, 0) || ' charges in the ledger' AS detail
            FROM (SELECT generation_id, count(*) FROM ledger_transactions WHERE kind = 'charge' GROUP BY generation_id) posted
            FULL JOIN (SELECT generation_id, count(*) AS charge_count, count(*) FILTER (WHERE charge_pico > 0) AS paid_count FROM charges GROUP BY generation_id) ended USING (generation_id)
           WHERE charge_count IS DISTINCT FROM 1 OR coalesce(posted.count, 0) <> paid_count`,
  },
  {
    name: 'one_cost_per_attempt',
    // Reports that came after another one changed nothing and have no row: only their documents are opened.
    sql: `WITH later AS MATERIALIZED (SELECT document, body FROM usage_events LEFT JOIN (${COST_EVENTS}) cost USING (event_id) WHERE event_type = 'attempt' AND attempt_id IS NULL)
          SELECT coalesce(attempt_id, event_id::text) AS subject, 'cost without its event' AS detail
            FROM (${COST_EVENTS}) cost LEFT JOIN usage_events USING (event_id) WHERE generation_id IS NULL
          UNION ALL
          SELECT fact."attemptId", 'event without cost' FROM later CROSS JOIN LATERAL ${ATTEMPT_FACTS} LEFT JOIN attempt_costs ON attempt_id = fact."attemptId" WHERE attempt_id IS NULL
          UNION ALL
          SELECT reference, count(*) || ' postings of kind ' || kind FROM ledger_transactions WHERE kind IN ('cost', 'cost_correction') GROUP BY reference, kind HAVING count(*) > 1`,
  },
  {
    name: 'charges_equal_events',
    sql: `SELECT charge.generation_id AS subject, 'recorded ' || charge_pico || ', the event says ' || coalesce(fact."chargePico", 0) AS detail
            FROM charges charge JOIN (${GENERATION_EVENTS}) ON event.event_id = charge.event_id
           WHERE charge_pico <> coalesce(fact."chargePico", 0)
              OR (charge.generation_id, charge.account_id, charge.key_hash, charge.accept_time_ms) IS DISTINCT FROM (fact."generationId", fact."accountId", fact."keyHash", fact."acceptTimeMs")`,
  },
  {
    name: 'costs_equal_events',
    sql: `SELECT cost.attempt_id AS subject, 'recorded ' || cost_pico || ', the event says ' || coalesce(fact."costPico", 0) AS detail
            FROM (SELECT attempt_id, event_id, cost_pico FROM attempt_costs UNION ALL SELECT attempt_id, event_id, cost_pico FROM attempt_corrections) cost
            JOIN usage_events USING (event_id) CROSS JOIN LATERAL ${ATTEMPT_FACTS}
           WHERE cost_pico <> coalesce(fact."costPico", 0) OR cost.attempt_id IS DISTINCT FROM fact."attemptId"
          UNION ALL
          SELECT correction.attempt_id, 'corrected by ' || difference_pico || ', from ' || cost.cost_pico || ' to ' || correction.cost_pico
            FROM attempt_corrections correction LEFT JOIN attempt_costs cost USING (attempt_id) WHERE difference_pico IS DISTINCT FROM correction.cost_pico - cost.cost_pico`,
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
    name: 'postings_name_their_cause',
    sql: `SELECT transaction_id::text AS subject, kind || ' of ' || head.account_id || ' at ' || head.accept_time_ms || ', caused by ' || cause.account_id || ' at ' || cause.accept_time_ms AS detail
            FROM ledger_transactions head
            JOIN (SELECT event_id, account_id, accept_time_ms FROM charges UNION ALL SELECT event_id, account_id, accept_time_ms FROM attempt_costs) cause ON cause.event_id = head.transaction_id
           WHERE (head.account_id, head.accept_time_ms) IS DISTINCT FROM (cause.account_id, cause.accept_time_ms)`,
  },
];

/** Leases, scopes and credit. */
const LEASE_CHECKS: readonly AuditCheck[] = [
  {
    name: 'lease_sums',
    sql: `SELECT lease_id::text AS subject, 'granted ' || granted || ', released ' || released || ', settled ' || settled || ', ' || coalesce(resolution, 'open') AS detail FROM leases
           WHERE (resolution IS NULL) <> (resolved_at_ms IS NULL) OR (resolution = 'spent' AND granted > released + settled)`,
  },
  {
    name: 'leases_equal_events',
    sql: `SELECT lease_id::text AS subject, 'settled ' || settled || ', its events ' || coalesce(used.sum, 0) AS detail
            FROM leases LEFT JOIN (SELECT lease_id, sum(amount) FROM (${leaseUses('true')}) uses GROUP BY lease_id) used USING (lease_id)
           WHERE settled <> coalesce(used.sum, 0)`,
  },
  {
    name: 'holds_equal_leases',
    sql: `SELECT scope.scope_id::text AS subject, kind || ' holds ' || held || ', leases ' || coalesce(leased.sum, 0) AS detail
            FROM lease_scopes scope LEFT JOIN (SELECT scope_id, sum(${OPEN_HOLD}) FROM leases WHERE resolved_at_ms IS NULL GROUP BY scope_id) leased USING (scope_id)
           WHERE held <> coalesce(leased.sum, 0)`,
  },
  {
    name: 'quotas_equal_leases',
    sql: `SELECT scope.scope_id::text AS subject, kind || ' spent ' || spent || ', leases ' || coalesce(leased.sum, 0) AS detail
            FROM lease_scopes scope LEFT JOIN (SELECT scope_id, sum(settled) FROM leases GROUP BY scope_id) leased USING (scope_id)
           WHERE kind NOT IN ('account_credit', 'key_limit') AND spent <> coalesce(leased.sum, 0)`,
  },
  {
    // A key's window counts all that the key was charged in it, and what events beyond it settled against its leases. There are seldom any of these:
    // events are opened only when some window needs them. Each window looks its days up by the index: a key has ever more of both.
    name: 'limits_equal_charges',
    sql: `WITH odd AS MATERIALIZED (SELECT scope.*, counted FROM lease_scopes scope
                            CROSS JOIN LATERAL (SELECT coalesce(sum(charge_pico), 0) AS counted FROM key_usage_days usage WHERE usage.key_hash = scope.key_hash
                                                   AND day_start_ms >= window_start_ms AND day_start_ms < coalesce(window_end_ms, ${INT64_MAX})) days
                            WHERE kind = 'key_limit' AND spent <> counted),
               beyond AS (SELECT scope_id, sum(CASE WHEN accept_time_ms >= window_start_ms AND (window_end_ms IS NULL OR accept_time_ms < window_end_ms)
                                                    THEN greatest(0, amount - charge_pico) ELSE amount END)
                            FROM (SELECT scope_id, event_id, charge_pico, accept_time_ms, sum(amount) AS amount FROM (${leaseUses('(SELECT count(*) FROM odd) > 0')}) uses
                                   GROUP BY scope_id, event_id, charge_pico, accept_time_ms) used
                            JOIN odd USING (scope_id) GROUP BY scope_id)
          SELECT odd.scope_id::text AS subject, 'key ' || key_hash || ' spent ' || spent || ', charged ' || counted + coalesce(beyond.sum, 0) AS detail
            FROM odd LEFT JOIN beyond USING (scope_id) WHERE spent <> counted + coalesce(beyond.sum, 0)`,
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
    name: 'grants_equal_postings',
    sql: `SELECT coalesce(granted.transaction_id, posted.transaction_id)::text AS subject, 'granted ' || coalesce(granted.amount_pico, 0) || ', posted ' || coalesce(posted.sum, 0) AS detail
            FROM credit_grants granted
            FULL JOIN (SELECT transaction_id, account_id, kind, sum(amount_pico) FILTER (WHERE amount_pico > 0) FROM ledger_transactions JOIN ledger_entries USING (transaction_id)
                        WHERE kind IN ('credit_grant', 'promotion_grant') GROUP BY transaction_id, account_id, kind) posted USING (transaction_id)
           WHERE granted.amount_pico IS DISTINCT FROM posted.sum OR granted.account_id IS DISTINCT FROM posted.account_id OR granted.is_promotional IS DISTINCT FROM (posted.kind = 'promotion_grant')`,
  },
  {
    name: 'purchases_equal_grants',
    sql: `SELECT account_id AS subject, 'bought ' || purchased_pico || ', grants ' || coalesce(granted.sum, 0) AS detail
            FROM accounts LEFT JOIN (SELECT account_id, sum(amount_pico) FROM credit_grants WHERE NOT is_promotional GROUP BY account_id) granted USING (account_id)
           WHERE purchased_pico <> coalesce(granted.sum, 0)`,
  },
];

/** Each must find nothing. */
export const AUDIT_CHECKS: readonly AuditCheck[] = [...JOURNAL_CHECKS, ...EVENT_CHECKS, ...LEASE_CHECKS];

/**
 * For the rest of the transaction: time to read whole tables, memory within a bound (what does not fit goes to disk), and no
 * second process of the database's. Run within one snapshot, so that a live database does not look wrong.
 */
export async function prepareAudit(client: Queryable): Promise<void> {
  await allowStatementTime(client, CHECK_TIMEOUT_MS);
  await client.query(`SET LOCAL work_mem = '32MB'`);
  await client.query(`SET LOCAL hash_mem_multiplier = 1`);
  await client.query(`SET LOCAL max_parallel_workers_per_gather = 0`);
  await client.query(`SET LOCAL jit = off`);
}

export async function runAudit(client: Queryable, checks: readonly AuditCheck[]): Promise<AuditFinding[]> {
  const findings: AuditFinding[] = [];
  for (const { name, sql } of checks) {
    const { rows } = await client.query<{ subject: string; detail: string }>(`${sql} LIMIT ${MAX_FINDINGS}`);
    findings.push(...rows.map((row) => ({ check: name, ...row })));
  }
  return findings;
}
