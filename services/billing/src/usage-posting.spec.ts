import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PoisonEventError, type EventLog, type EventRecord, type SubscribeOptions } from '@switchyard/events';
import { billing, events } from '@switchyard/proto';
import { PrometheusMetrics } from '@switchyard/telemetry';
import { realClock } from '@switchyard/testing';
import fc from 'fast-check';
import { billingMetrics } from './billing-metrics.js';
import type { Billing } from './billing.module.js';
import { LEDGER } from './core/ledger-transaction.js';
import { BillingFixture, consume, creditScope, keyScope, recordOf, type Customer } from './fixtures/billing-fixture.js';
import { readBalances } from './ledger.store.js';
import { UsageEventConsumer } from './usage-event.consumer.js';
import { UsagePosting } from './usage-posting.js';

const { WORKER, INGRESS } = events.AttemptReporter;

describe('posting usage events', () => {
  let fixture: BillingFixture;
  let first: Billing;
  let second: Billing;

  beforeAll(async () => {
    fixture = await BillingFixture.start(realClock());
    [first, second] = [await fixture.startInstance(), await fixture.startInstance()];
  }, 90_000);
  afterAll(() => fixture.close());

  const lease = async (customer: Customer, amount: bigint): Promise<string> => {
    const { leases } = await fixture.acquire(first, 'ingress', [creditScope(customer, amount)]);
    return leases[0]!.leaseId;
  };
  const balance = async (ledgerAccount: string): Promise<bigint> => (await readBalances(fixture.pool, [ledgerAccount])).get(ledgerAccount) ?? 0n;
  const credits = (customer: Customer) => first.accounts.getCredits({ accountId: customer.accountId });
  const expectNoDifferences = async (): Promise<void> => expect((await first.ledger.verifyLedger()).differences).toEqual([]);

  it('charges the customer, credits revenue and settles the lease', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: 1_000n });
    const revenueBefore = await balance(LEDGER.revenue);
    const leaseId = await lease(customer, 100n);
    await consume(first.consumer, [fixture.charge(customer, 60n, [{ leaseId, amount: 60n }])]);
    expect(await credits(customer)).toEqual({ totalCreditsPico: 1_000n, totalUsagePico: 60n, heldPico: 40n, receivablePico: 0n });
    expect(await balance(LEDGER.credits(customer.accountId))).toBe(-940n);
    expect(await balance(LEDGER.revenue)).toBe(revenueBefore - 60n);
    await first.leases.releaseLeases({ holderId: 'ingress', epoch: 1n, releases: [{ leaseId, releasedTotal: 40n, isClosed: true }] });
    expect(await credits(customer)).toMatchObject({ heldPico: 0n });
    await expectNoDifferences();
  });

  it('comes to the same when the release arrives before the event', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: 1_000n });
    const leaseId = await lease(customer, 100n);
    await first.leases.releaseLeases({ holderId: 'ingress', epoch: 1n, releases: [{ leaseId, releasedTotal: 40n, isClosed: true }] });
    expect(await credits(customer)).toMatchObject({ heldPico: 60n });
    await consume(first.consumer, [fixture.charge(customer, 60n, [{ leaseId, amount: 60n }])]);
    expect(await credits(customer)).toMatchObject({ totalUsagePico: 60n, heldPico: 0n });
  });

  it('posts an event once, however often and wherever it is delivered', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: 1_000n });
    const leaseId = await lease(customer, 100n);
    const charge = fixture.charge(customer, 60n, [{ leaseId, amount: 60n }]);
    const cost = fixture.attempt(customer, charge.generationId, 20n, WORKER);
    await consume(first.consumer, [charge, charge, cost]);
    await Promise.all([consume(first.consumer, [cost, charge]), consume(second.consumer, [charge, cost, cost])]);
    expect(await credits(customer)).toMatchObject({ totalUsagePico: 60n, heldPico: 40n });
    const { key } = await first.keys.getKey({ accountId: customer.accountId, hash: customer.keyHash });
    expect(key!.usage).toMatchObject({ totalPico: 60n, dailyPico: 60n, weeklyPico: 60n, monthlyPico: 60n });
    await expectNoDifferences();
  });

  it('remembers when a key was last used, whatever the order of its events', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: 1_000n });
    const lastUse = async () => (await first.keys.getKey({ accountId: customer.accountId, hash: customer.keyHash })).key!.usage!.lastUseTimeMs;
    expect(await lastUse()).toBeUndefined();
    const earlier = fixture.charge(customer, 1n, []);
    const later = fixture.charge(customer, 1n, [], { acceptTimeMs: earlier.acceptTimeMs + 5n });
    const latest = fixture.charge(customer, 0n, [], { acceptTimeMs: earlier.acceptTimeMs + 7n });
    await consume(first.consumer, [later, earlier]);
    expect(await lastUse()).toBe(later.acceptTimeMs);
    await consume(second.consumer, [latest]);
    await consume(second.consumer, [fixture.charge(customer, 1n, [], { acceptTimeMs: earlier.acceptTimeMs + 6n })]);
    expect(await lastUse()).toBe(latest.acceptTimeMs);
  });

  it('records a generation that costs nothing, so that it is not charged later', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: 1_000n });
    const free = fixture.charge(customer, 0n, [], { end: events.GenerationEnd.UPSTREAM_FAILED });
    await consume(first.consumer, [free]);
    await expect(consume(first.consumer, [fixture.charge(customer, 5n, [], { generationId: free.generationId })])).rejects.toThrow(PoisonEventError);
    expect(await credits(customer)).toMatchObject({ totalUsagePico: 0n });
    await expectNoDifferences();
  });

  it('refuses a second end of a generation and posts nothing of that batch', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: 1_000n });
    const [one, other] = [fixture.charge(customer, 5n, []), fixture.charge(customer, 7n, [])];
    const again = fixture.charge(customer, 5n, [], { generationId: one.generationId });
    await consume(first.consumer, [one]);
    const refused: unknown = await consume(first.consumer, [other, again]).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(PoisonEventError);
    expect((refused as PoisonEventError).records).toHaveLength(1);
    expect(await credits(customer)).toMatchObject({ totalUsagePico: 5n });
    await consume(first.consumer, [other]);
    expect(await credits(customer)).toMatchObject({ totalUsagePico: 12n });
  });

  it('refuses a charge that does not multiply, and never reprices it', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: 1_000n });
    await expect(consume(first.consumer, [fixture.charge(customer, 60n, [], { unitPricesPico: { output_text: 59n } })])).rejects.toThrow(PoisonEventError);
    expect(await credits(customer)).toMatchObject({ totalUsagePico: 0n });
  });

  it('keeps a charge that the books have no room for as a dead letter, and posts what came beside it', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: 1_000n });
    const [one, huge, other] = [5n, 2n ** 63n, 7n].map((chargePico) => fixture.charge(customer, chargePico, []));
    const deadLetters: EventRecord[] = [];
    let deliver: SubscribeOptions['handler'] | undefined;
    const eventLog: Pick<EventLog, 'publish' | 'subscribe'> = {
      publish: async (records) => void deadLetters.push(...records),
      subscribe: async ({ handler }) => {
        deliver = handler;
        return { close: async () => undefined };
      },
    };
    const consumer = new UsageEventConsumer({
      eventLog: eventLog as EventLog,
      posting: new UsagePosting(fixture.pool, fixture.clock),
      logger: fixture.logger,
      metrics: billingMetrics(new PrometheusMetrics()).usage,
      keySpend: { add: () => undefined },
      maxBatchSize: 10,
    });
    await consumer.start();
    await deliver!([one!, huge!, other!].map((event) => ({ ...recordOf(event), partition: 0, offset: 0n, timeMs: 0 })));
    expect(deadLetters.map(({ key }) => key)).toEqual([huge!.generationId]);
    expect(await credits(customer)).toMatchObject({ totalUsagePico: 12n });
    await expectNoDifferences();
  });

  it('refuses a charge to an account that does not exist', async () => {
    await expect(consume(first.consumer, [fixture.charge({ accountId: 'nobody', keyHash: 'f'.repeat(64), secret: '' }, 1n, [])])).rejects.toThrow(
      'no such account',
    );
  });

  it('keeps what an event says that Postgres or this version does not know', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: 1_000n });
    const charge = fixture.charge(customer, 5n, [], { user: 'a\0b\ud800', metadata: { team: 'search' } });
    await consume(first.consumer, [charge]);
    const { explanationJson } = await first.ledger.explainGeneration({ generationId: charge.generationId });
    expect(JSON.parse(explanationJson)).toMatchObject({ request: { user: 'a\ufffdb\ufffd', metadata: { team: 'search' } } });
  });

  it('books the cost side for every attempt, and corrects an estimate of the ingress by the difference', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: 1_000n });
    const providerSlug = 'corrected';
    const charge = fixture.charge(customer, 60n, []);
    const estimate = fixture.attempt(customer, charge.generationId, 50n, INGRESS, { providerSlug });
    const report = fixture.attempt(customer, charge.generationId, 42n, WORKER, { providerSlug });
    await consume(first.consumer, [estimate, charge]);
    expect(await balance(LEDGER.expense(providerSlug))).toBe(50n);
    await Promise.all([consume(first.consumer, [report]), consume(second.consumer, [report])]);
    await consume(second.consumer, [fixture.attempt(customer, charge.generationId, 41n, WORKER, { providerSlug })]);
    expect(await balance(LEDGER.expense(providerSlug))).toBe(42n);
    expect(await balance(LEDGER.payable(providerSlug))).toBe(-42n);
    const { explanationJson } = await first.ledger.explainGeneration({ generationId: charge.generationId });
    expect(JSON.parse(explanationJson)).toMatchObject({
      chargePico: '60',
      costPico: '42',
      marginPico: '18',
      attempts: [{ costPico: '50', reporter: 'ingress', correction: { differencePico: '-8' } }],
    });
    await expectNoDifferences();
  });

  it("lets the worker's report stand when the estimate of the ingress comes after it", async () => {
    const customer = await fixture.createCustomer(first);
    const providerSlug = 'stands';
    const report = fixture.attempt(customer, fixture.charge(customer, 0n, []).generationId, 42n, WORKER, { providerSlug });
    await consume(first.consumer, [report]);
    await consume(first.consumer, [fixture.attempt(customer, report.generationId, 50n, INGRESS, { providerSlug })]);
    expect(await balance(LEDGER.expense(providerSlug))).toBe(42n);
    await expectNoDifferences();
  });

  it("does not book what a customer's own credential pays", async () => {
    const customer = await fixture.createCustomer(first);
    const report = fixture.attempt(customer, fixture.charge(customer, 0n, []).generationId, 42n, WORKER, { providerSlug: 'own', isByok: true });
    await consume(first.consumer, [report]);
    expect(await balance(LEDGER.expense('own'))).toBe(0n);
    await expectNoDifferences();
  });

  it('takes what exceeds the lease from the credit that is left, then as receivable that blocks the account until it is covered', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: 100n });
    const leaseId = await lease(customer, 80n);
    await consume(first.consumer, [fixture.charge(customer, 130n, [{ leaseId, amount: 130n }], { underestimatedPico: 50n })]);
    expect(await credits(customer)).toEqual({ totalCreditsPico: 100n, totalUsagePico: 130n, heldPico: 0n, receivablePico: 30n });
    expect(await balance(LEDGER.receivable(customer.accountId))).toBe(30n);
    expect(await balance(LEDGER.credits(customer.accountId))).toBe(0n);
    expect((await fixture.acquire(first, 'ingress', [creditScope(customer, 1n)])).shortage).toMatchObject({ available: 0n });
    expect((await first.keys.resolveKey({ secretHash: customer.keyHash })).key!.account!.isNegative).toBe(true);
    const { flagged } = await first.ledger.verifyLedger();
    expect(flagged).toContainEqual(expect.objectContaining({ check: 'flagged_charge', detail: 'underestimated, 50 pico above its reservation' }));
    expect(flagged).toContainEqual(expect.objectContaining({ check: 'blocked_scope', subject: `${customer.accountId} account_credit` }));
    await expectNoDifferences();

    await fixture.grantCredit(first, customer.accountId, 50n);
    expect(await credits(customer)).toMatchObject({ totalCreditsPico: 150n, receivablePico: 0n });
    expect(await balance(LEDGER.receivable(customer.accountId))).toBe(0n);
    expect(await balance(LEDGER.credits(customer.accountId))).toBe(-20n);
    expect((await first.keys.resolveKey({ secretHash: customer.keyHash })).key!.account!.isNegative).toBe(false);
    expect((await fixture.acquire(first, 'ingress', [creditScope(customer, 20n)])).leases).toHaveLength(1);
    await expectNoDifferences();
  });

  it('covers what is owed from credit that a lease gives back', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: 100n });
    const [spent, unused] = [await lease(customer, 50n), await lease(customer, 50n)];
    await consume(first.consumer, [fixture.charge(customer, 70n, [{ leaseId: spent, amount: 70n }])]);
    expect(await credits(customer)).toMatchObject({ heldPico: 50n, receivablePico: 20n });
    await first.leases.releaseLeases({ holderId: 'ingress', epoch: 1n, releases: [{ leaseId: unused, releasedTotal: 50n, isClosed: true }] });
    expect(await credits(customer)).toMatchObject({ totalUsagePico: 70n, heldPico: 0n, receivablePico: 0n });
    expect(await balance(LEDGER.credits(customer.accountId))).toBe(-30n);
    await expectNoDifferences();
  });

  it('does not let an event settle a lease of another account', async () => {
    const [victim, other] = [await fixture.createCustomer(first, { creditPico: 100n }), await fixture.createCustomer(first, { creditPico: 100n })];
    const leaseId = await lease(victim, 80n);
    await consume(first.consumer, [fixture.charge(other, 30n, [{ leaseId, amount: 30n }])]);
    expect(await credits(victim)).toMatchObject({ totalUsagePico: 0n, heldPico: 80n });
    expect(await credits(other)).toMatchObject({ totalUsagePico: 30n });
    await expectNoDifferences();
  });

  it('explains a charge from meters and prices to postings, lease and margin', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: 1_000n });
    const leaseId = await lease(customer, 100n);
    const charge = fixture.charge(customer, 60n, [{ leaseId, amount: 60n }], { model: 'acme/large' });
    await consume(first.consumer, [charge, fixture.attempt(customer, charge.generationId, 20n, WORKER)]);
    const explanation: unknown = JSON.parse((await second.ledger.explainGeneration({ generationId: charge.generationId })).explanationJson);
    expect(explanation).toMatchObject({
      request: { model: 'acme/large', accountId: customer.accountId },
      pricing: { priceRevision: 'test-1', lines: [{ meter: 'output_text', count: 1, unitPricePico: '60', amountPico: '60' }], chargePico: '60', flags: [] },
      postings: [
        {
          kind: 'charge',
          entries: [
            { ledgerAccount: LEDGER.credits(customer.accountId), side: 'debit', amountPico: '60' },
            { ledgerAccount: LEDGER.revenue, side: 'credit', amountPico: '60' },
          ],
        },
        {
          kind: 'cost',
          entries: [
            { ledgerAccount: LEDGER.expense('acme'), side: 'debit', amountPico: '20' },
            { ledgerAccount: LEDGER.payable('acme'), side: 'credit', amountPico: '20' },
          ],
        },
      ],
      leases: [{ leaseId, granted: '100', settled: '60', settledByThisGeneration: '60' }],
      marginUsd: '0.00000000004',
    });
    await expect(first.ledger.explainGeneration({ generationId: 'gen-1-x' })).rejects.toMatchObject({ type: 'not_found' });
  });

  it('spends within credit and limit, and loses nothing, while two instances post and grant at once', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: 10_000n, limitPico: 8_000n });
    let chargedPico = 0n;
    const run = async (instance: Billing, holderId: string): Promise<void> => {
      for (let index = 0; index < 25; index++) {
        const scopes = [creditScope(customer, 200n, 300n), keyScope(customer, billing.LeaseScopeKind.KEY_LIMIT, 200n)];
        const { leases } = await fixture.acquire(instance, holderId, scopes);
        if (leases.length === 0) return;
        const uses = leases.map(({ leaseId }) => ({ leaseId, amount: 150n }));
        chargedPico += 150n;
        const event = fixture.charge(customer, 150n, uses);
        const releases = leases.map(({ leaseId, granted }) => ({ leaseId, releasedTotal: granted - 150n, isClosed: true }));
        await Promise.all([
          consume(index % 2 === 0 ? first.consumer : second.consumer, [event]),
          instance.leases.releaseLeases({ holderId, epoch: 1n, releases }),
        ]);
      }
    };
    await Promise.all([run(first, 'a'), run(second, 'b'), run(first, 'c'), run(second, 'd')]);
    expect(chargedPico).toBeGreaterThan(7_800n);
    expect(chargedPico).toBeLessThanOrEqual(8_000n);
    expect(await credits(customer)).toEqual({ totalCreditsPico: 10_000n, totalUsagePico: chargedPico, heldPico: 0n, receivablePico: 0n });
    await expectNoDifferences();
  });

  it('writes each balance and each lease scope once for a whole batch, balances in the order in which everybody locks them', async () => {
    const customers = await Promise.all([1, 2, 3].map(() => fixture.createCustomer(first, { creditPico: 1_000n })));
    const leaseIds = await Promise.all(customers.map((customer) => lease(customer, 500n)));
    const batch = Array.from({ length: 30 }, (_, index) => {
      const charge = fixture.charge(customers[index % 3]!, 10n, [{ leaseId: leaseIds[index % 3]!, amount: 10n }]);
      return [charge, fixture.attempt(customers[index % 3]!, charge.generationId, 4n, WORKER, { providerSlug: 'batched' })];
    }).flat();
    await fixture.pool.query(`
      CREATE TABLE written (place serial, name text);
      CREATE FUNCTION note_written() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO billing.written (name) VALUES (TG_TABLE_NAME || ' ' || (to_jsonb(NEW) ->> TG_ARGV[0])); RETURN NULL;
      END $$;
      CREATE TRIGGER note AFTER INSERT OR UPDATE ON ledger_balances FOR EACH ROW EXECUTE FUNCTION note_written('ledger_account');
      CREATE TRIGGER note AFTER UPDATE ON lease_scopes FOR EACH ROW EXECUTE FUNCTION note_written('scope_id');`);
    await consume(first.consumer, batch);
    const { rows } = await fixture.pool.query<{ name: string }>('SELECT name FROM written ORDER BY place');
    await fixture.pool.query('DROP TRIGGER note ON ledger_balances; DROP TRIGGER note ON lease_scopes; DROP TABLE written');
    const written = (table: string) => rows.filter(({ name }) => name.startsWith(table)).map(({ name }) => name.slice(table.length + 1));
    const accounts = customers.map((customer) => LEDGER.credits(customer.accountId));
    expect(written('ledger_balances')).toEqual([...accounts, LEDGER.revenue, LEDGER.expense('batched'), LEDGER.payable('batched')].sort());
    // Scopes are locked in the order of their ids before anything is written.
    const scopeIds = written('lease_scopes');
    expect([scopeIds.length, new Set(scopeIds).size]).toEqual([3, 3]);
    for (const customer of customers) expect(await credits(customer)).toMatchObject({ totalUsagePico: 100n, heldPico: 400n });
    await expectNoDifferences();
  });

  it('comes to the same books whatever the order and the batches of delivery', async () => {
    const amounts = fc.array(
      fc.record({ charge: fc.bigInt({ min: 0n, max: 90n }), cost: fc.bigInt({ min: 0n, max: 90n }), estimate: fc.option(fc.bigInt({ min: 0n, max: 90n })) }),
      { minLength: 1, maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(amounts, fc.infiniteStream(fc.nat()), fc.integer({ min: 1, max: 7 }), async (generations, shuffle, batchSize) => {
        const customer = await fixture.createCustomer(first, { creditPico: 100n });
        const leaseId = await lease(customer, 100n);
        const batch = generations.flatMap(({ charge, cost, estimate }) => {
          const generation = fixture.charge(customer, charge, [{ leaseId, amount: charge }]);
          const report = fixture.attempt(customer, generation.generationId, cost, WORKER, { providerSlug: customer.accountId });
          return [
            generation,
            report,
            ...(estimate === null ? [] : [fixture.attempt(customer, generation.generationId, estimate, INGRESS, { providerSlug: customer.accountId })]),
          ];
        });
        const delivered = [...batch, ...batch].map((event) => ({ event, key: shuffle.next().value })).sort((a, b) => a.key - b.key);
        for (let index = 0; index < delivered.length; index += batchSize) {
          await consume(
            first.consumer,
            delivered.slice(index, index + batchSize).map(({ event }) => event),
          );
        }
        const chargedPico = generations.reduce((sum, { charge }) => sum + charge, 0n);
        expect(await credits(customer)).toMatchObject({ totalUsagePico: chargedPico, receivablePico: chargedPico > 100n ? chargedPico - 100n : 0n });
        expect(await balance(LEDGER.payable(customer.accountId))).toBe(-generations.reduce((sum, { cost }) => sum + cost, 0n));
      }),
      { numRuns: 15 },
    );
    await expectNoDifferences();
  });
});
