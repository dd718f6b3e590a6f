import type { Queryable } from '@switchyard/db';
import { isBlocked } from './lease-scope.store.js';

export interface LedgerBalance {
  /** `credits`, `receivable`, `revenue`, `expense`, `payable`, `clearing`: what all accounts of the kind come to. */
  readonly kind: string;
  readonly balancePico: bigint;
}

export interface LedgerWatchFigures {
  /** By check; all of them are zero in a ledger that is whole. */
  readonly differences: ReadonlyMap<LedgerCheck, number>;
  readonly balances: readonly LedgerBalance[];
  /** Money of accounts that leases hold. */
  readonly heldPico: bigint;
  /** Accounts and key limits that owe more than they have. */
  readonly blockedScopeCount: number;
}

export const LEDGER_CHECKS = ['balances_sum_to_zero', 'transactions_sum_to_zero', 'charges_are_posted'] as const;
export type LedgerCheck = (typeof LEDGER_CHECKS)[number];
export const BALANCE_KINDS = ['credits', 'receivable', 'revenue', 'expense', 'payable', 'clearing'] as const;

/** The newest records that are compared: a bound of the cost, whatever the traffic. The whole ledger is `ledger verify`'s. */
const RECENT = 10_000;

/** Numbers of things that are wrong among the newest. */
const RECENT_CHECKS: Readonly<Record<Exclude<LedgerCheck, 'balances_sum_to_zero'>, string>> = {
  transactions_sum_to_zero: `
    SELECT count(*) FROM (
      SELECT head.transaction_id FROM (SELECT transaction_id, entry_count FROM ledger_transactions ORDER BY transaction_id DESC LIMIT ${RECENT}) head
        LEFT JOIN ledger_entries entry USING (transaction_id) GROUP BY head.transaction_id, head.entry_count
       HAVING coalesce(sum(entry.amount_pico), 0) <> 0 OR count(entry.transaction_id) <> head.entry_count) wrong`,
  charges_are_posted: `
    SELECT count(*) FROM (SELECT event_id, charge_pico FROM charges ORDER BY generation_id DESC LIMIT ${RECENT}) charge
      LEFT JOIN ledger_entries entry ON entry.transaction_id = charge.event_id AND entry.ledger_account = 'platform:revenue:inference'
     WHERE charge.charge_pico <> coalesce(-entry.amount_pico, 0)`,
};

const BALANCES = `
  SELECT CASE WHEN ledger_account LIKE 'platform:%' THEN split_part(ledger_account, ':', 2) ELSE regexp_replace(ledger_account, '^.*:', '') END AS kind,
         sum(balance_pico) AS sum FROM ledger_balances GROUP BY 1`;

const HELD = `SELECT coalesce(sum(held), 0) AS held FROM accounts JOIN lease_scopes USING (account_id) WHERE key_hash = '' AND kind = 'account_credit'`;

/** Call it in one snapshot: the figures belong together. */
export async function readLedgerFigures(client: Queryable, nowMs: number): Promise<LedgerWatchFigures> {
  const { rows } = await client.query<{ kind: string; sum: string }>(BALANCES);
  const balances = rows.map(({ kind, sum }) => ({ kind, balancePico: BigInt(sum) }));
  const total = balances.reduce((sum, { balancePico }) => sum + balancePico, 0n);
  const differences = new Map<LedgerCheck, number>([['balances_sum_to_zero', total === 0n ? 0 : 1]]);
  for (const [check, sql] of Object.entries(RECENT_CHECKS)) differences.set(check as LedgerCheck, await countOf(client, sql));
  const { rows: holds } = await client.query<{ held: string }>(HELD);
  const blockedScopeCount = await countOf(client, `SELECT count(*) FROM lease_scopes WHERE ${isBlocked(nowMs)}`);
  return { differences, balances, heldPico: BigInt(holds[0]!.held), blockedScopeCount };
}

async function countOf(client: Queryable, sql: string): Promise<number> {
  const { rows } = await client.query<{ count: bigint }>(sql);
  return Number(rows[0]!.count);
}
