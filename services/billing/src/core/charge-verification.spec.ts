import { describe, expect, it } from '@jest/globals';
import { calculateCharge, METERS, type Meters, type PriceSchedule } from '@switchyard/core';
import { common, events } from '@switchyard/proto';
import fc from 'fast-check';
import { chargeProblem, costProblem } from './charge-verification.js';

const CHARGE = events.GenerationCompleted.fromPartial({
  eventId: '019a0000-0000-7000-8000-000000000001',
  generationId: 'gen-1795000000-abcdefghijklmnopqrst',
  acceptTimeMs: 1_795_000_000_000n,
  end: events.GenerationEnd.COMPLETED,
  accountId: 'account',
  keyHash: 'a'.repeat(64),
  usage: { meters: { input_uncached: 10, output_text: 3 }, source: common.UsageSource.PROVIDER },
  unitPricesPico: { input_uncached: 2n, output_text: 5n },
  chargePico: 35n,
  finishReason: 'stop',
});

const COST = events.AttemptCompleted.fromPartial({
  eventId: '019a0000-0000-7000-8000-000000000002',
  attemptId: `${CHARGE.generationId}:0`,
  generationId: CHARGE.generationId,
  acceptTimeMs: CHARGE.acceptTimeMs,
  accountId: 'account',
  providerSlug: 'acme',
  usage: { meters: { output_text: 3 }, source: common.UsageSource.PROVIDER },
  unitCostsPico: { output_text: 4n },
  costPico: 12n,
  reporter: events.AttemptReporter.WORKER,
});

describe('chargeProblem', () => {
  it('accepts whatever the price engine computes', () => {
    const counts = fc.dictionary(fc.constantFrom(...METERS), fc.nat({ max: 2_000_000 }));
    const rates = fc.tuple(...METERS.map(() => fc.bigInt({ min: 0n, max: 100_000_000n })));
    fc.assert(
      fc.property(counts, rates, fc.integer({ min: 0, max: 999_999 }), (meters, prices, discountMillionths) => {
        const schedule: PriceSchedule = {
          revision: 'r',
          overrides: [],
          discountMillionths,
          ratesPico: Object.fromEntries(METERS.map((meter, index) => [meter, prices[index]!])),
        };
        const charge = calculateCharge(schedule, meters as Meters, 0);
        const event = {
          ...CHARGE,
          usage: { meters: { ...meters }, source: common.UsageSource.PROVIDER },
          unitPricesPico: Object.fromEntries(charge.lines.map((line) => [line.meter, line.ratePico])),
          chargeLinesPico: Object.fromEntries(charge.lines.map((line) => [line.meter, line.amountPico])),
          discountMillionths,
          chargePico: charge.amountPico,
        };
        expect(chargeProblem(event)).toBeUndefined();
        expect(chargeProblem({ ...event, chargePico: charge.amountPico + 1n })).toBeDefined();
      }),
    );
  });

  it.each<[string, Partial<events.GenerationCompleted>, string]>([
    ['another charge than counts times prices', { chargePico: 36n }, 'charge differs'],
    ['a charge of zero for an answer that has a price', { chargePico: 0n }, 'charge differs'],
    ['a counted meter without a price', { unitPricesPico: { output_text: 5n }, chargePico: 15n }, 'no unit price'],
    ['a failed generation that is charged', { end: events.GenerationEnd.UPSTREAM_FAILED }, 'failed generation is charged'],
    ['a negative settlement', { leases: [{ leaseId: 'x', amount: -1n }] }, 'negative'],
    ['a line that does not multiply', { chargeLinesPico: { output_text: 16n } }, 'charge line'],
    ['an id that carries no time', { eventId: '019a0000-0000-4000-8000-000000000001' }, 'UUIDv7'],
    ['an id in another spelling', { eventId: '019A0000-0000-7000-8000-000000000001' }, 'UUIDv7'],
    ['a generation of somebody else', { generationId: 'chatcmpl-1' }, 'generation_id'],
    ['no account', { accountId: '' }, 'account'],
    ['a time that no date can name', { acceptTimeMs: 2n ** 62n }, 'accept_time_ms'],
  ])('refuses %s', (_, changes, problem) => {
    expect(chargeProblem({ ...CHARGE, ...changes })).toContain(problem);
  });

  it.each<[string, Partial<events.GenerationCompleted>]>([
    ['a failed generation that counted tokens', { end: events.GenerationEnd.UPSTREAM_FAILED, chargePico: 0n }],
    ['no charge when nothing was answered', { usage: { meters: { input_uncached: 10 }, source: common.UsageSource.PROVIDER }, chargePico: 0n }],
    ['no charge when the finish reason is an error', { finishReason: 'error', chargePico: 0n }],
    ['a missing price that was flagged', { flags: ['price_missing'], unitPricesPico: { output_text: 5n }, chargePico: 15n }],
    ['units that providers need not price', { usage: { meters: { input_uncached: 10, output_text: 3, web_search: 2 }, source: common.UsageSource.PROVIDER } }],
  ])('accepts %s', (_, changes) => {
    expect(chargeProblem({ ...CHARGE, ...changes })).toBeUndefined();
  });
});

describe('costProblem', () => {
  it('accepts the cost that counts and unit costs give, discount included', () => {
    expect(costProblem(COST)).toBeUndefined();
    expect(costProblem({ ...COST, costDiscountMillionths: 250_000, costPico: 9n })).toBeUndefined();
    expect(costProblem({ ...COST, unitCostsPico: {}, costPico: 0n })).toBeUndefined();
  });

  it.each<[string, Partial<events.AttemptCompleted>, string]>([
    ['another cost', { costPico: 13n }, 'cost differs'],
    ['an attempt id of another generation', { attemptId: 'gen-1795000000-ABCDEFGHIJKLMNOPQRST:0' }, 'attempt_id'],
    ['a time that no date can name', { acceptTimeMs: 2n ** 62n }, 'accept_time_ms'],
    ['no reporter', { reporter: events.AttemptReporter.UNSPECIFIED }, 'reporter'],
  ])('refuses %s', (_, changes, problem) => {
    expect(costProblem({ ...COST, ...changes })).toContain(problem);
  });
});
