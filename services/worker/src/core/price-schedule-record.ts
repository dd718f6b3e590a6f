import { METERS, type Meter, type PriceSchedule, type RatesPico } from '@switchyard/core';
import type { common } from '@switchyard/proto';

const KNOWN_METERS: ReadonlySet<string> = new Set(METERS);

/** An ingress in the same process hands over the same record again and again. */
const schedules = new WeakMap<common.PriceSchedule, PriceSchedule>();

/** A schedule as frames carry it, as the price engine reads it. Meters that this version does not know are left out. */
export function priceScheduleOf(record: common.PriceSchedule): PriceSchedule {
  let schedule = schedules.get(record);
  if (!schedule) {
    schedule = readSchedule(record);
    schedules.set(record, schedule);
  }
  return schedule;
}

function readSchedule(record: common.PriceSchedule): PriceSchedule {
  return {
    revision: record.revision,
    ratesPico: ratesOf(record.ratesPico),
    overrides: record.overrides.map((override) => ({
      minPromptTokens: override.minPromptTokens === undefined ? undefined : Number(override.minPromptTokens),
      utcStart: override.utcStart,
      utcEnd: override.utcEnd,
      utcDays: override.utcDays,
      ratesPico: ratesOf(override.ratesPico),
    })),
    discountMillionths: record.discountMillionths,
  };
}

function ratesOf(record: { readonly [meter: string]: bigint }): RatesPico {
  const rates: Partial<Record<Meter, bigint>> = {};
  for (const [meter, ratePico] of Object.entries(record)) if (isMeter(meter)) rates[meter] = ratePico;
  return rates;
}

function isMeter(name: string): name is Meter {
  return KNOWN_METERS.has(name);
}
