import {
  calculateCharge,
  completionTokenCount,
  estimateTokens,
  PriceMissingError,
  ratesInForce,
  type Charge,
  type Meter,
  type Meters,
  type PriceSchedule,
} from '@switchyard/core';
import { common, events } from '@switchyard/proto';
import type { AttemptRecord, Generation } from './generation.js';
import type { RequestBound } from './reservation-bound.js';

/** What a generation ends as and costs: decided once, here, for every way it can end. */
export interface Settlement {
  readonly end: events.GenerationEnd;
  readonly meters: Meters;
  readonly usageSource: common.UsageSource;
  readonly charge: Charge;
  readonly flags: readonly string[];
}

const NO_CHARGE: Charge = { amountPico: 0n, lines: [] };

/** `attempt`: the generation's last, whose answer the client got. What was not answered, or not even begun when its client left, costs nothing. */
export function settleGeneration(generation: Generation, attempt: AttemptRecord): Settlement {
  const flags: string[] = [];
  const end = endOf(attempt);
  const { bound } = generation.request;
  const isEstimated = attempt.meters === undefined || !attempt.isReported || attempt.usageSource === common.UsageSource.ESTIMATED;
  const meters = withUnits(metersOf(attempt, bound), attempt.candidate.chargeSchedule, bound);
  const isCharged =
    (end === events.GenerationEnd.COMPLETED && !isZeroCompletion(generation, attempt, meters)) ||
    (end === events.GenerationEnd.CLIENT_ABORTED && reachedUpstream(attempt));
  if (!isCharged) return { end, meters: attempt.meters ?? {}, usageSource: attempt.usageSource, charge: NO_CHARGE, flags };
  if (isEstimated) flags.push('usage_estimated');
  const charge = chargeOf(generation, attempt, meters, flags);
  return { end, meters, usageSource: isEstimated ? common.UsageSource.ESTIMATED : common.UsageSource.PROVIDER, charge, flags };
}

function endOf(attempt: AttemptRecord): events.GenerationEnd {
  if (isAnswered(attempt)) return events.GenerationEnd.COMPLETED;
  return attempt.end === 'client_gone' ? events.GenerationEnd.CLIENT_ABORTED : events.GenerationEnd.UPSTREAM_FAILED;
}

/**
 * The client has, or is about to have, the whole answer. A stream whose finish reason was forwarded is whole even if the
 * worker went away before its report; of a whole answer nobody knows how much was still to come.
 */
export function isAnswered(attempt: AttemptRecord): boolean {
  return attempt.end === 'completed' || (attempt.end === 'session_lost' && attempt.isCommitted && attempt.finishReason !== '');
}

/** No token came and no reason was given, or the reason is an error: the customer owes nothing. */
function isZeroCompletion(generation: Generation, attempt: AttemptRecord, meters: Meters): boolean {
  if (attempt.finishReason === 'error') return true;
  return generation.request.apiType !== 'embeddings' && attempt.finishReason === '' && completionTokenCount(meters) === 0;
}

/** A provider that refused at the moment at which the client left did nothing that it would be paid for. */
function reachedUpstream({ upstreamStatus, outputBytes }: AttemptRecord): boolean {
  return outputBytes > 0 || (upstreamStatus >= 200 && upstreamStatus < 300);
}

/** Units that no provider reports because they are plain to see, where they have a price: the request itself, and its images. */
function withUnits(meters: Meters, schedule: PriceSchedule, bound: RequestBound): Meters {
  const hasRequestPrice = isPriced(schedule, 'request');
  const hasImagePrice = bound.imageCount > 0 && isPriced(schedule, 'input_image');
  if (!hasRequestPrice && !hasImagePrice) return meters;
  return { ...meters, ...(hasRequestPrice ? { request: 1 } : {}), ...(hasImagePrice ? { input_image: bound.imageCount } : {}) };
}

function isPriced(schedule: PriceSchedule, meter: Meter): boolean {
  return schedule.ratesPico[meter] !== undefined || schedule.overrides.some(({ ratesPico }) => ratesPico[meter] !== undefined);
}

/** A missing price is never zero: what has a price is charged, and people are told of the rest. */
function chargeOf(generation: Generation, attempt: AttemptRecord, meters: Meters, flags: string[]): Charge {
  const schedule = attempt.candidate.chargeSchedule;
  try {
    return calculateCharge(schedule, meters, generation.acceptTimeMs);
  } catch (error) {
    if (!(error instanceof PriceMissingError)) throw error;
    flags.push('price_missing');
    const priced: Meters = { ...meters };
    delete priced[error.meter];
    const rates = ratesInForce(schedule, 0, generation.acceptTimeMs);
    return Object.keys(rates).length === 0 ? NO_CHARGE : chargeOf(generation, attempt, priced, flags);
  }
}

/** What an attempt used. Where the worker had not said its last word, what came afterwards is missing from the provider's figures. */
export function metersOf(attempt: AttemptRecord, bound: RequestBound): Meters {
  const { meters, outputBytes } = attempt;
  if (meters && attempt.isReported) return meters;
  const estimate = estimateMeters(bound, outputBytes);
  if (!meters) return estimate;
  const missingTokens = Math.max(0, completionTokenCount(estimate) - completionTokenCount(meters));
  return { ...meters, output_text: (meters.output_text ?? 0) + missingTokens };
}

/** Prompt and output by size, for an attempt whose provider reported nothing. */
export function estimateMeters(bound: RequestBound, outputBytes: number): Meters {
  return { input_uncached: estimateTokens(bound.textBytes), output_text: estimateTokens(outputBytes) };
}
