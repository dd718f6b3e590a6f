import type { Meter, PriceSchedule, RatesPico } from '@switchyard/core';

/** What bounds the cost of one request on any endpoint, read from the request once. */
export interface RequestBound {
  /** UTF-8 bytes of the body without inline media, as every token covers at least one of them; and `mediaTokens`. */
  readonly textBytes: number;
  readonly imageCount: number;
  readonly hasTools: boolean;
  readonly usesCacheControl: boolean;
  /** Most that inline files, sound and video count as. Absent like 0: there are none. */
  readonly mediaTokens?: number;
  /** A file or a video is named by its address: nobody knows its size before the provider has fetched it. */
  readonly hasRemoteMedia?: boolean;
  readonly usesWebSearch?: boolean;
}

/** Tokens an image may count as, at most, over the providers' published rules (tiles of a 2,048-pixel square at high detail). */
const MAX_TOKENS_PER_IMAGE = 6_000;
/** Instructions that providers add of their own when tools are given. */
const MAX_TOOL_PREAMBLE_TOKENS = 1_000;
/** Roles, separators and the start of the answer. */
const MAX_FRAME_TOKENS = 64;
/** The same where text is not bounded by its bytes: models count alike, not the same. */
const COUNTED_FRAME_TOKENS = 512;

/** What a prompt with a file of unknown size counts as at most, where nobody says what the model's context holds: the largest on offer. */
const LARGEST_CONTEXT_TOKENS = 1_000_000;
/** Searches of one request, where they have a price. */
const MAX_WEB_SEARCHES = 10;

/** Never less than what a provider can count as prompt, of what can be seen here. */
export function inputTokenBound(bound: RequestBound): number {
  return bound.textBytes + bound.imageCount * MAX_TOKENS_PER_IMAGE + (bound.hasTools ? MAX_TOOL_PREAMBLE_TOKENS : 0) + MAX_FRAME_TOKENS;
}

/** The same on one endpoint: what cannot be seen here is bounded by the context of its model. */
export function endpointInputTokenBound(bound: RequestBound, contextLength: number | undefined): number {
  const visibleTokens = inputTokenBound(bound);
  return bound.hasRemoteMedia ? Math.max(visibleTokens, contextLength ?? LARGEST_CONTEXT_TOKENS) : visibleTokens;
}

/** What a prompt counts as at most whose text was counted: the counter leaves media out. */
export function countedTokenBound(bound: RequestBound, countedTokens: number): number {
  return countedTokens + (bound.mediaTokens ?? 0) + bound.imageCount * MAX_TOKENS_PER_IMAGE + COUNTED_FRAME_TOKENS;
}

/** The dearest rates a request can meet on an endpoint, overrides included. */
export interface WorstRates {
  readonly inputPico: bigint;
  readonly cachedInputPico: bigint;
  readonly outputPico: bigint;
  readonly requestPico: bigint;
  readonly imagePico: bigint;
  readonly webSearchPico: bigint;
}

const worstRatesOfSchedule = new WeakMap<PriceSchedule, WorstRates>();

const INPUT: readonly Meter[] = ['input_uncached', 'input_audio', 'input_image_tokens'];
const CACHED_INPUT: readonly Meter[] = [...INPUT, 'cache_write_5m', 'cache_write_1h', 'cache_read'];
const OUTPUT: readonly Meter[] = ['output_text', 'reasoning', 'output_audio', 'output_image_tokens'];

function worstRates(schedule: PriceSchedule): WorstRates {
  let worst = worstRatesOfSchedule.get(schedule);
  if (!worst) {
    const rates = [schedule.ratesPico, ...schedule.overrides.map((override) => override.ratesPico)];
    worst = {
      inputPico: dearest(rates, INPUT),
      cachedInputPico: dearest(rates, CACHED_INPUT),
      outputPico: dearest(rates, OUTPUT),
      requestPico: dearest(rates, ['request']),
      imagePico: dearest(rates, ['input_image']),
      webSearchPico: dearest(rates, ['web_search']),
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
  const chargePico = ratePico * BigInt(inputTokens) + worst.requestPico + worst.imagePico * BigInt(bound.imageCount);
  return bound.usesWebSearch ? chargePico + worst.webSearchPico * BigInt(MAX_WEB_SEARCHES) : chargePico;
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
