import { rateOf, type Meter, type PriceOverride, type RatesPico } from '@switchyard/core';
import { perMillionToPico, perThousandToPico } from './decimal-price.js';
import type { ConditionalPrices, PriceListModel, PriceSet, Tiers } from './price-list.js';
import type { UndatedSchedule } from './catalog.js';

/** Price keys that the engine has a meter for. */
const METER_OF_KEY: Readonly<Record<string, { readonly meter: Meter; readonly toPico: (text: string) => bigint }>> = {
  input_mtok: { meter: 'input_uncached', toPico: perMillionToPico },
  output_mtok: { meter: 'output_text', toPico: perMillionToPico },
  cache_read_mtok: { meter: 'cache_read', toPico: perMillionToPico },
  cache_write_mtok: { meter: 'cache_write_5m', toPico: perMillionToPico },
  cache_write_1h_mtok: { meter: 'cache_write_1h', toPico: perMillionToPico },
  input_audio_mtok: { meter: 'input_audio', toPico: perMillionToPico },
  cache_audio_read_mtok: { meter: 'cache_read_audio', toPico: perMillionToPico },
  input_image_mtok: { meter: 'input_image_tokens', toPico: perMillionToPico },
  output_reasoning_mtok: { meter: 'reasoning', toPico: perMillionToPico },
  output_audio_mtok: { meter: 'output_audio', toPico: perMillionToPico },
  output_image_mtok: { meter: 'output_image_tokens', toPico: perMillionToPico },
  requests_kcount: { meter: 'request', toPico: perThousandToPico },
  web_searches_kcount: { meter: 'web_search', toPico: perThousandToPico },
};

export interface ConvertedPrices {
  /** Ascending by start; the first starts at 0. */
  readonly schedules: readonly { readonly startTimeMs: number; readonly schedule: UndatedSchedule }[];
  /** Keys that no meter stands for; what they price is not charged. */
  readonly ignoredKeys: readonly string[];
}

/**
 * A list entry as dated schedules. Start dates become schedules, hours of the day and token tiers become overrides.
 * The list takes the last entry whose condition holds and that entry's prices alone; an override names every meter that
 * any entry names, so that nothing of the base shines through. Undefined: no price for prompts.
 */
export function convertPrices(model: PriceListModel): ConvertedPrices | undefined {
  const entries: readonly ConditionalPrices[] = isEntryList(model.prices) ? model.prices : [{ prices: model.prices }];
  const ignored = new Set<string>();
  const parsed = entries.map((entry) => ({ constraint: entry.constraint, set: parsePriceSet(entry.prices, ignored) }));
  const starts = [0, ...parsed.flatMap((entry) => (entry.constraint?.type === 'start_date' ? [Date.parse(`${entry.constraint.start_date}T00:00:00Z`)] : []))];
  const schedules = [...new Set(starts)].sort((left, right) => left - right).map((startTimeMs) => ({ startTimeMs, schedule: scheduleAt(parsed, startTimeMs) }));
  if (schedules.some(({ schedule }) => schedule.ratesPico.input_uncached === undefined)) return undefined;
  return { schedules, ignoredKeys: [...ignored].sort() };
}

interface ParsedSet {
  readonly rates: RatesPico;
  readonly tiers: readonly { readonly start: number; readonly rates: RatesPico }[];
}

interface ParsedEntry {
  readonly constraint: ConditionalPrices['constraint'];
  readonly set: ParsedSet;
}

/** Entries are judged from the last to the first; those before an unconditional or begun one never count. */
function scheduleAt(entries: readonly ParsedEntry[], startTimeMs: number): UndatedSchedule {
  const windows: ParsedEntry[] = [];
  let base = entries[0]!.set;
  for (let index = entries.length - 1; index >= 0; index--) {
    const entry = entries[index]!;
    const type = entry.constraint?.type;
    if (type === 'time_of_date') {
      windows.unshift(entry);
      continue;
    }
    if (type === undefined || Date.parse(`${entry.constraint!.start_date}T00:00:00Z`) <= startTimeMs) {
      base = entry.set;
      break;
    }
  }
  const meters = new Set(windows.flatMap((entry) => Object.keys(entry.set.rates)).concat(Object.keys(base.rates)) as Meter[]);
  const overrides = tierOverrides(base, {});
  for (const window of windows) overrides.push(...windowOverrides(window, meters));
  return { ratesPico: base.rates, overrides, discountMillionths: 0 };
}

function windowOverrides(window: ParsedEntry, meters: ReadonlySet<Meter>): PriceOverride[] {
  const hours = { utcStart: hourMinute(window.constraint!.start_time!), utcEnd: hourMinute(window.constraint!.end_time!) };
  const rates: RatesPico = {};
  for (const meter of meters) {
    const ratePico = rateOf(window.set.rates, meter);
    if (ratePico !== undefined) rates[meter] = ratePico;
  }
  return [{ ...hours, utcDays: [], ratesPico: rates }, ...tierOverrides(window.set, hours)];
}

function tierOverrides(set: ParsedSet, hours: { readonly utcStart?: number; readonly utcEnd?: number }): PriceOverride[] {
  return set.tiers.map((tier) => ({ ...hours, minPromptTokens: tier.start, utcDays: [], ratesPico: tier.rates }));
}

/** Each key may have its own steps; a tier of ours lists what changes at that step. */
function parsePriceSet(prices: PriceSet, ignored: Set<string>): ParsedSet {
  const rates: RatesPico = {};
  const tiers = new Map<number, RatesPico>();
  for (const [key, value] of Object.entries(prices)) {
    if (value === undefined) continue;
    const known = METER_OF_KEY[key];
    if (!known) {
      ignored.add(key);
      continue;
    }
    rates[known.meter] = known.toPico(String(isTiers(value) ? value.base : value));
    if (!isTiers(value)) continue;
    for (const tier of value.tiers) tiers.set(tier.start, { ...tiers.get(tier.start), [known.meter]: known.toPico(String(tier.price)) });
  }
  return { rates, tiers: [...tiers.entries()].sort(([left], [right]) => left - right).map(([start, tierRates]) => ({ start, rates: tierRates })) };
}

/** `16:30:00Z` → 1630. */
function hourMinute(text: string): number {
  const match = /^(\d{2}):(\d{2}):00(?:\.0+)?(?:Z|[+-]00:00)$/.exec(text);
  if (!match) throw new RangeError(`"${text}" is not a whole minute in UTC`);
  return Number(match[1]) * 100 + Number(match[2]);
}

function isEntryList(prices: PriceListModel['prices']): prices is readonly ConditionalPrices[] {
  return Array.isArray(prices);
}

function isTiers(value: number | Tiers): value is Tiers {
  return typeof value === 'object';
}
