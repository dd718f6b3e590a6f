import { larger } from '@switchyard/core';
import { events } from '@switchyard/proto';
import { servedTier, traceparentOf, tracestateOf, type AttemptRecord, type Generation } from './generation.js';
import type { Settlement } from './settlement.js';

/** What its last attempt does not tell of a generation's end. */
export interface GenerationEnding {
  /** Monotonic milliseconds. */
  readonly endedAtMs: number;
  /** Who writes the event, for example `ingress/<instance>`. */
  readonly reporter: string;
  /** What the last attempt had reserved. */
  readonly reservedPico: bigint;
}

/** The terminal event: everything that billing posts and that a record of the generation shows. */
export function generationCompletedEvent(
  generation: Generation,
  attempt: AttemptRecord,
  settlement: Settlement,
  { endedAtMs, reporter, reservedPico }: GenerationEnding,
): events.GenerationCompleted {
  const { request, key } = generation;
  const { candidate } = attempt;
  const unitPrices: Record<string, bigint> = {};
  const chargeLines: Record<string, bigint> = {};
  for (const line of settlement.charge.lines) {
    unitPrices[line.meter] = line.ratePico;
    chargeLines[line.meter] = line.amountPico;
  }
  const { amountPico } = settlement.charge;
  const generationTimeMs = Math.round(endedAtMs - generation.startedAtMs);
  const isFailed = settlement.end === events.GenerationEnd.UPSTREAM_FAILED || settlement.end === events.GenerationEnd.GATEWAY_FAILED;
  return {
    eventId: generation.eventId,
    generationId: generation.id,
    acceptTimeMs: BigInt(generation.acceptTimeMs),
    endTimeMs: BigInt(generation.acceptTimeMs + generationTimeMs),
    end: settlement.end,
    accountId: key.accountId,
    workspaceId: key.workspaceId,
    keyHash: key.hash,
    leases: generation.leaseUses,
    apiType: request.apiType,
    modelRequested: request.routing.model ?? request.routing.models?.[0] ?? '',
    model: candidate.publicModel,
    modelPermaslug: candidate.model.permaslug,
    endpointId: candidate.endpoint.endpointId,
    providerSlug: candidate.endpoint.providerSlug,
    providerName: candidate.endpoint.providerName,
    variant: candidate.endpoint.variant,
    streamed: request.stream,
    upstreamId: attempt.upstreamId,
    usage: { meters: settlement.meters as Record<string, number>, source: settlement.usageSource },
    priceRevision: candidate.chargeSchedule.revision,
    unitPricesPico: unitPrices,
    discountMillionths: candidate.chargeSchedule.discountMillionths,
    chargePico: amountPico,
    chargeLinesPico: chargeLines,
    underestimatedPico: larger(0n, amountPico - reservedPico),
    finishReason: attempt.finishReason,
    nativeFinishReason: attempt.nativeFinishReason,
    errorType: isFailed ? (attempt.error?.errorType ?? 'provider_unavailable') : '',
    firstTokenMs: attempt.firstContentMs === undefined ? undefined : milliseconds(attempt.firstContentMs),
    generationTimeMs: BigInt(generationTimeMs),
    attempts: generation.attempts.map(attemptSummary),
    flags: [...generation.flags, ...settlement.flags],
    user: request.attribution.user,
    sessionId: request.attribution.sessionId,
    metadata: request.attribution.metadata as Record<string, string>,
    traceJson: request.attribution.traceJson,
    httpReferer: request.attribution.httpReferer,
    appTitle: request.attribution.appTitle,
    appCategories: request.attribution.appCategories as string[],
    userAgent: request.attribution.userAgent,
    requestId: request.attribution.requestId,
    traceparent: traceparentOf(generation),
    reporter,
    isFree: candidate.endpoint.variant === 'free',
    costCentre: key.costCentre,
    reservedPico,
    tracestate: tracestateOf(generation),
    serviceTier: servedTier(attempt),
  };
}

function attemptSummary(attempt: AttemptRecord): events.AttemptSummary {
  return {
    index: attempt.index,
    endpointId: attempt.candidate.endpoint.endpointId,
    providerSlug: attempt.candidate.endpoint.providerSlug,
    providerName: attempt.candidate.endpoint.providerName,
    modelPermaslug: attempt.candidate.model.permaslug,
    status: attempt.upstreamStatus,
    errorType: attempt.error?.errorType ?? '',
    latencyMs: milliseconds(attempt.durationMs),
    upstreamId: attempt.upstreamId,
  };
}

function milliseconds(value: number): bigint {
  return BigInt(Math.round(value));
}
