import type { PriceSchedule, RatesPico } from './price-schedule.js';
import { METERS, type Meter } from './usage.js';

/** A schedule as messages carry it: structurally `switchyard.common.v1.PriceSchedule`. */
export interface PriceScheduleRecord {
  revision: string;
  ratesPico: { [key: string]: bigint };
  overrides: PriceOverrideRecord[];
  discountMillionths: number;
}

export interface PriceOverrideRecord {
  minPromptTokens?: bigint | undefined;
  utcStart?: number | undefined;
  utcEnd?: number | undefined;
  utcDays: number[];
  ratesPico: { [key: string]: bigint };
}

/** A schedule as the price engine reads it. Meters that this version does not know are left out. */
export function priceScheduleFromRecord(record: PriceScheduleRecord): PriceSchedule {
  return {
    revision: record.revision,
    ratesPico: ratesFromRecord(record.ratesPico),
    overrides: record.overrides.map((override) => ({
      minPromptTokens: override.minPromptTokens === undefined ? undefined : Number(override.minPromptTokens),
      utcStart: override.utcStart,
      utcEnd: override.utcEnd,
      utcDays: override.utcDays,
      ratesPico: ratesFromRecord(override.ratesPico),
    })),
    discountMillionths: record.discountMillionths,
  };
}

const KNOWN_METERS: ReadonlySet<string> = new Set(METERS);

function ratesFromRecord(record: Readonly<Record<string, bigint>>): RatesPico {
  const rates: RatesPico = {};
  for (const [meter, ratePico] of Object.entries(record)) {
    if (KNOWN_METERS.has(meter)) rates[meter as Meter] = ratePico;
  }
  return rates;
}
