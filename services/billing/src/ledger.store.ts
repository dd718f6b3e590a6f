import { allAnswered, batchInsert, sourceCopy, type Queryable } from '@switchyard/db';
import type { ClientBase } from 'pg';
import type { LedgerEntry, LedgerTransaction } from './core/ledger-transaction.js';

const insertTransactions = sourceCopy<LedgerTransaction, 'posted_at_ms'>({
  table: 'ledger_transactions',
  columns: {
    transaction_id: ['uuid', (transaction) => transaction.transactionId],
    kind: ['text', (transaction) => transaction.kind],
    account_id: ['text', (transaction) => transaction.accountId],
    generation_id: ['text', (transaction) => transaction.generationId],
    reference: ['text', (transaction) => transaction.reference],
    accept_time_ms: ['bigint', (transaction) => transaction.acceptTimeMs],
    entry_count: ['smallint', (transaction) => transaction.entries.length],
  },
  shared: { posted_at_ms: 'bigint' },
});

interface PlacedEntry {
  readonly transactionId: string;
  readonly index: number;
  readonly entry: LedgerEntry;
}

const insertEntries = sourceCopy<PlacedEntry>({
  table: 'ledger_entries',
  columns: {
    transaction_id: ['uuid', ({ transactionId }) => transactionId],
    entry_index: ['smallint', ({ index }) => index],
    ledger_account: ['text', ({ entry }) => entry.ledgerAccount],
    amount_pico: ['bigint', ({ entry }) => entry.amountPico],
  },
});

const addToBalances = batchInsert({
  table: 'ledger_balances',
  columns: { ledger_account: 'text', balance_pico: 'numeric', entry_count: 'bigint' },
  suffix: `ON CONFLICT (ledger_account) DO UPDATE SET balance_pico = ledger_balances.balance_pico + excluded.balance_pico,
    entry_count = ledger_balances.entry_count + excluded.entry_count`,
});

/** Posts whole transactions and moves each balance once, in the order of the accounts' names, which keeps concurrent batches from deadlocks. */
export async function postTransactions(client: ClientBase, transactions: readonly LedgerTransaction[], nowMs: number): Promise<void> {
  if (transactions.length === 0) return;
  // The order of the indexes, which grow at their end.
  const sorted = transactions.toSorted((a, b) => (a.transactionId < b.transactionId ? -1 : 1));
  const entries: PlacedEntry[] = [];
  for (const { transactionId, entries: own } of sorted) {
    for (const [index, entry] of own.entries()) entries.push({ transactionId, index, entry });
  }
  await allAnswered([
    insertTransactions(client, sorted, { posted_at_ms: nowMs }),
    insertEntries(client, entries),
    addToBalances(client, balanceChanges(transactions)),
  ]);
}

function balanceChanges(transactions: readonly LedgerTransaction[]): { ledger_account: string; balance_pico: bigint; entry_count: number }[] {
  const changes = new Map<string, { ledger_account: string; balance_pico: bigint; entry_count: number }>();
  for (const { entries } of transactions) {
    for (const { ledgerAccount, amountPico } of entries) {
      const change = changes.get(ledgerAccount);
      if (change) {
        change.balance_pico += amountPico;
        change.entry_count++;
      } else changes.set(ledgerAccount, { ledger_account: ledgerAccount, balance_pico: amountPico, entry_count: 1 });
    }
  }
  return [...changes.values()].sort((a, b) => (a.ledger_account < b.ledger_account ? -1 : 1));
}

/** Debits positive; accounts without an entry are absent. */
export async function readBalances(client: Queryable, ledgerAccounts: readonly string[]): Promise<Map<string, bigint>> {
  const { rows } = await client.query<{ account: string; balance: string }>(
    'SELECT ledger_account AS account, balance_pico AS balance FROM ledger_balances WHERE ledger_account = ANY($1::text[])',
    [ledgerAccounts],
  );
  return new Map(rows.map((row) => [row.account, BigInt(row.balance)]));
}

export interface GrantRow {
  readonly accountId: string;
  readonly idempotencyKey: string;
  readonly amountPico: bigint;
  readonly isPromotional: boolean;
  readonly description: string;
  readonly transactionId: string;
}

/** Claims the idempotency key; undefined when this call did, else the grant that was made under it before. */
export async function insertGrant(client: Queryable, grant: GrantRow): Promise<Pick<GrantRow, 'amountPico' | 'isPromotional'> | undefined> {
  const { rowCount } = await client.query(
    `INSERT INTO credit_grants (account_id, idempotency_key, amount_pico, is_promotional, description, transaction_id) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
    [grant.accountId, grant.idempotencyKey, grant.amountPico, grant.isPromotional, grant.description, grant.transactionId],
  );
  if (rowCount === 1) return undefined;
  const { rows } = await client.query<{ amountPico: bigint; isPromotional: boolean }>(
    'SELECT amount_pico AS "amountPico", is_promotional AS "isPromotional" FROM credit_grants WHERE account_id = $1 AND idempotency_key = $2',
    [grant.accountId, grant.idempotencyKey],
  );
  return rows[0];
}
