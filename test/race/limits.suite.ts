import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createPortClient } from '@switchyard/grpc';
import { AccountPort, billing } from '@switchyard/proto';
import { call, type Customer } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';
import type { Books, ChargeRow } from './books.js';
import { ask, mixedRequest, picoOf, runClients, statusesOf, sumPico, type Outcome } from './clients.js';
import { Customers, dayStartOf, INGRESS_COUNT, MODELS, type RacePlatform } from './race-platform.js';

const RESETS = ['daily', 'weekly', 'monthly'] as const;
const LIMIT_USD = 0.02;
const MINUTE_MS = 60_000;
const WASTE = 0.1;

export function midnightSuite(race: () => RacePlatform, books: () => Books): void {
  describe('midnight UTC under load, at ingresses whose clocks differ', () => {
    const customers = new Customers(race);
    afterAll(async () => {
      customers.close();
      // What follows is between three.
      await race().skewed.stop();
    }, 60_000);

    it('begins the limits of a day, a week and a month anew, by accept time', async () => {
      const customer = await customers.create('100');
      const keys = await Promise.all(RESETS.map((reset) => customer.newKey({ limit: LIMIT_USD, limit_reset: reset })));
      const urls = [...race().platform.ingressUrls!, race().skewed.url];
      const { midnightMs, nowMs } = race();
      await eventually(() => expect(nowMs()).toBeGreaterThan(midnightMs - 3_000), { timeoutMs: 600_000, intervalMs: 50 });
      expect(nowMs()).toBeLessThan(midnightMs - 500);
      const outcomes = await runClients(2 * keys.length * urls.length, (client, round) => {
        if (nowMs() > midnightMs + 3_000) return undefined;
        const request = { ...mixedRequest(MODELS.honest, client + round), maxTokens: 100 };
        return ask(race(), client + round, keys[client % keys.length]!.secret, request, urls);
      });
      expect(statusesOf(outcomes)).toEqual([200, 402]);
      const charges = await books().expectTold(customer.accountId, outcomes);
      for (const { hash } of keys) {
        for (const isAfter of [false, true]) {
          const spent = sumPico(charges.filter((row) => row.keyHash === hash && row.acceptTimeMs >= midnightMs === isAfter).map((row) => row.chargePico));
          expect(spent).toBeLessThanOrEqual(picoOf(LIMIT_USD));
          // What was reserved when the window or the load ended is back too late for anybody.
          expect(spent).toBeGreaterThan(picoOf(LIMIT_USD) / 2n);
        }
      }
      const acceptTimes = new Map(charges.map((row) => [row.generationId, row.acceptTimeMs]));
      const ofSkewed = outcomes.filter((outcome) => outcome.status === 200 && outcome.ingress === urls.length - 1);
      expect(ofSkewed.length).toBeGreaterThan(0);
      for (const { generationId, sentAtMs, endedAtMs } of ofSkewed) {
        // Ten minutes ahead, it accepts by billing's clock all the same.
        expect(acceptTimes.get(generationId)).toBeGreaterThan(sentAtMs - 1_000);
        expect(acceptTimes.get(generationId)).toBeLessThan(endedAtMs + 1_000);
      }
      const scopes = (await books().scopesOf(customer.accountId)).filter((scope) => scope.kind === 'key_limit');
      expect(new Set(scopes.map((scope) => scope.windowStartMs))).toContain(dayStartOf(midnightMs));
      expect(scopes.every((scope) => scope.spent <= picoOf(LIMIT_USD))).toBe(true);
    }, 660_000);

    it('leaves the expiry of a key to billing’s clock', async () => {
      const customer = await customers.create('1');
      const expiresAt = new Date(race().nowMs() + 300_000).toISOString();
      const key = await customer.newKey({ expires_at: expiresAt });
      const answer = await ask(race(), 0, key.secret, { model: MODELS.honest, words: 5, isStreamed: false }, [race().skewed.url]);
      expect([answer.status, answer.message]).toEqual([200, '']);
    }, 30_000);
  });
}

export function limitsSuite(race: () => RacePlatform, books: () => Books): void {
  const customers = new Customers(race);
  afterAll(() => customers.close());
  const everywhere = (key: string) =>
    Promise.all(
      Array.from({ length: INGRESS_COUNT }, (_, ingress) => ask(race(), ingress, key, { model: MODELS.honest, words: 5, isStreamed: false, maxTokens: 50 })),
    );

  describe('a change of a key', () => {
    let customer: Customer;
    beforeAll(async () => {
      customer = await customers.create('10');
    });
    const usedKey = async () => {
      const key = await customer.newKey({ limit: 5 });
      expect(statusesOf(await everywhere(key.secret))).toEqual([200]);
      return key;
    };

    it.each([
      ['lowering its limit', { method: 'PATCH', body: { limit: 0.000001 } }, 402],
      ['disabling it', { method: 'PATCH', body: { disabled: true } }, 401],
      ['deleting it', { method: 'DELETE' }, 401],
    ] as const)('acts at every ingress within two seconds: %s', async (_what, options, status) => {
      const key = await usedKey();
      await customer.manage(`/keys/${key.hash}`, options);
      await eventually(async () => expect(statusesOf(await everywhere(key.secret))).toEqual([status]), { timeoutMs: 2_000 });
    });
  });

  describe('quotas of a minute that three ingresses race for', () => {
    const acceptedIn = (charges: readonly ChargeRow[], startMs: number) =>
      charges.filter(({ acceptTimeMs }) => acceptTimeMs >= startMs && acceptTimeMs < startMs + MINUTE_MS);

    /** Clients at all ingresses, one of which soon falls idle, until everybody is refused. */
    async function raceFor(keys: readonly string[], model: string = MODELS.honest): Promise<Outcome[]> {
      return runClients(30, (client, round, previous) => {
        if (previous && previous.status !== 200) return undefined;
        const ingress = round < 1 ? client : client % 2;
        return ask(race(), ingress, keys[client % keys.length]!, { model, words: 10, isStreamed: client % 2 === 0, maxTokens: 60 });
      });
    }

    /** Checks every minute against the limit; the one that a client was told to be full had not a tenth of it left. */
    async function expectQuota(
      customer: Customer,
      outcomes: readonly Outcome[],
      limit: number,
      countOf: (outcome: Outcome) => number,
      slack = 0,
    ): Promise<void> {
      expect(statusesOf(outcomes)).toEqual([200, 429]);
      const served = new Map(outcomes.filter((outcome) => outcome.status === 200).map((outcome) => [outcome.generationId, outcome]));
      const charges = await eventually(
        async () => {
          const rows = await books().chargesOf(customer.accountId);
          expect(rows.filter((row) => served.has(row.generationId)).length).toBe(served.size);
          return rows;
        },
        { timeoutMs: 30_000, intervalMs: 100 },
      );
      const usedIn = (startMs: number) => acceptedIn(charges, startMs).reduce((sum, row) => sum + countOf(served.get(row.generationId)!), 0);
      for (const minute of new Set(charges.map((row) => Math.floor(row.acceptTimeMs / MINUTE_MS))))
        expect(usedIn(minute * MINUTE_MS)).toBeLessThanOrEqual(limit);
      const full = outcomes.filter((outcome) => outcome.status === 429).map((outcome) => resetOf(outcome) - MINUTE_MS);
      for (const startMs of new Set(full)) expect(usedIn(startMs)).toBeGreaterThanOrEqual(limit * (1 - WASTE) - slack);
    }

    it('the requests of a key are never exceeded and hardly wasted', async () => {
      const customer = await customers.create('10');
      const key = await customer.newKey({ requests_per_minute: 60 });
      await expectQuota(customer, await raceFor([key.secret]), 60, () => 1);
    }, 60_000);

    it('the tokens of a key are never exceeded and hardly wasted', async () => {
      const customer = await customers.create('10');
      const key = await customer.newKey({ tokens_per_minute: 6_000 });
      await expectQuota(customer, await raceFor([key.secret]), 6_000, (outcome) => outcome.promptTokens + outcome.completionTokens);
    }, 60_000);

    it('the requests of an account are never exceeded by all of its keys together', async () => {
      const customer = await customers.create('10');
      const accounts = createPortClient(AccountPort, race().platform.grpcAddresses!['billing']!);
      const { accountId } = customer;
      await accounts.port.updateAccount(billing.UpdateAccountRequest.fromPartial({ accountId, updateMask: ['requests_per_minute'], requestsPerMinute: 50n }));
      accounts.close();
      const keys = await Promise.all([customer.newKey({}), customer.newKey({}), customer.newKey({})]);
      await expectQuota(customer, await raceFor(keys.map((key) => key.secret)), 50, () => 1);
    }, 60_000);

    it('free models take 20 requests a minute over all ingresses', async () => {
      const customer = await customers.create('10');
      await expectQuota(customer, await raceFor([customer.apiKey], MODELS.free), 20, () => 1);
      const { body } = await call<{ data: { free_model_daily_requests: { limit: number } } }>(race().platform.baseUrl, '/key', { key: customer.apiKey });
      expect(body.data.free_model_daily_requests.limit).toBe(50);
    }, 60_000);
  });
}

function resetOf(outcome: Outcome): number {
  const headers = outcome.metadata['headers'] as Readonly<Record<string, string>> | undefined;
  return Number(headers?.['X-RateLimit-Reset']);
}
