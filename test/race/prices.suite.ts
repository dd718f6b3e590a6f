import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Customer } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';
import { parse, stringify } from 'yaml';
import type { Books, ChargeRow } from './books.js';
import { ask, costOf, runClients, statusesOf, sumPico, type Outcome } from './clients.js';
import { Customers, IS_WHOLE_RACE, metricSum, MODELS, NEW_PRICES, PRICES, type RacePlatform } from './race-platform.js';

type Prices = typeof PRICES;
const LATEST_PRICES: Prices = { prompt: '3', completion: '90' };
const CHANGE_AFTER_MS = 5_000;
const GOES_ON_MS = 2_000;
const PICO_OF_DOLLAR_PER_MILLION = 1_000_000n;

export function pricesSuite(race: () => RacePlatform, books: () => Books): void {
  describe('a price that changes under load', () => {
    const customers = new Customers(race);
    let customer: Customer;
    beforeAll(async () => {
      customer = await customers.create('100');
    });
    afterAll(() => customers.close());
    const told: Outcome[] = [];

    const editEndpoint = (fields: object) => {
      const file = race().platform.catalogFile;
      const catalog = parse(readFileSync(file, 'utf8')) as { endpoints: { model: string }[] };
      catalog.endpoints = catalog.endpoints.map((endpoint) => (endpoint.model === MODELS.dated ? { ...endpoint, ...fields } : endpoint));
      writeFileSync(file, stringify(catalog));
    };
    const loadUntil = async (isOver: () => boolean) => {
      const outcomes = await runClients(12, (client, round) =>
        isOver()
          ? undefined
          : ask(race(), client + round, customer.apiKey, { model: MODELS.dated, words: 5 + (round % 9), isStreamed: round % 2 === 0, maxTokens: 100 }),
      );
      expect(statusesOf(outcomes)).toEqual([200]);
      told.push(...outcomes);
      return outcomes;
    };
    const priced = (outcome: Outcome, prices: Prices) =>
      (BigInt(outcome.promptTokens) * BigInt(prices.prompt) + BigInt(outcome.completionTokens) * BigInt(prices.completion)) * PICO_OF_DOLLAR_PER_MILLION;
    const revisionOf = (row: ChargeRow) => String(row.document['priceRevision']);

    it('at a date that the catalogue names charges every generation by its accept time, at every ingress', async () => {
      const fromMs = race().nowMs() + CHANGE_AFTER_MS;
      editEndpoint({ price_changes: [{ from: new Date(fromMs).toISOString(), prices: NEW_PRICES }] });
      const outcomes = await loadUntil(() => race().nowMs() > fromMs + GOES_ON_MS);
      const charges = new Map((await books().expectTold(customer.accountId, told)).map((row) => [row.generationId, row]));
      const revisions = { before: new Set<string>(), after: new Set<string>() };
      for (const outcome of outcomes) {
        const row = charges.get(outcome.generationId)!;
        const isAfter = row.acceptTimeMs >= fromMs;
        expect(outcome.costPico).toBe(priced(outcome, isAfter ? NEW_PRICES : PRICES));
        revisions[isAfter ? 'after' : 'before'].add(revisionOf(row));
      }
      expect([revisions.before.size, revisions.after.size]).toEqual([1, 1]);
      expect([...revisions.before]).not.toEqual([...revisions.after]);
      for (const ingress of [0, 1, 2])
        expect(outcomes.some((outcome) => outcome.ingress === ingress && outcome.costPico === priced(outcome, NEW_PRICES))).toBe(true);
    }, 60_000);

    if (IS_WHOLE_RACE)
      it('at once charges every generation by the revision that it was decided with, and billing refuses none', async () => {
        editEndpoint({ prices: LATEST_PRICES, price_changes: [] });
        let dearCount = 0;
        await eventually(
          async () => {
            const startMs = race().nowMs();
            const outcomes = await loadUntil(() => race().nowMs() > startMs + 500);
            for (const outcome of outcomes) expect([priced(outcome, NEW_PRICES), priced(outcome, LATEST_PRICES)]).toContain(outcome.costPico);
            dearCount = outcomes.filter((outcome) => outcome.costPico === priced(outcome, LATEST_PRICES)).length;
            expect(dearCount).toBe(outcomes.length);
          },
          { timeoutMs: 20_000 },
        );
        const charges = await books().expectTold(customer.accountId, told);
        expect(new Set(charges.map(revisionOf)).size).toBe(3);
        expect(sumPico(charges.map((row) => row.chargePico))).toBe(costOf(told));
        expect(await metricSum(race(), 'billing', 'switchyard_billing_dead_letters_total')).toBe(0);
        expect(await customer.verifyLedger()).toEqual([]);
      }, 60_000);
  });
}
