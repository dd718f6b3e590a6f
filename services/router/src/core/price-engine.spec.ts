import { describe, expect, it } from '@jest/globals';
import { calcPrice, findProvider } from '@pydantic/genai-prices';
import { calculateCharge, PriceMissingError, picoToUsdNumber, type PriceSchedule } from '@switchyard/core';
import fc from 'fast-check';
import { BUILT_IN_PROVIDERS } from './built-in-providers.js';
import type { DatedSchedule } from './catalog.js';
import { isOtherKind } from './model-facts.js';
import { convertPrices } from './price-list-conversion.js';
import type { PriceListModel } from './price-list.js';

/**
 * The list's own calculation against the price engine on random usage, over everything that the import takes from the
 * list. What cannot be equal is in docs/reference/price-engine.md, and left out here by name.
 */
interface Case {
  readonly providerId: string;
  readonly model: PriceListModel;
  readonly schedules: readonly DatedSchedule[];
}

const cases: readonly Case[] = BUILT_IN_PROVIDERS.flatMap(({ priceListId }) => {
  const models = (priceListId === undefined ? [] : (findProvider({ providerId: priceListId })?.models ?? [])) as readonly PriceListModel[];
  return models.flatMap((model) => {
    const converted = isOtherKind(model.id) || Object.keys(model.prices).length === 0 ? undefined : convertPrices(model);
    return converted ? [{ providerId: priceListId!, model, schedules: converted.schedules }] : [];
  });
});

/** Meters and how the list reports the same usage: its totals contain their parts. */
const usage = fc.record({
  input_uncached: fc.integer({ min: 0, max: 600_000 }),
  cache_read: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 400_000 })),
  cache_write_5m: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 100_000 })),
  cache_write_1h: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 100_000 })),
  input_audio: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 50_000 })),
  cache_read_audio: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 50_000 })),
  input_image_tokens: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 20_000 })),
  output_image_tokens: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 20_000 })),
  output_text: fc.integer({ min: 0, max: 128_000 }),
  reasoning: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 128_000 })),
  output_audio: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 10_000 })),
  web_search: fc.integer({ min: 0, max: 20 }),
});
type Usage = typeof usage extends fc.Arbitrary<infer Value> ? Value : never;

function listUsage(meters: Usage): Record<string, number> {
  return {
    input_tokens:
      meters.input_uncached +
      meters.cache_read +
      meters.cache_write_5m +
      meters.cache_write_1h +
      meters.input_audio +
      meters.cache_read_audio +
      meters.input_image_tokens,
    cache_read_tokens: meters.cache_read + meters.cache_read_audio,
    cache_write_tokens: meters.cache_write_5m + meters.cache_write_1h,
    cache_write_1h_tokens: meters.cache_write_1h,
    input_audio_tokens: meters.input_audio + meters.cache_read_audio,
    cache_audio_read_tokens: meters.cache_read_audio,
    cache_audio_write_tokens: 0,
    input_image_tokens: meters.input_image_tokens,
    cache_image_read_tokens: 0,
    output_tokens: meters.output_text + meters.reasoning + meters.output_audio + meters.output_image_tokens,
    output_reasoning_tokens: meters.reasoning,
    output_image_tokens: meters.output_image_tokens,
    output_audio_tokens: meters.output_audio,
    web_searches: meters.web_search,
  };
}

function inForce(schedules: readonly DatedSchedule[], timeMs: number): PriceSchedule {
  return { revision: 'r', ...schedules.filter((dated) => dated.startTimeMs <= timeMs).at(-1)!.schedule };
}

/** Prices below a pico-dollar per token, which the import rounds. */
const ROUNDED = [
  'openrouter google/gemini-2.5-flash-image',
  'openrouter google/gemini-2.5-flash-lite',
  'openrouter google/gemini-3-flash-preview',
  'openrouter google/gemini-3.1-flash-lite',
  'openrouter google/gemini-3.5-flash',
  'openrouter ~google/gemini-flash-latest',
];

describe('the price engine', () => {
  it('equals calcPrice() on every imported price list entry, tiers, dates and hours included', () => {
    expect(cases.length).toBeGreaterThan(700);
    const time = fc.integer({ min: Date.UTC(2024, 0, 1), max: Date.UTC(2028, 0, 1) });
    fc.assert(
      fc.property(fc.constantFrom(...cases), usage, time, ({ providerId, model, schedules }, drawn, timeMs) => {
        const schedule = inForce(schedules, timeMs);
        // Where output has no price the list says zero and the engine refuses, so none is drawn.
        const meters =
          schedule.ratesPico.output_text === undefined ? { ...drawn, output_text: 0, reasoning: 0, output_audio: 0, output_image_tokens: 0 } : drawn;
        const expected = calcPrice(listUsage(meters), model.id, { provider: providerOf(providerId, model), timestamp: new Date(timeMs) })!.total_price;
        // The list counts one request for every call; here the meter says so.
        const { amountPico } = calculateCharge(schedule, { ...meters, request: 1 }, timeMs);
        expect(Math.abs(picoToUsdNumber(amountPico) - expected)).toBeLessThanOrEqual(1e-9 * expected);
      }),
      { numRuns: 6_000 },
    );
  });

  it('differs by rounding only where the documentation says so', () => {
    const rounded = cases.filter(({ model }) => isBelowPico(model)).map(({ providerId, model }) => `${providerId} ${model.id}`);
    expect(rounded).toEqual(ROUNDED);
  });

  it('refuses a meter without a price, which the list calls free', () => {
    const { schedules } = convertPrices({ id: 'm', prices: { input_mtok: 0.15 } })!;
    expect(() => calculateCharge(inForce(schedules, 0), { input_uncached: 1, output_text: 1 }, 0)).toThrow(PriceMissingError);
  });
});

function providerOf(providerId: string, model: PriceListModel): NonNullable<ReturnType<typeof findProvider>> {
  const provider: unknown = { id: providerId, name: providerId, api_pattern: '', models: [{ ...roundedToPico(model), match: { equals: model.id } }] };
  return provider as NonNullable<ReturnType<typeof findProvider>>;
}

/** The list's entry as the import reads it. */
function roundedToPico(model: PriceListModel): PriceListModel {
  const prices: unknown = JSON.parse(JSON.stringify(model.prices), (key, value: unknown) =>
    typeof value === 'number' && (key.endsWith('_mtok') || key === 'base' || key === 'price') ? Math.round(value * 1e6) / 1e6 : value,
  );
  return { ...model, prices: prices as PriceListModel['prices'] };
}

/** More than six decimals of USD per million tokens. */
function isBelowPico(model: PriceListModel): boolean {
  const prices = [...JSON.stringify(model.prices).matchAll(/"(?:\w+_mtok|base|price)":([0-9.e-]+)/g)].map((match) => Number(match[1]));
  return prices.some((price) => Math.abs(price * 1e6 - Math.round(price * 1e6)) > 1e-6 * Math.max(1, price));
}
