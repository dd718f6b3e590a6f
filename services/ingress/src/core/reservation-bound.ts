import type { Meter, PriceSchedule, RatesPico } from '@switchyard/core';

/** What bounds the cost of one request on any endpoint, read from the request once. */
export interface RequestBound {
  /** UTF-8 bytes of the body without inline media: every token covers at least one of them. */
  readonly textBytes: number;
  readonly imageCount: number;
  readonly hasTools: boolean;
  readonly usesCacheControl: boolean;
  readonly usesAudio: boolean;
}

/** Tokens an image may count as, at most, over the providers' published rules (tiles of a 2,048-pixel square at high detail). */
const MAX_TOKENS_PER_IMAGE = 6_000;
/** Instructions that providers add of their own when tools are given. */
const MAX_TOOL_PREAMBLE_TOKENS = 1_000;
/** Roles, separators and the start of the answer. */
const MAX_FRAME_TOKENS = 64;

/** Never less than what a provider can count as prompt. */
export function inputTokenBound(bound: RequestBound): number {
  return bound.textBytes + bound.imageCount * MAX_TOKENS_PER_IMAGE + (bound.hasTools ? MAX_TOOL_PREAMBLE_TOKENS : 0) + MAX_FRAME_TOKENS;
}

/** The dearest rates a request can meet on an endpoint, overrides included. */
export interface WorstRates {
  readonly inputPico: bigint;
  readonly cachedInputPico: bigint;
  readonly outputPico: bigint;
  readonly requestPico: bigint;
  readonly imagePico: bigint;
}

const worstRatesOfSchedule = new WeakMap<PriceSchedule, WorstRates>();

const INPUT: readonly Meter[] = ['input_uncached', 'input_audio', 'input_image_tokens'];
const CACHED_INPUT: readonly Meter[] = [...INPUT, 'cache_write_5m', 'cache_write_1h', 'cache_read'];
const OUTPUT: readonly Meter[] = ['output_text', 'reasoning', 'output_audio', 'output_image_tokens'];

export function worstRates(schedule: PriceSchedule): WorstRates {
  let worst = worstRatesOfSchedule.get(schedule);
  if (!worst) {
    const rates = [schedule.ratesPico, ...schedule.overrides.map((override) => override.ratesPico)];
    worst = {
      inputPico: dearest(rates, INPUT),
      cachedInputPico: dearest(rates, CACHED_INPUT),
      outputPico: dearest(rates, OUTPUT),
      requestPico: dearest(rates, ['request']),
      imagePico: dearest(rates, ['input_image']),
    };
    worstRatesOfSchedule.set(schedule, worst);
  }
  return worst;
}

/** Most that a request can cost with `inputTokens` of prompt and `outputTokens` of answer. */
export function maximumCharge(schedule: PriceSchedule, bound: RequestBound, inputTokens: number, outputTokens: number): bigint {
  return inputCharge(worstRates(schedule), bound, inputTokens) + worstRates(schedule).outputPico * BigInt(outputTokens);
}

/** Output tokens that `availablePico` pays for after the prompt; negative when the prompt alone costs more. */
export function affordableOutputTokens(schedule: PriceSchedule, bound: RequestBound, inputTokens: number, availablePico: bigint): number {
  const worst = worstRates(schedule);
  const leftPico = availablePico - inputCharge(worst, bound, inputTokens);
  if (leftPico < 0n) return -1;
  return worst.outputPico === 0n ? Number.MAX_SAFE_INTEGER : Number(leftPico / worst.outputPico);
}

function inputCharge(worst: WorstRates, bound: RequestBound, inputTokens: number): bigint {
  const ratePico = bound.usesCacheControl ? worst.cachedInputPico : worst.inputPico;
  return ratePico * BigInt(inputTokens) + worst.requestPico + worst.imagePico * BigInt(bound.imageCount);
}

function dearest(rates: readonly RatesPico[], meters: readonly Meter[]): bigint {
  let dearestPico = 0n;
  for (const table of rates) {
    for (const meter of meters) {
      const ratePico = table[meter];
      if (ratePico !== undefined && ratePico > dearestPico) dearestPico = ratePico;
    }
  }
  return dearestPico;
}
