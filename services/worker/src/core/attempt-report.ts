import {
  attemptId,
  calculateCharge,
  completionTokenCount,
  PriceMissingError,
  priceScheduleFromRecord,
  type Charge,
  type Meter,
  type Meters,
  type PriceSchedule,
} from '@switchyard/core';
import type { ProviderStatement } from '@switchyard/dialects/provider';
import type { SwitchyardError } from '@switchyard/errors';
import type { worker } from '@switchyard/proto';
import { common, errorDetail, events } from '@switchyard/proto';

/** What an attempt came to. */
export interface AttemptResult {
  readonly outcome: events.AttemptOutcome;
  readonly error: SwitchyardError | undefined;
  /** HTTP status of the provider; 0 when it sent none. */
  readonly upstreamStatus: number;
  readonly upstreamId: string;
  /** Unix milliseconds. */
  readonly startTimeMs: number;
  readonly endTimeMs: number;
  /** From asking the provider to the first content; undefined for a whole answer. */
  readonly firstTokenMs: number | undefined;
  readonly meters: Meters | undefined;
  readonly usageSource: common.UsageSource;
  readonly finishReason: string;
  /** As the provider says that it served the request; empty where it does not. */
  readonly serviceTier: string;
  readonly statement: ProviderStatement | undefined;
}

/** The event that tells what the provider charges us for one attempt. */
export function attemptCompleted(start: worker.StartFrame, result: AttemptResult, eventId: string, reporterId: string): events.AttemptCompleted {
  const costSchedule = (result.serviceTier === 'default' ? start.defaultTierCostSchedule : undefined) ?? start.costSchedule;
  const schedule = costSchedule && scheduleOf(costSchedule);
  const { charge, flags } = costOf(schedule, result, Number(start.acceptTimeMs));
  return {
    eventId,
    attemptId: attemptId(start.generationId, start.attemptIndex),
    generationId: start.generationId,
    index: start.attemptIndex,
    acceptTimeMs: start.acceptTimeMs,
    startTimeMs: BigInt(result.startTimeMs),
    endTimeMs: BigInt(result.endTimeMs),
    accountId: start.accountId,
    endpointId: start.endpoint?.endpointId ?? '',
    providerSlug: start.endpoint?.providerSlug ?? '',
    modelPermaslug: start.endpoint?.modelPermaslug ?? '',
    credentialId: start.credentialId,
    isByok: start.credentialId !== '',
    outcome: result.outcome,
    error: result.error === undefined ? undefined : recordedError(errorDetail(result.error), result.upstreamStatus),
    upstreamStatus: result.upstreamStatus,
    upstreamId: result.upstreamId,
    firstTokenMs: result.firstTokenMs === undefined ? undefined : BigInt(Math.round(result.firstTokenMs)),
    outputTokens: BigInt(result.meters === undefined ? 0 : completionTokenCount(result.meters)),
    usage: result.meters === undefined ? undefined : { meters: countsOf(result.meters), source: result.usageSource },
    costRevision: schedule?.revision ?? '',
    unitCostsPico: unitCosts(charge),
    costPico: charge?.amountPico ?? 0n,
    costDiscountMillionths: charge === undefined ? 0 : (schedule?.discountMillionths ?? 0),
    reporter: events.AttemptReporter.WORKER,
    reporterId,
    traceparent: start.traceparent,
    flags,
  };
}

/** An ingress in the same process hands over the same record again and again. */
const schedules = new WeakMap<common.PriceSchedule, PriceSchedule>();

function scheduleOf(record: common.PriceSchedule): PriceSchedule {
  let schedule = schedules.get(record);
  if (!schedule) {
    schedule = priceScheduleFromRecord(record);
    schedules.set(record, schedule);
  }
  return schedule;
}

/** Refusals by geography say nothing of an endpoint, which statistics must be able to tell. */
const GEOGRAPHIC = /region|country|countries|location|territor|geograph/i;
const PLAIN_CODE = /^[\w.:-]{1,64}$/;

/** What a provider wrote may quote the prompt or a credential: the client is told it, and the books keep what has few possible values. */
function recordedError(detail: common.ErrorDetail, upstreamStatus: number): common.ErrorDetail {
  const isGeographic = upstreamStatus === 403 && GEOGRAPHIC.test(`${detail.providerCode} ${detail.message}`);
  return {
    ...detail,
    message: isGeographic ? 'The provider does not serve this region.' : '',
    metadataJson: '',
    providerCode: PLAIN_CODE.test(detail.providerCode) ? detail.providerCode : '',
  };
}

function unitCosts(charge: Charge | undefined): { [meter: string]: bigint } {
  const rates: { [meter: string]: bigint } = {};
  if (charge) for (const { meter, ratePico } of charge.lines) rates[meter] = ratePico;
  return rates;
}

/** Meters as the wire has them: whole numbers, zeros left out. */
export function countsOf(meters: Meters): { [meter: string]: number } {
  const counts: { [meter: string]: number } = {};
  for (const meter in meters) {
    const count = meters[meter as Meter]!;
    if (count > 0) counts[meter] = count;
  }
  return counts;
}

/** A cost that cannot be told is flagged, never silently zero. */
function costOf(schedule: PriceSchedule | undefined, result: AttemptResult, acceptTimeMs: number): { charge: Charge | undefined; flags: string[] } {
  const flags = result.usageSource === common.UsageSource.ESTIMATED && result.meters !== undefined ? ['usage_estimated'] : [];
  if (result.meters === undefined) return { charge: undefined, flags };
  if (schedule === undefined) return { charge: undefined, flags: [...flags, 'cost_unknown'] };
  try {
    return { charge: calculateCharge(schedule, result.meters, acceptTimeMs), flags };
  } catch (error) {
    if (!(error instanceof PriceMissingError)) throw error;
    return { charge: undefined, flags: [...flags, 'cost_unknown'] };
  }
}
