import { afterAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Customer } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';
import type { Books } from './books.js';
import { ask, mixedRequest, runClients, statusesOf, type Outcome } from './clients.js';
import { Customers, INGRESS_COUNT, IS_WHOLE_RACE, MODELS, type RacePlatform } from './race-platform.js';

export function outageSuite(race: () => RacePlatform, books: () => Books): void {
  describe('billing', () => {
    const customers = new Customers(race);
    afterAll(() => customers.close());
    /** As they are now: what ended was started again. */
    const pids = () => {
      const contract = JSON.parse(readFileSync(join(race().platform.dataDirectory, 'quickstart.json'), 'utf8')) as { processes: Record<string, number[]> };
      return contract.processes['billing']!;
    };
    const load = (customer: Customer, rounds: number) =>
      runClients(30, (client, round, previous) =>
        round < rounds && (!previous || previous.status === 200)
          ? ask(race(), client + round, customer.apiKey, mixedRequest(MODELS.honest, client + round))
          : undefined,
      );
    const everywhere = (key: string) =>
      Promise.all(
        Array.from({ length: INGRESS_COUNT }, (_, ingress) => ask(race(), ingress, key, { model: MODELS.honest, words: 5, isStreamed: false, maxTokens: 50 })),
      );

    if (IS_WHOLE_RACE)
      it('with one instance killed goes on: no client notices', async () => {
        const customer = await customers.create('100');
        const outcomes = await load(customer, 2);
        const [killed, other] = pids();
        process.kill(killed!, 'SIGKILL');
        outcomes.push(...(await load(customer, 4)));
        expect(statusesOf(outcomes)).toEqual([200]);
        await eventually(
          () => {
            expect(pids()).toContain(other);
            expect(pids()).not.toContain(killed);
          },
          { timeoutMs: 30_000 },
        );
        await books().expectTold(customer.accountId, outcomes);
      }, 90_000);

    it('with both instances away lets leases be spent, then asks clients to come back, and recovers by itself', async () => {
      const customer = await customers.create('100');
      const poor = await customers.create('0.000001');
      const outcomes = await load(customer, 4);
      expect(statusesOf(outcomes)).toEqual([200]);
      for (const { status } of await everywhere(poor.apiKey)) expect(status).toBe(402);
      const stopped = pids();
      let during: Outcome[];
      let ofPoor: Outcome[];
      for (const pid of stopped) process.kill(pid, 'SIGSTOP');
      try {
        [during, ofPoor] = await Promise.all([load(customer, 400), everywhere(poor.apiKey)]);
      } finally {
        for (const pid of stopped) process.kill(pid, 'SIGCONT');
      }
      // What nobody could ask billing for is no lack of money.
      expect(statusesOf(during)).toEqual([200, 503]);
      expect(statusesOf(ofPoor)).toEqual([503]);
      for (const outcome of [...during, ...ofPoor].filter(({ status }) => status === 503)) {
        expect(Number(outcome.retryAfter)).toBeGreaterThanOrEqual(1);
        expect(outcome.message).toContain('try again');
      }
      outcomes.push(...during);
      await eventually(
        async () => {
          const answers = await everywhere(customer.apiKey);
          outcomes.push(...answers);
          expect(statusesOf(answers)).toEqual([200]);
        },
        { timeoutMs: 30_000 },
      );
      await eventually(async () => expect(statusesOf(await everywhere(poor.apiKey))).toEqual([402]), { timeoutMs: 30_000 });
      await books().expectTold(customer.accountId, outcomes);
      expect(await customer.verifyLedger()).toEqual([]);
    }, 180_000);
  });
}
