import { attemptId, calculateCharge, companionEventId, PriceMissingError, type Meters } from '@switchyard/core';
import { common, events } from '@switchyard/proto';
import type { PlanCandidate } from '@switchyard/routing';
import { traceparentOf, tracestateOf, type Generation } from './generation.js';
import { estimateMeters } from './settlement.js';

/**
 * What the spool keeps of an accepted generation: enough to end it when its ingress dies, and little, for every request
 * writes one. The ids make a repeated recovery the same recovery.
 */
export interface AcceptedGeneration {
  readonly generationId: string;
  readonly eventId: string;
  readonly acceptTimeMs: number;
  readonly accountId: string;
  readonly workspaceId: string;
  readonly keyHash: string;
  readonly apiType: string;
  readonly streamed: boolean;
  readonly modelRequested: string;
  readonly model: string;
  readonly modelPermaslug: string;
  readonly endpointId: string;
  readonly providerSlug: string;
  readonly providerName: string;
  readonly user: string;
  readonly sessionId: string;
  readonly traceparent: string;
  /** Undefined, which JSON leaves out, for nearly all. */
  readonly tracestate?: string | undefined;
  /** What the first attempt's prompt probably cost us. */
  readonly cost: EstimatedCost;
}

/** Amounts are decimal strings: the record is JSON. */
export interface EstimatedCost {
  readonly revision: string;
  readonly discountMillionths: number;
  readonly amountPico: string;
  readonly meters: Meters;
  readonly unitCostsPico: Readonly<Record<string, string>>;
}

export function acceptedGeneration(generation: Generation, candidate: PlanCandidate): AcceptedGeneration {
  const { request, key } = generation;
  return {
    generationId: generation.id,
    eventId: generation.eventId,
    acceptTimeMs: generation.acceptTimeMs,
    accountId: key.accountId,
    workspaceId: key.workspaceId,
    keyHash: key.hash,
    apiType: request.apiType,
    streamed: request.stream,
    modelRequested: request.routing.model ?? request.routing.models?.[0] ?? '',
    model: candidate.publicModel,
    modelPermaslug: candidate.model.permaslug,
    endpointId: candidate.endpoint.endpointId,
    providerSlug: candidate.endpoint.providerSlug,
    providerName: candidate.endpoint.providerName,
    user: request.attribution.user,
    sessionId: request.attribution.sessionId,
    traceparent: traceparentOf(generation),
    tracestate: tracestateOf(generation) || undefined,
    cost: estimatedCost(candidate, estimateMeters(request.bound, 0), generation.acceptTimeMs),
  };
}

/** The end of a generation whose ingress died before it could write one: nothing is charged. */
export function gatewayFailedEvent(accepted: AcceptedGeneration, reporter: string): events.GenerationCompleted {
  const { cost: _cost, acceptTimeMs, tracestate = '', ...facts } = accepted;
  return events.GenerationCompleted.fromPartial({
    ...facts,
    tracestate,
    acceptTimeMs: BigInt(acceptTimeMs),
    endTimeMs: BigInt(acceptTimeMs),
    end: events.GenerationEnd.GATEWAY_FAILED,
    errorType: 'server',
    reporter,
  });
}

/** Its first attempt, estimated: a worker's own report corrects it. */
export function abandonedAttemptEvent(accepted: AcceptedGeneration, reporter: string): events.AttemptCompleted {
  const { generationId, cost, accountId, endpointId, providerSlug, modelPermaslug, traceparent } = accepted;
  return lostAttemptEvent({
    eventId: companionEventId(accepted.eventId),
    generationId,
    index: 0,
    acceptTimeMs: accepted.acceptTimeMs,
    accountId,
    endpointId,
    providerSlug,
    modelPermaslug,
    traceparent,
    cost,
    reporter,
  });
}

export interface LostAttempt {
  readonly eventId: string;
  readonly generationId: string;
  readonly index: number;
  readonly acceptTimeMs: number;
  readonly accountId: string;
  readonly endpointId: string;
  readonly providerSlug: string;
  readonly modelPermaslug: string;
  readonly traceparent: string;
  readonly cost: EstimatedCost;
  readonly reporter: string;
  readonly upstreamStatus?: number;
  readonly upstreamId?: string;
}

/** An attempt whose worker could not report it. */
export function lostAttemptEvent(lost: LostAttempt): events.AttemptCompleted {
  const { cost, reporter, acceptTimeMs, ...facts } = lost;
  return events.AttemptCompleted.fromPartial({
    ...facts,
    attemptId: attemptId(lost.generationId, lost.index),
    acceptTimeMs: BigInt(acceptTimeMs),
    startTimeMs: BigInt(acceptTimeMs),
    endTimeMs: BigInt(acceptTimeMs),
    outcome: events.AttemptOutcome.SESSION_LOST,
    outputTokens: BigInt(cost.meters.output_text ?? 0),
    usage: { meters: cost.meters as Record<string, number>, source: common.UsageSource.ESTIMATED },
    costRevision: cost.revision,
    unitCostsPico: Object.fromEntries(Object.entries(cost.unitCostsPico).map(([meter, ratePico]) => [meter, BigInt(ratePico)])),
    costPico: BigInt(cost.amountPico),
    costDiscountMillionths: cost.discountMillionths,
    reporter: events.AttemptReporter.INGRESS,
    reporterId: reporter,
    flags: ['usage_estimated'],
  });
}

/** An estimate of something unpriced is zero, without unit costs. */
export function estimatedCost(candidate: PlanCandidate, meters: Meters, acceptTimeMs: number): EstimatedCost {
  const { revision, discountMillionths } = candidate.costSchedule;
  try {
    const charge = calculateCharge(candidate.costSchedule, meters, acceptTimeMs);
    const unitCostsPico: Record<string, string> = {};
    for (const line of charge.lines) unitCostsPico[line.meter] = line.ratePico.toString();
    return { revision, discountMillionths, amountPico: charge.amountPico.toString(), meters, unitCostsPico };
  } catch (error) {
    if (error instanceof PriceMissingError) return { revision, discountMillionths, amountPico: '0', meters, unitCostsPico: {} };
    throw error;
  }
}
