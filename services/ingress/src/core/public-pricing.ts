import { picoToUsd, priceScheduleFromRecord, ratesInForce, type Meter, type PriceSchedule, type RatesPico } from '@switchyard/core';
import { UTC_DAY_NAMES, type PublicPricing, type PublicPricingOverride } from '@switchyard/api';
import type { common, router } from '@switchyard/proto';

type PriceName = Exclude<keyof PublicPricing, 'discount' | 'overrides'>;
type OverridePriceName = Exclude<keyof PublicPricingOverride, 'min_prompt_tokens' | 'utc_start' | 'utc_end' | 'utc_days'>;

/** Every meter with the name that the public catalogue gives its price. */
const PRICE_NAMES: Readonly<Record<Meter, PriceName>> = {
  input_uncached: 'prompt',
  output_text: 'completion',
  cache_read: 'input_cache_read',
  cache_write_5m: 'input_cache_write',
  cache_write_1h: 'input_cache_write_1h',
  input_audio: 'audio',
  cache_read_audio: 'input_audio_cache',
  input_image_tokens: 'image_token',
  reasoning: 'internal_reasoning',
  output_audio: 'audio_output',
  output_image_tokens: 'image_output',
  request: 'request',
  input_image: 'image',
  web_search: 'web_search',
};

const OVERRIDE_PRICES: Readonly<Partial<Record<Meter, OverridePriceName>>> = {
  input_uncached: 'prompt',
  output_text: 'completion',
  cache_read: 'input_cache_read',
  cache_write_5m: 'input_cache_write',
  cache_write_1h: 'input_cache_write_1h',
  input_audio: 'audio',
  cache_read_audio: 'input_audio_cache',
};

/** The schedule in force; undefined when the endpoint has none yet. */
export function scheduleInForce(schedules: readonly router.DatedPriceSchedule[], nowMs: number): PriceSchedule | undefined {
  let inForce: common.PriceSchedule | undefined;
  let startMs = Number.NEGATIVE_INFINITY;
  for (const { startTimeMs, schedule } of schedules) {
    const scheduleStartMs = Number(startTimeMs);
    if (!schedule || scheduleStartMs > nowMs || scheduleStartMs < startMs) continue;
    inForce = schedule;
    startMs = scheduleStartMs;
  }
  return inForce && priceScheduleFromRecord(inForce);
}

/** Prices as the catalogue shows them: the default conditions at this time on top, conditional ones below. */
export function publicPricing(schedule: PriceSchedule, nowMs: number): PublicPricing {
  const pricing: PublicPricing = { prompt: '0', completion: '0' };
  for (const [meter, ratePico] of ratesOf(ratesInForce(schedule, 0, nowMs))) pricing[PRICE_NAMES[meter]] = picoToUsd(ratePico);
  if (schedule.discountMillionths !== 0) pricing.discount = schedule.discountMillionths / 1_000_000;
  if (schedule.overrides.length > 0) pricing.overrides = schedule.overrides.map(publicOverride);
  return pricing;
}

/** USD per million tokens as they are charged, the discount taken off; for comparing. */
export function pricePerMillion(schedule: PriceSchedule, meter: 'input_uncached' | 'output_text'): number {
  return (Number(schedule.ratesPico[meter] ?? 0n) * (1_000_000 - schedule.discountMillionths)) / 1_000_000_000_000;
}

function publicOverride(override: PriceSchedule['overrides'][number]): PublicPricingOverride {
  const shown: PublicPricingOverride = {};
  if (override.minPromptTokens !== undefined) shown.min_prompt_tokens = override.minPromptTokens;
  if (override.utcStart !== undefined) shown.utc_start = override.utcStart;
  if (override.utcEnd !== undefined) shown.utc_end = override.utcEnd;
  if (override.utcDays.length > 0) shown.utc_days = override.utcDays.flatMap((day) => UTC_DAY_NAMES[day] ?? []);
  for (const [meter, ratePico] of ratesOf(override.ratesPico)) {
    const name = OVERRIDE_PRICES[meter];
    if (name) shown[name] = picoToUsd(ratePico);
  }
  return shown;
}

function ratesOf(rates: RatesPico): [Meter, bigint][] {
  return Object.entries(rates) as [Meter, bigint][];
}
