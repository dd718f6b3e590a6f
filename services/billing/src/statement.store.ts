import { allowStatementTime, type Queryable } from '@switchyard/db';
import type { billing } from '@switchyard/proto';
import type { MovementSum } from './core/statement.js';
import { LEDGER } from './core/ledger-transaction.js';
import { firstEventIdOf } from './ledger-partition.store.js';

/** A time of accepting, half-open, unix milliseconds. */
export interface Period {
  readonly startMs: number;
  readonly endMs: number;
}

const STATEMENT_TIMEOUT_MS = 110_000;
/** As the index of these rows has it. */
const IS_NO_USAGE = `kind NOT IN ('charge', 'cost', 'cost_correction')`;

/** For the rest of the transaction: a month of a large account takes its time. */
export async function allowLongReads(client: Queryable): Promise<void> {
  await allowStatementTime(client, STATEMENT_TIMEOUT_MS);
}

/** Undefined when there is no such account. */
export async function readAccountBalance(client: Queryable, accountId: string): Promise<{ accountName: string; scopeBalancePico: bigint } | undefined> {
  const { rows } = await client.query<{ accountName: string; balance: string }>(
    `SELECT name AS "accountName", coalesce(limit_amount, 0) - spent AS balance
       FROM accounts JOIN lease_scopes USING (account_id) WHERE account_id = $1 AND key_hash = '' AND kind = 'account_credit'`,
    [accountId],
  );
  return rows[0] && { accountName: rows[0].accountName, scopeBalancePico: BigInt(rows[0].balance) };
}

/**
 * Every movement of the account's credits and receivable from the period's start until now, by kind. An entry has the id of its transaction: with the least
 * of them the database leaves the months before alone.
 */
export async function readMovements(client: Queryable, accountId: string, { startMs, endMs }: Period): Promise<MovementSum[]> {
  const { rows } = await client.query<{ kind: string; isInPeriod: boolean; credits: string; receivable: string }>(
    `WITH moved AS MATERIALIZED (
       SELECT 'charge' AS kind, accept_time_ms, event_id AS transaction_id FROM charges WHERE account_id = $1 AND accept_time_ms >= $2
       UNION ALL
       SELECT kind, accept_time_ms, transaction_id FROM ledger_transactions WHERE account_id = $1 AND accept_time_ms >= $2 AND ${IS_NO_USAGE})
     SELECT kind, accept_time_ms < $3 AS "isInPeriod", coalesce(sum(amount_pico) FILTER (WHERE ledger_account = $4), 0) AS credits,
            coalesce(sum(amount_pico) FILTER (WHERE ledger_account = $5), 0) AS receivable
       FROM moved JOIN ledger_entries entry USING (transaction_id)
      WHERE ledger_account IN ($4, $5) AND entry.transaction_id >= (SELECT transaction_id FROM moved ORDER BY transaction_id LIMIT 1) GROUP BY 1, 2`,
    [accountId, startMs, endMs, LEDGER.credits(accountId), LEDGER.receivable(accountId)],
  );
  return rows.map(({ kind, isInPeriod, credits, receivable }) => ({ kind, isInPeriod, creditsPico: BigInt(credits), receivablePico: BigInt(receivable) }));
}

export async function readCharged(client: Queryable, accountId: string, { startMs, endMs }: Period): Promise<{ chargePico: bigint; requestCount: bigint }> {
  const { rows } = await client.query<{ charged: string; count: bigint }>(
    'SELECT coalesce(sum(charge_pico), 0) AS charged, count(*) FROM charges WHERE account_id = $1 AND accept_time_ms >= $2 AND accept_time_ms < $3',
    [accountId, startMs, endMs],
  );
  return { chargePico: BigInt(rows[0]!.charged), requestCount: rows[0]!.count };
}

/** Keys and what they were charged, greatest first. */
export async function readKeyLines(client: Queryable, accountId: string, { startMs, endMs }: Period, limit: number): Promise<billing.StatementLine[]> {
  const { rows } = await client.query<RawLine>(
    `SELECT key_hash AS id, coalesce(name, '') AS name, count, charged
       FROM (SELECT key_hash, count(*), sum(charge_pico) AS charged FROM charges WHERE account_id = $1 AND accept_time_ms >= $2 AND accept_time_ms < $3 GROUP BY key_hash) used
       LEFT JOIN api_keys USING (key_hash) ORDER BY charged DESC, key_hash LIMIT $4`,
    [accountId, startMs, endMs, limit],
  );
  return rows.map(toLine);
}

/** Models and what they were charged, greatest first. */
export async function readModelLines(client: Queryable, accountId: string, { startMs, endMs }: Period, limit: number): Promise<billing.StatementLine[]> {
  const { rows } = await client.query<RawLine>(
    `SELECT model AS id, model AS name, count(*), sum(charge_pico) AS charged
       FROM (SELECT charge_pico, coalesce(nullif(fact.model, ''), fact."modelRequested", '') COLLATE "C" AS model
               FROM charges LEFT JOIN usage_events event ON event.event_id = charges.event_id AND event.event_id >= ${firstEventIdOf('$2')}
               LEFT JOIN LATERAL jsonb_to_record(coalesce(event.document, event.body::jsonb)) AS fact (model text, "modelRequested" text) ON true
              WHERE account_id = $1 AND accept_time_ms >= $2 AND accept_time_ms < $3) used
      GROUP BY model ORDER BY charged DESC, model LIMIT $4`,
    [accountId, startMs, endMs, limit],
  );
  return rows.map(toLine);
}

/** What is neither usage nor a cover, oldest first, with what each added to the balance; and how many there are. Of the entries only those between the least and the greatest id are read. */
export async function readStatementEntries(
  client: Queryable,
  accountId: string,
  { startMs, endMs }: Period,
  limit: number,
): Promise<{ entries: billing.StatementEntry[]; entryCount: bigint }> {
  const { rows } = await client.query<{ timeMs: bigint; kind: string; description: string; amount: string; transactionId: string; entryCount: bigint }>(
    `WITH listed AS MATERIALIZED (
       SELECT account_id, transaction_id, kind, accept_time_ms FROM ledger_transactions
        WHERE account_id = $1 AND accept_time_ms >= $2 AND accept_time_ms < $3 AND ${IS_NO_USAGE} AND kind <> 'receivable_cover')
     SELECT accept_time_ms AS "timeMs", kind, coalesce(description, '') AS description, -sum(entry.amount_pico) AS amount, transaction_id AS "transactionId", count(*) OVER () AS "entryCount"
       FROM listed JOIN ledger_entries entry USING (transaction_id) LEFT JOIN credit_grants USING (transaction_id, account_id)
      WHERE ledger_account IN ($4, $5) AND entry.transaction_id >= (SELECT transaction_id FROM listed ORDER BY transaction_id LIMIT 1)
        AND entry.transaction_id <= (SELECT transaction_id FROM listed ORDER BY transaction_id DESC LIMIT 1)
      GROUP BY accept_time_ms, kind, description, transaction_id ORDER BY accept_time_ms, transaction_id LIMIT $6`,
    [accountId, startMs, endMs, LEDGER.credits(accountId), LEDGER.receivable(accountId), limit],
  );
  return {
    entries: rows.map(({ timeMs, kind, description, amount, transactionId }) => ({ timeMs, kind, description, amountPico: BigInt(amount), transactionId })),
    entryCount: rows[0]?.entryCount ?? 0n,
  };
}

/** Leases of money granted before a time that may still bring charges. */
export async function hasOpenLeases(client: Queryable, accountId: string, grantedBeforeMs: number): Promise<boolean> {
  const { rows } = await client.query<{ exists: boolean }>(
    `SELECT EXISTS (SELECT 1 FROM lease_scopes JOIN leases USING (scope_id)
       WHERE account_id = $1 AND kind IN ('account_credit', 'key_limit') AND resolved_at_ms IS NULL AND granted_at_ms < $2)`,
    [accountId, grantedBeforeMs],
  );
  return rows[0]!.exists;
}

interface RawLine {
  readonly id: string;
  readonly name: string;
  readonly count: bigint;
  readonly charged: string;
}

function toLine({ id, name, count, charged }: RawLine): billing.StatementLine {
  return { id, name, requestCount: count, chargedPico: BigInt(charged) };
}
