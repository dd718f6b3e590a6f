import { describe, expect, it } from '@jest/globals';
import type { PriceScheduleRecord } from '@switchyard/core';
import fc from 'fast-check';
import type { DatedSchedule } from './catalog.js';
import { PREDECESSOR_KEPT_MS, pricesToRecord, schedulesForTable, type RecordedPrice } from './price-history.js';

const NOW = Date.UTC(2026, 0, 1);
const dated = (startTimeMs: number, promptPico: bigint): DatedSchedule => ({
  startTimeMs,
  schedule: { ratesPico: { input_uncached: promptPico, output_text: 1n }, overrides: [], discountMillionths: 0 },
});
const record = (wanted: DatedSchedule[], recorded: RecordedPrice[], nowMs = NOW): RecordedPrice[] =>
  pricesToRecord('m@p', 'charge', 'list', wanted, recorded, nowMs);
const brief = (prices: RecordedPrice[]): [number, bigint][] => prices.map((price) => [price.startTimeMs, price.schedule.ratesPico['input_uncached']!]);
/** What an ingress charges by that has this table. */
const inForce = (recorded: RecordedPrice[], tableTimeMs: number, acceptTimeMs: number): PriceScheduleRecord | undefined =>
  schedulesForTable(recorded, tableTimeMs)
    .filter((entry) => Number(entry.startTimeMs) <= acceptTimeMs)
    .at(-1)?.schedule;
const promptPico = (schedule: PriceScheduleRecord | undefined): bigint | undefined => schedule?.ratesPico['input_uncached'];

describe('pricesToRecord', () => {
  it('records all that a new endpoint has', () => {
    expect(brief(record([dated(0, 1n), dated(NOW + 5, 2n)], []))).toEqual([
      [0, 1n],
      [NOW + 5, 2n],
    ]);
  });

  it('finds nothing new in the same prices, whatever the time', () => {
    const wanted = [dated(0, 1n), dated(NOW + 5, 2n)];
    const recorded = record(wanted, []);
    expect(record(wanted, recorded, NOW)).toEqual([]);
    expect(record(wanted, recorded, NOW + 10)).toEqual([]);
  });

  it('lets a changed price begin now', () => {
    const recorded = record([dated(0, 1n)], []);
    const additions = record([dated(0, 3n)], recorded, NOW);
    expect(brief(additions)).toEqual([[NOW, 3n]]);
    expect(additions[0]!.revision).not.toBe(recorded[0]!.revision);
  });

  it('replaces a price of the future that was taken back', () => {
    const recorded = record([dated(0, 1n), dated(NOW + 5, 2n)], []);
    const additions = record([dated(0, 1n)], recorded);
    expect(brief(additions)).toEqual([[NOW + 5, 1n]]);
    expect(schedulesForTable([...recorded, ...additions], NOW).map((entry) => promptPico(entry.schedule))).toEqual([1n, 1n]);
  });

  it('records a price of the future again that was taken back and came again, under another name', () => {
    const wanted = [dated(0, 1n), dated(NOW + 5, 2n)];
    const first = record(wanted, []);
    const takenBack = [...first, ...record([dated(0, 1n)], first)];
    const again = record(wanted, takenBack);
    expect(brief(again)).toEqual([[NOW + 5, 2n]]);
    const history = [...takenBack, ...again];
    expect(new Set(history.map((price) => price.revision)).size).toBe(history.length);
  });

  it('gives the same price of the same day the same revision everywhere, and every endpoint its own', () => {
    const [first] = record([dated(0, 1n)], []);
    const [again] = record([dated(0, 1n)], []);
    const [other] = pricesToRecord('m@q', 'charge', 'list', [dated(0, 1n)], [], NOW);
    const [cost] = pricesToRecord('m@p', 'cost', 'list', [dated(0, 1n)], [], NOW);
    expect(again!.revision).toBe(first!.revision);
    expect(new Set([first!.revision, other!.revision, cost!.revision]).size).toBe(3);
  });

  it('always leaves a history that says what is wanted, now and later, and never rewrites the past', () => {
    const price = fc.bigInt({ min: 1n, max: 3n });
    const change = fc.record({ now: price, later: fc.option(price, { nil: undefined }), waitMs: fc.integer({ min: 1, max: 50 }) });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 8 }), (changes) => {
        let recorded: RecordedPrice[] = [];
        let nowMs = NOW;
        for (const { now, later, waitMs } of changes) {
          nowMs += waitMs;
          const before = inForce(recorded, nowMs - 1, nowMs - 1)?.revision;
          const wanted = [dated(0, now), ...(later === undefined ? [] : [dated(nowMs + 20, later)])];
          recorded = [...recorded, ...record(wanted, recorded, nowMs)];
          if (before !== undefined) {
            expect(inForce(recorded, nowMs - 1, nowMs - 1)!.revision).toBe(before);
            // Whoever was accepted before, and decides with the new table.
            expect(inForce(recorded, nowMs, nowMs - 1)!.revision).toBe(before);
          }
          const table = schedulesForTable(recorded, nowMs);
          expect(promptPico(inForce(recorded, nowMs, nowMs))).toBe(now);
          const last = table.filter((entry) => Number(entry.startTimeMs) <= nowMs + 20).at(-1)!;
          expect(last.schedule!.ratesPico['input_uncached']).toBe(later ?? now);
        }
      }),
    );
  });
});

describe('the prices of a table', () => {
  const first = record([dated(0, 1n)], []);
  const recorded = [...first, ...record([dated(0, 3n)], first, NOW)];

  it('charge what was accepted before a change by the price of before, for as long as an accept time may be that old', () => {
    for (const sinceMs of [0, 2_000, PREDECESSOR_KEPT_MS - 1]) {
      expect(promptPico(inForce(recorded, NOW + sinceMs, NOW - 1))).toBe(1n);
      expect(promptPico(inForce(recorded, NOW + sinceMs, NOW + sinceMs))).toBe(3n);
    }
  });

  it('are the new one alone afterwards', () => {
    expect(schedulesForTable(recorded, NOW + PREDECESSOR_KEPT_MS).map((entry) => [Number(entry.startTimeMs), promptPico(entry.schedule)])).toEqual([[NOW, 3n]]);
  });
});
