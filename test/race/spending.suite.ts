import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { call, type Customer } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';
import type { Books } from './books.js';
import { ask, costOf, mixedRequest, runClients, statusesOf, sumPico, type Outcome } from './clients.js';
import { Customers, INGRESS_COUNT, metricSum, MODELS, type RacePlatform } from './race-platform.js';

const CLIENT_COUNT = 200;
const DOLLAR = 1_000_000_000_000n;
/** The dearest single request of these tests. */
const CENT = 10_000_000_000n;
/** Of one token of an answer. */
const OUTPUT_PICO = 50_000_000n;
const LEAST_SPENT = 980_000_000_000n;
/** A refusal waits for amounts of other ingresses, a second at most, and for its turn. */
const LONGEST_ANSWER_MS = 10_000;
/** `SWITCHYARD_LEASE_RESERVE_MS` of a minute, and the way back. */
const LEASE_RETURN_MS = 75_000;

export function spendingSuite(race: () => RacePlatform, books: () => Books): void {
  const customers = new Customers(race);
  afterAll(() => customers.close());

  /** Every client asks until it is refused. */
  const untilRefused = (key: string, model: string) =>
    runClients(CLIENT_COUNT, (client, round, previous) => {
      if (previous && previous.status !== 200) return undefined;
      return ask(race(), client + round, key, mixedRequest(model, client + round));
    });

  function expectRefusals(outcomes: readonly Outcome[], scope: string, sentence: RegExp): void {
    expect(statusesOf(outcomes)).toEqual([200, 402]);
    for (const { message, metadata } of outcomes.filter((outcome) => outcome.status === 402)) {
      expect(metadata).toMatchObject({ error_type: 'payment_required', scope });
      expect(message).toMatch(sentence);
    }
    expect(Math.max(...outcomes.map((outcome) => outcome.endedAtMs - outcome.sentAtMs))).toBeLessThan(LONGEST_ANSWER_MS);
  }

  describe('a dollar that 200 clients spend at once', () => {
    it('as the credit of an account is never passed and nearly used up, and every client is told clearly', async () => {
      const customer = await customers.create('1');
      const outcomes = await untilRefused(customer.apiKey, MODELS.honest);
      expectRefusals(outcomes, 'account_credit', /Insufficient credits|requires more credits, or fewer max_tokens/);
      const charges = await books().expectTold(customer.accountId, outcomes);
      expect(charges.every((charge) => charge.chargePico <= CENT && charge.excessPico === 0n && !charge.flags.includes('underestimated'))).toBe(true);
      expect(costOf(outcomes)).toBeLessThanOrEqual(DOLLAR);
      expect(costOf(outcomes)).toBeGreaterThanOrEqual(LEAST_SPENT);
      expect(await books().balanceOf(`account:${customer.accountId}:credits`)).toBe(costOf(outcomes) - DOLLAR);
      expect(await books().balanceOf(`account:${customer.accountId}:receivable`)).toBe(0n);
    }, 60_000);

    it('as the limit of one key is never passed and nearly used up, and every client is told clearly', async () => {
      const customer = await customers.create('100');
      const key = await customer.newKey({ limit: 1 });
      const outcomes = await untilRefused(key.secret, MODELS.honest);
      expectRefusals(outcomes, 'key_limit', /Key limit exceeded|requires more credits, or fewer max_tokens/);
      const charges = await books().expectTold(customer.accountId, outcomes);
      expect(charges.every((charge) => charge.keyHash === key.hash && charge.excessPico === 0n)).toBe(true);
      expect(costOf(outcomes)).toBeLessThanOrEqual(DOLLAR);
      expect(costOf(outcomes)).toBeGreaterThanOrEqual(LEAST_SPENT);
      expect((await books().scope(customer.accountId, 'key_limit')).spent).toBe(costOf(outcomes));
    }, 60_000);

    it('holds no money back afterwards: what leases kept returns', async () => {
      const customer = await customers.create('0.4');
      const outcomes = await runClients(30, (client, round) =>
        round === 0 ? ask(race(), client, customer.apiKey, { model: MODELS.honest, words: 20, isStreamed: client % 2 === 0, maxTokens: 100 }) : undefined,
      );
      expect(statusesOf(outcomes)).toEqual([200]);
      await books().expectTold(customer.accountId, outcomes);
      const left = (DOLLAR * 4n) / 10n - costOf(outcomes);
      // One request takes nearly all that is left, so every ingress has to give back what it keeps.
      const maxTokens = Number((left - CENT / 10n) / OUTPUT_PICO);
      const last = await ask(race(), 1, customer.apiKey, { model: MODELS.dated, words: 5, isStreamed: false, maxTokens });
      expect([last.status, last.message]).toEqual([200, '']);
    }, 60_000);
  });

  it('far from the limit billing is called less than once for 20 requests', async () => {
    const customer = await customers.create('1000');
    const key = await customer.newKey({ limit: 500 });
    const before = await metricSum(race(), 'ingress', 'switchyard_lease_calls_total');
    const outcomes = await runClients(CLIENT_COUNT, (client, round) =>
      round < 6 ? ask(race(), client + round, key.secret, mixedRequest(MODELS.honest, client + round)) : undefined,
    );
    expect(statusesOf(outcomes)).toEqual([200]);
    await books().expectTold(customer.accountId, outcomes);
    const calls = (await metricSum(race(), 'ingress', 'switchyard_lease_calls_total')) - before;
    expect(calls).toBeGreaterThan(0);
    expect(calls).toBeLessThan(outcomes.length / 20);
  }, 60_000);

  describe('an upstream that ignores max_tokens and reports 40 % more than it used', () => {
    let customer: Customer;
    const CREDIT_USD = '0.1';
    const CREDIT = DOLLAR / 10n;
    const IN_FLIGHT = 60;
    const overrun = (client: number) => ({ model: MODELS.boastful, words: 60, isStreamed: client % 2 === 0, maxTokens: 50 });
    let outcomes: Outcome[];

    beforeAll(async () => {
      customer = await customers.create(CREDIT_USD);
      outcomes = await runClients(IN_FLIGHT, (client, round, previous) =>
        previous && previous.status !== 200 ? undefined : ask(race(), client + round, customer.apiKey, overrun(client)),
      );
    }, 60_000);

    it(
      'leaves what it took too much flagged and owed, within what was in flight',
      async () => {
        expect(statusesOf(outcomes)).toEqual([200, 402]);
        const charges = await books().expectTold(customer.accountId, outcomes);
        const owed = costOf(outcomes) - CREDIT;
        expect(owed).toBeGreaterThan(0n);
        const flagged = charges.filter((charge) => charge.flags.includes('underestimated'));
        expect(flagged).toEqual(charges.filter((charge) => charge.excessPico > 0n));
        // The bound of docs/reference/ledger.md: what single answers took above their reservations.
        expect(owed).toBeLessThanOrEqual(sumPico(flagged.map((charge) => charge.excessPico)));
        // What leases still kept pays for a part of the debt when it returns: at the latest when nothing more may be reserved from them.
        await eventually(async () => expect(await books().balanceOf(`account:${customer.accountId}:receivable`)).toBe(owed), {
          timeoutMs: LEASE_RETURN_MS,
          intervalMs: 100,
        });
        expect(await books().balanceOf(`account:${customer.accountId}:credits`)).toBe(0n);
        expect(await metricSum(race(), 'billing', 'switchyard_billing_underestimated_charges_total')).toBeGreaterThan(0);
      },
      60_000 + LEASE_RETURN_MS,
    );

    it('blocks the account at every ingress until the debt is covered, then serves again', async () => {
      const tryAll = () => Promise.all(Array.from({ length: INGRESS_COUNT }, (_, ingress) => ask(race(), ingress, customer.apiKey, overrun(ingress))));
      await eventually(async () => expect(statusesOf(await tryAll())).toEqual([402]));
      const owed = costOf(outcomes) - CREDIT;
      // Half of the debt is not enough.
      await customer.grant(usdOf(owed / 2n));
      for (const { status, metadata } of await tryAll()) expect([status, metadata['scope']]).toEqual([402, 'account_credit']);
      await customer.grant('1');
      expect(await books().balanceOf(`account:${customer.accountId}:receivable`)).toBe(0n);
      await eventually(async () => {
        const answers = await tryAll();
        outcomes.push(...answers);
        expect(statusesOf(answers)).toEqual([200]);
      });
      await books().expectTold(customer.accountId, outcomes);
    }, 60_000);
  });

  it('the books agree with themselves and with what the API shows', async () => {
    const customer = await customers.create('1');
    const outcomes = await runClients(10, (client, round) =>
      round < 2 ? ask(race(), client + round, customer.apiKey, mixedRequest(MODELS.honest, client)) : undefined,
    );
    await books().expectTold(customer.accountId, outcomes);
    for (const url of race().platform.ingressUrls!) {
      const { body } = await call<{ data: { total_usage: number } }>(url, '/credits', { key: customer.managementKey });
      expect(BigInt(Math.round(body.data.total_usage * 1e12))).toBe(costOf(outcomes));
    }
    expect(await customer.verifyLedger()).toEqual([]);
  }, 30_000);
}

function usdOf(pico: bigint): string {
  return `0.${pico.toString().padStart(12, '0')}`;
}
