import { describe, expect, it } from '@jest/globals';
import { convertPrices } from './price-list-conversion.js';

describe('convertPrices', () => {
  it('turns USD per million, thousand and each into pico-USD per unit', () => {
    const { schedules } = convertPrices({
      id: 'm',
      prices: { input_mtok: 0.075, output_mtok: 2.5e-6, requests_kcount: 12, web_searches_kcount: 10, input_audio_mtok: 1 },
    })!;
    expect(schedules).toEqual([
      {
        startTimeMs: 0,
        schedule: {
          ratesPico: { input_uncached: 75_000n, output_text: 2n, request: 12_000_000_000n, web_search: 10_000_000_000n, input_audio: 1_000_000n },
          overrides: [],
          discountMillionths: 0,
        },
      },
    ]);
  });

  it('makes token tiers overrides, one per step', () => {
    const { schedules } = convertPrices({
      id: 'm',
      prices: {
        input_mtok: { base: 1, tiers: [{ start: 200_000, price: 2 }] },
        output_mtok: {
          base: 4,
          tiers: [
            { start: 200_000, price: 6 },
            { start: 500_000, price: 8 },
          ],
        },
      },
    })!;
    expect(schedules[0]!.schedule.overrides).toEqual([
      { minPromptTokens: 200_000, utcDays: [], ratesPico: { input_uncached: 2_000_000n, output_text: 6_000_000n } },
      { minPromptTokens: 500_000, utcDays: [], ratesPico: { output_text: 8_000_000n } },
    ]);
  });

  it('makes start dates schedules of their own', () => {
    const { schedules } = convertPrices({
      id: 'm',
      prices: [
        { prices: { input_mtok: 10, output_mtok: 40 } },
        { constraint: { type: 'start_date', start_date: '2027-01-01' }, prices: { input_mtok: 2, output_mtok: 8 } },
      ],
    })!;
    expect(schedules.map(({ startTimeMs, schedule }) => [startTimeMs, schedule.ratesPico.input_uncached])).toEqual([
      [0, 10_000_000n],
      [Date.UTC(2027, 0, 1), 2_000_000n],
    ]);
  });

  it('makes hours of the day overrides that leave nothing of the base behind', () => {
    const { schedules } = convertPrices({
      id: 'm',
      prices: [
        { prices: { input_mtok: 1, output_mtok: 2, cache_read_mtok: 0.1 } },
        { constraint: { type: 'time_of_date', start_time: '00:30:00Z', end_time: '16:30:00Z' }, prices: { input_mtok: 0.5, output_mtok: 1 } },
      ],
    })!;
    expect(schedules[0]!.schedule.overrides).toEqual([
      { utcStart: 30, utcEnd: 1630, utcDays: [], ratesPico: { input_uncached: 500_000n, output_text: 1_000_000n, cache_read: 500_000n } },
    ]);
  });

  it('names the keys that no meter stands for and refuses what has no prompt price', () => {
    expect(convertPrices({ id: 'm', prices: { input_mtok: 1, output_mtok: 1, storage_searches_kcount: 2.5 } })!.ignoredKeys).toEqual([
      'storage_searches_kcount',
    ]);
    expect(convertPrices({ id: 'm', prices: { audio_hours: 3 } })).toBeUndefined();
  });
});
