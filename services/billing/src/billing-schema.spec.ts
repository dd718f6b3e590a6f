import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DAY_MS, newEventId } from '@switchyard/core';
import { events } from '@switchyard/proto';
import { realClock } from '@switchyard/testing';
import type { Billing } from './billing.module.js';
import { BillingFixture, consume, creditScope, USD } from './fixtures/billing-fixture.js';
import { createMonthPartitions } from './ledger-partition.store.js';

const APPEND_ONLY = ['usage_events', 'ledger_transactions', 'ledger_entries', 'charges', 'attempt_costs', 'attempt_corrections'] as const;

describe('the schema', () => {
  let fixture: BillingFixture;
  let instance: Billing;

  beforeAll(async () => {
    fixture = await BillingFixture.start(realClock());
    instance = await fixture.startInstance();
    const customer = await fixture.createCustomer(instance, { creditPico: USD });
    const charge = fixture.charge(customer, 5n, []);
    await consume(instance.consumer, [charge, fixture.attempt(customer, charge.generationId, 3n, events.AttemptReporter.INGRESS)]);
    await consume(instance.consumer, [fixture.attempt(customer, charge.generationId, 4n, events.AttemptReporter.WORKER)]);
  }, 90_000);
  afterAll(() => fixture.close());

  const partitionsOf = async (table: string): Promise<string[]> => {
    const { rows } = await fixture.pool.query<{ name: string }>('SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::regclass', [
      table,
    ]);
    return rows.map((row) => row.name);
  };

  it.each(APPEND_ONLY)('forbids to change, delete or truncate %s, also through its partitions', async (table) => {
    const tables = [table, ...(await partitionsOf(table))];
    expect(tables.length).toBeGreaterThan(4);
    const { rows: before } = await fixture.pool.query(`SELECT * FROM ${table} ORDER BY 1, 2`);
    expect(before.length).toBeGreaterThan(0);
    for (const name of tables) await expect(fixture.pool.query(`TRUNCATE ${name} CASCADE`)).rejects.toThrow('append-only');
    await expect(fixture.pool.query(`DELETE FROM ${table}`)).rejects.toThrow('append-only');
    const { rows: columns } = await fixture.pool.query<{ name: string }>(
      'SELECT attname AS name FROM pg_attribute WHERE attrelid = $1::regclass AND attnum = 1',
      [table],
    );
    await expect(fixture.pool.query(`UPDATE ${table} SET ${columns[0]!.name} = ${columns[0]!.name}`)).rejects.toThrow('append-only');
    const filled = (
      await Promise.all(tables.slice(1).map(async (name) => ({ name, count: (await fixture.pool.query(`SELECT 1 FROM ${name} LIMIT 1`)).rowCount })))
    ).filter(({ count }) => count === 1);
    expect(filled.length).toBeGreaterThan(0);
    for (const { name } of filled) await expect(fixture.pool.query(`DELETE FROM ${name}`)).rejects.toThrow('append-only');
    expect((await fixture.pool.query(`SELECT * FROM ${table} ORDER BY 1, 2`)).rows).toEqual(before);
  });

  const insertTransaction = (transactionId: string, entryCount: number): string =>
    `INSERT INTO ledger_transactions (transaction_id, kind, account_id, accept_time_ms, posted_at_ms, entry_count) VALUES ('${transactionId}', 'charge', 'a', 1, 1, ${entryCount});`;
  const insertEntries = (transactionId: string, amounts: readonly number[], firstIndex = 0): string =>
    `INSERT INTO ledger_entries (transaction_id, entry_index, ledger_account, amount_pico) VALUES ${amounts.map((amount, index) => `('${transactionId}', ${firstIndex + index}, 'x', ${amount})`).join(', ')};`;

  it.each<[string, (id: string) => string]>([
    ['entries that do not sum to zero', (id) => insertTransaction(id, 2) + insertEntries(id, [5, -4])],
    ['fewer entries than announced', (id) => insertTransaction(id, 3) + insertEntries(id, [5, -5])],
    ['entries without their transaction', (id) => insertEntries(id, [5, -5])],
    ['a transaction in pieces', (id) => insertTransaction(id, 2) + insertEntries(id, [5]) + insertEntries(id, [-5], 1)],
    ['entries added later', (id) => insertTransaction(id, 2) + insertEntries(id, [5, -5]) + insertEntries(id, [1, -1], 2)],
    ['an entry of zero', (id) => insertTransaction(id, 3) + insertEntries(id, [5, -5, 0])],
  ])('refuses %s', async (_, statements) => {
    const id = newEventId(fixture.clock, fixture.random);
    await expect(fixture.pool.query(`BEGIN; ${statements(id)} COMMIT;`)).rejects.toThrow(/not whole and balanced|violates check/);
  });

  it('refuses entries slipped into a partition', async () => {
    const id = newEventId(fixture.clock, fixture.random);
    const { rows } = await fixture.pool.query<{ name: string }>(`SELECT tableoid::regclass::text AS name FROM ledger_entries LIMIT 1`);
    const slipped = insertEntries(id, [5, -4]).replace('INTO ledger_entries', `INTO ${rows[0]!.name}`);
    await expect(fixture.pool.query(`BEGIN; ${insertTransaction(id, 2)} ${slipped} COMMIT;`)).rejects.toThrow('not whole and balanced');
  });

  it('refuses a grant above what a scope has, whoever writes it', async () => {
    const customer = await fixture.createCustomer(instance, { creditPico: 10n });
    await fixture.acquire(instance, 'ingress', [creditScope(customer, 8n)]);
    await expect(fixture.pool.query('UPDATE lease_scopes SET held = held + 3 WHERE account_id = $1', [customer.accountId])).rejects.toThrow(
      'lease_scopes_never_overgranted',
    );
  });

  it('keeps one unique index over all months, and takes ids of months that have no partition', async () => {
    const customer = await fixture.createCustomer(instance, { creditPico: USD });
    const early = { eventId: '01000000-0000-7000-8000-000000000001', generationId: 'gen-1100000000-abcdefghijklmnopqrst' };
    await consume(instance.consumer, [fixture.charge(customer, 5n, [], early)]);
    await consume(instance.consumer, [fixture.charge(customer, 5n, [], early)]);
    expect(await instance.accounts.getCredits({ accountId: customer.accountId })).toMatchObject({ totalUsagePico: 5n });
    await instance.expiry.keepHouse();
    expect((await instance.ledger.verifyLedger()).differences).toEqual([]);
  });

  it('makes partitions of months to come when nobody reads the whole ledger, and lets nobody wait until then', async () => {
    const nowMs = fixture.clock.nowMs() + 45 * DAY_MS;
    const before = await partitionsOf('usage_events');
    const reader = await fixture.pool.connect();
    try {
      await reader.query('BEGIN');
      await reader.query('SELECT count(*) FROM usage_events');
      await createMonthPartitions(fixture.pool, nowMs);
      expect(await partitionsOf('usage_events')).toEqual(before);
    } finally {
      await reader.query('ROLLBACK');
      reader.release();
    }
    await createMonthPartitions(fixture.pool, nowMs);
    expect((await partitionsOf('usage_events')).length).toBeGreaterThan(before.length);
  });

  it('has leases vacuumed when one of a hundred was resolved, however many are kept', async () => {
    const { rows } = await fixture.pool.query<{ options: string[] }>(`SELECT reloptions AS options FROM pg_class WHERE oid = 'leases'::regclass`);
    expect(rows[0]!.options).toContain('autovacuum_vacuum_scale_factor=0.01');
  });

  it('finds what somebody tampered with', async () => {
    const customer = await fixture.createCustomer(instance, { creditPico: 10n });
    await fixture.pool.query(`UPDATE ledger_balances SET balance_pico = balance_pico - 1 WHERE ledger_account = $1`, [`account:${customer.accountId}:credits`]);
    await fixture.pool.query(`UPDATE lease_scopes SET held = held + 1 WHERE account_id = $1`, [customer.accountId]);
    const { differences, entryCount, transactionCount } = await instance.ledger.verifyLedger();
    expect(new Set(differences.map((difference) => difference.check))).toEqual(
      new Set(['projection_equals_journal', 'credit_equals_ledger', 'holds_equal_leases']),
    );
    expect(entryCount).toBeGreaterThan(transactionCount);
  });
});
