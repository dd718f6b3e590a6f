import { divideHalfEven, type PicoUsd } from './money.js';
import { METERS, promptTokenCount, UNIT_METERS, type Meter, type Meters } from './usage.js';

/** pico-USD per unit. An absent rate is not free: see `RATE_FALLBACKS`. */
export type RatesPico = Partial<Record<Meter, bigint>>;

/** Prices of one endpoint. Immutable: a new price is a new revision. Same shape as `switchyard.common.v1.PriceSchedule`. */
export interface PriceSchedule {
  readonly revision: string;
  readonly ratesPico: RatesPico;
  readonly overrides: readonly PriceOverride[];
  /** Share taken off the sum, in millionths. */
  readonly discountMillionths: number;
}

/** A conditional price: all named conditions must hold; of several that do, the later wins per meter. */
export interface PriceOverride {
  /** Applies to the whole request when the prompt has strictly more tokens than this. */
  readonly minPromptTokens?: number | undefined;
  /** HHMM numbers (400 = 04:00), half-open, may wrap midnight. */
  readonly utcStart?: number | undefined;
  readonly utcEnd?: number | undefined;
  /** 0 = Sunday; empty = every day. */
  readonly utcDays: readonly number[];
  readonly ratesPico: RatesPico;
}

export interface ChargeLine {
  readonly meter: Meter;
  readonly count: number;
  readonly ratePico: bigint;
  readonly amountPico: PicoUsd;
}

export interface Charge {
  readonly amountPico: PicoUsd;
  /** One line per meter with a count, before the discount. */
  readonly lines: readonly ChargeLine[];
}

/** What a meter costs when the schedule names no rate of its own: the first of these that has one. */
const RATE_FALLBACKS: Readonly<Record<Meter, readonly Meter[]>> = {
  input_uncached: [],
  cache_read: ['input_uncached'],
  cache_write_5m: ['input_uncached'],
  cache_write_1h: ['cache_write_5m', 'input_uncached'],
  input_audio: ['input_uncached'],
  cache_read_audio: ['cache_read', 'input_audio', 'input_uncached'],
  input_image_tokens: ['input_uncached'],
  output_text: [],
  reasoning: ['output_text'],
  output_audio: ['output_text'],
  output_image_tokens: ['output_text'],
  request: [],
  input_image: [],
  web_search: [],
};

/** Units that a provider may simply not price; the token meters may never be free by omission. */
const FREE_WHEN_ABSENT: ReadonlySet<Meter> = new Set(UNIT_METERS);

export class PriceMissingError extends Error {
  constructor(
    readonly revision: string,
    readonly meter: Meter,
  ) {
    super(`price revision ${revision} has no rate for ${meter}`);
  }
}

/** The rates in force for one request, overrides applied. `acceptTimeMs` is unix milliseconds. */
export function ratesInForce(schedule: PriceSchedule, promptTokens: number, acceptTimeMs: number): RatesPico {
  let rates = schedule.ratesPico;
  for (const override of schedule.overrides) {
    if (overrideApplies(override, promptTokens, acceptTimeMs)) rates = { ...rates, ...override.ratesPico };
  }
  return rates;
}

/** @throws PriceMissingError when a counted meter has neither a rate nor a fallback: a missing price is never zero. */
export function calculateCharge(schedule: PriceSchedule, meters: Meters, acceptTimeMs: number): Charge {
  const rates = ratesInForce(schedule, promptTokenCount(meters), acceptTimeMs);
  const lines: ChargeLine[] = [];
  let sumPico = 0n;
  for (const meter of METERS) {
    const count = meters[meter];
    if (!count) continue;
    const ratePico = rateOf(rates, meter);
    if (ratePico === undefined) {
      if (FREE_WHEN_ABSENT.has(meter)) continue;
      throw new PriceMissingError(schedule.revision, meter);
    }
    const amountPico = ratePico * BigInt(count);
    lines.push({ meter, count, ratePico, amountPico });
    sumPico += amountPico;
  }
  return { amountPico: applyDiscount(sumPico, schedule.discountMillionths), lines };
}

/** `sum × (1 − discount)`, rounded half-even to one pico: the only rounding a charge sees. */
export function applyDiscount(sumPico: PicoUsd, discountMillionths: number): PicoUsd {
  return discountMillionths === 0 ? sumPico : divideHalfEven(sumPico * BigInt(1_000_000 - discountMillionths), 1_000_000n);
}

/** The rate of a meter or of its first priced fallback; `undefined` when there is none. */
export function rateOf(rates: RatesPico, meter: Meter): bigint | undefined {
  const own = rates[meter];
  if (own !== undefined) return own;
  for (const fallback of RATE_FALLBACKS[meter]) {
    const rate = rates[fallback];
    if (rate !== undefined) return rate;
  }
  return undefined;
}

function overrideApplies(override: PriceOverride, promptTokens: number, acceptTimeMs: number): boolean {
  if (override.minPromptTokens !== undefined && promptTokens <= override.minPromptTokens) return false;
  const time = new Date(acceptTimeMs);
  if (override.utcDays.length > 0 && !override.utcDays.includes(time.getUTCDay())) return false;
  if (override.utcStart === undefined || override.utcEnd === undefined) return true;
  const now = time.getUTCHours() * 100 + time.getUTCMinutes();
  if (override.utcStart <= override.utcEnd) return now >= override.utcStart && now < override.utcEnd;
  return now >= override.utcStart || now < override.utcEnd;
}
