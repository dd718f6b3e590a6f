import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DAY_MS, type Clock } from '@switchyard/core';
import { billing, events } from '@switchyard/proto';
import { PrometheusMetrics } from '@switchyard/telemetry';
import { captureLogger, manualClock, realClock } from '@switchyard/testing';
import type { Billing } from './billing.module.js';
import { BillingFixture, consume, keyScope, USD, type Customer } from './fixtures/billing-fixture.js';
import { KeySpend } from './key-spend.js';
import { readFlagCounts } from './ledger-summary.store.js';
import { LedgerWatch } from './ledger-watch.js';

describe('what billing shows of its books', () => {
  let fixture: BillingFixture;
  let instance: Billing;
  let customer: Customer;

  beforeAll(async () => {
    fixture = await BillingFixture.start(realClock());
    instance = await fixture.startInstance();
    customer = await fixture.createCustomer(instance, { creditPico: USD });
    const charges = [fixture.charge(customer, USD / 4n, []), fixture.charge(customer, USD, [])];
    await consume(instance.consumer, [...charges, fixture.attempt(customer, charges[0]!.generationId, USD / 10n, events.AttemptReporter.WORKER)]);
  }, 90_000);
  afterAll(() => fixture.close());

  async function watched(clock: Clock = fixture.clock): Promise<string> {
    const metrics = new PrometheusMetrics();
    await new LedgerWatch({ pool: fixture.pool, clock, logger: captureLogger(), metrics, intervalMs: 60_000 }).check();
    return metrics.render();
  }

  /** How many accounts and keys above their limits are shown at a time, and which keys verifying would name. */
  async function blockedAt(nowMs: number): Promise<{ count: number; keyHashes: string[] }> {
    const [, count] = /^switchyard_billing_blocked_scopes (\d+)$/m.exec(await watched(manualClock(nowMs)))!;
    const flagged = (await readFlagCounts(fixture.pool, nowMs)).find(({ flag }) => flag === 'blocked_scope');
    expect(flagged!.count).toBe(BigInt(count!));
    return { count: Number(count), keyHashes: flagged!.newest.flatMap((name) => /key_limit (\w+)$/.exec(name)?.[1] ?? []) };
  }

  /** Does something to the books that nobody may do, and takes it back. */
  async function watchedAfter(statement: string, undo: string): Promise<string> {
    const run = async (text: string): Promise<void> => {
      const client = await fixture.pool.connect();
      try {
        await client.query('BEGIN; SET LOCAL session_replication_role = replica');
        expect((await client.query(text)).rowCount).toBeGreaterThan(0);
        await client.query('COMMIT');
      } finally {
        client.release();
      }
    };
    await run(statement);
    try {
      return await watched();
    } finally {
      await run(undo);
    }
  }

  it('a ledger that is whole shows no difference, and what it comes to', async () => {
    const text = await watched();
    for (const check of ['balances_sum_to_zero', 'transactions_sum_to_zero', 'charges_are_posted']) {
      expect(text).toContain(`switchyard_ledger_differences{check="${check}"} 0\n`);
    }
    expect(text).toContain('switchyard_ledger_balance_usd{ledger_account="revenue"} -1.25\n');
    expect(text).toContain('switchyard_ledger_balance_usd{ledger_account="receivable"} 0.25\n');
    expect(text).toContain('switchyard_ledger_balance_usd{ledger_account="expense"} 0.1\n');
    expect(text).toContain('switchyard_ledger_balance_usd{ledger_account="payable"} -0.1\n');
    expect(text).toContain('switchyard_ledger_balance_usd{ledger_account="clearing"} 1\n');
    expect(text).toContain('switchyard_billing_blocked_scopes 1\n');
  });

  it.each([
    ['balances_sum_to_zero', 'UPDATE ledger_balances SET balance_pico = balance_pico + 1', 'UPDATE ledger_balances SET balance_pico = balance_pico - 1'],
    [
      'transactions_sum_to_zero',
      'UPDATE ledger_entries SET amount_pico = amount_pico * 2 WHERE entry_index = 0',
      'UPDATE ledger_entries SET amount_pico = amount_pico / 2 WHERE entry_index = 0',
    ],
    ['charges_are_posted', 'UPDATE charges SET charge_pico = charge_pico + 1', 'UPDATE charges SET charge_pico = charge_pico - 1'],
  ])('a difference that %s would find is shown', async (check, statement, undo) => {
    expect(await watchedAfter(statement, undo)).toMatch(new RegExp(`switchyard_ledger_differences\\{check="${check}"\\} [1-9]`));
    expect(await watched()).toContain(`switchyard_ledger_differences{check="${check}"} 0\n`);
  });

  it('a key above its limit is blocked until its window ends, it has another, or it is deleted', async () => {
    const nowMs = fixture.clock.nowMs();
    const overspent = async (limitReset: billing.LimitReset): Promise<Customer> => {
      const spender = await fixture.createCustomer(instance, { creditPico: USD, limitPico: 10n, limitReset });
      await fixture.acquire(instance, 'ingress', [keyScope(spender, billing.LeaseScopeKind.KEY_LIMIT, 1n)]);
      await consume(instance.consumer, [fixture.charge(spender, 11n, [])]);
      return spender;
    };
    const daily = await overspent(billing.LimitReset.DAILY);
    const [changed, deleted] = [await overspent(billing.LimitReset.UNSPECIFIED), await overspent(billing.LimitReset.UNSPECIFIED)];
    expect(await blockedAt(nowMs)).toEqual({ count: 4, keyHashes: [deleted.keyHash, changed.keyHash, daily.keyHash] });
    const { accountId, keyHash: hash } = changed;
    await instance.keys.updateKey(
      billing.UpdateKeyRequest.fromPartial({ accountId, hash, updateMask: ['limit_reset'], limitReset: billing.LimitReset.MONTHLY }),
    );
    await instance.keys.deleteKey({ accountId: deleted.accountId, hash: deleted.keyHash });
    expect(await blockedAt(nowMs)).toEqual({ count: 2, keyHashes: [daily.keyHash] });
    expect(await blockedAt(nowMs + DAY_MS)).toEqual({ count: 1, keyHashes: [] });
  });

  it('a key that spends has series of its own, beside what it spends on other days', async () => {
    const metrics = new PrometheusMetrics();
    const spend = new KeySpend({ pool: fixture.pool, clock: fixture.clock, logger: captureLogger(), metrics, intervalMs: 60_000 });
    const today = Math.floor(fixture.clock.nowMs() / DAY_MS) * DAY_MS;
    for (const [daysAgo, usd] of [
      [1, 4n],
      [3, 5n],
      [20, 1_000n],
    ] as const) {
      await fixture.pool.query('INSERT INTO key_usage_days (key_hash, day_start_ms, charge_pico, byok_pico, generation_count) VALUES ($1, $2, $3, 0, 1)', [
        customer.keyHash,
        today - daysAgo * DAY_MS,
        usd * USD,
      ]);
    }
    spend.add(new Map([[customer.keyHash, USD / 2n]]));
    spend.add(new Map([[customer.keyHash, USD]]));
    const first = metrics.render();
    expect(first).toContain(`switchyard_key_spend_usd_total{key_hash="${customer.keyHash}"} 1.5\n`);
    // Not read yet, which is not zero: alerts would take it for a key that never spends.
    expect(first).not.toContain('switchyard_key_daily_mean_usd{');
    await spend.readMeans();
    // Nine dollars over the three days since the first of the last seven.
    expect(metrics.render()).toContain(`switchyard_key_daily_mean_usd{key_hash="${customer.keyHash}"} 3\n`);
    await spend.stop();
  });

  it('of many keys those are shown that spent most of late', async () => {
    const metrics = new PrometheusMetrics();
    let nowMs = 0;
    const clock = { nowMs: () => Date.now(), monotonicMs: () => nowMs };
    const spend = new KeySpend({ pool: fixture.pool, clock, logger: captureLogger(), metrics, intervalMs: 60_000 });
    spend.add(new Map(Array.from({ length: 150 }, (_, index) => [`early-${index}`, USD] as const)));
    const shownKeys = () => [...metrics.render().matchAll(/^switchyard_key_spend_usd_total\{key_hash="([^"]+)"\}/gm)].map(([, key]) => key!);
    expect(shownKeys()).toHaveLength(100);
    nowMs += 10 * 3_600_000;
    spend.add(new Map(Array.from({ length: 100 }, (_, index) => [`late-${index}`, USD / 100n] as const)));
    expect(new Set(shownKeys())).toEqual(new Set(Array.from({ length: 100 }, (_, index) => `late-${index}`)));
    await spend.stop();
  });
});
