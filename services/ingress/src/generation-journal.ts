import { calculateCharge, newEventId, PriceMissingError, attemptId, type Clock, type RandomSource, type Meters } from '@switchyard/core';
import {
  decodeGenerationCompleted,
  encodeAttemptCompleted,
  encodeGenerationCompleted,
  type AcceptedRecord,
  type EventRecord,
  type Spool,
  type SpoolRecovery,
} from '@switchyard/events';
import { common, events } from '@switchyard/proto';
import type { PlanCandidate } from '@switchyard/routing';
import { generationCompletedEvent } from './core/generation-event.js';
import type { AttemptRecord, Generation } from './core/generation.js';
import { estimateMeters, type Settlement } from './core/settlement.js';

/**
 * What the ingress writes down of a generation, in the order that makes a crash harmless (semantics §2): accepted before
 * the first dispatch, its one end before the last bytes leave, a mark when they arrived.
 */
export class GenerationJournal {
  constructor(
    private readonly spool: Spool,
    private readonly clock: Clock,
    private readonly random: RandomSource,
    private readonly source: string,
  ) {}

  /** @throws SwitchyardError `gateway_unavailable` when the spool is full or cannot be written. */
  accepted(generation: Generation, candidate: PlanCandidate): void {
    if (generation.isAccepted) return;
    generation.isAccepted = true;
    const abandoned = abandonedEvents(generation, candidate, {
      generationEventId: generation.eventId,
      attemptEventId: newEventId(this.clock, this.random),
      reporter: this.source,
    });
    this.spool.append({ kind: 'accepted', generationId: generation.id, body: JSON.stringify(abandoned) });
  }

  /** Resolves once a killed process would not lose it: only then may the answer end. */
  completed(generation: Generation, attempt: AttemptRecord, settlement: Settlement, reservedPico: bigint): Promise<void> {
    const event = generationCompletedEvent(generation, attempt, settlement, {
      eventId: generation.eventId,
      endTimeMs: generation.acceptTimeMs + Math.round(this.clock.monotonicMs() - generation.startedAtMs),
      endedAtMs: this.clock.monotonicMs(),
      reporter: this.source,
      reservedPico,
    });
    this.spool.append({ kind: 'completed', generationId: generation.id, event: encodeGenerationCompleted(event, this.source) });
    return this.spool.flushed();
  }

  /** The client has everything, or there is nobody left to deliver to. */
  delivered(generation: Generation): void {
    this.spool.append({ kind: 'delivered', generationId: generation.id });
  }

  /** The worker could not report this attempt, so we do; its own report, should it come, corrects ours. */
  attemptLost(generation: Generation, attempt: AttemptRecord): void {
    const meters = attempt.meters ?? estimateMeters(generation.request.bound, attempt.outputBytes);
    const event = lostAttemptEvent(generation, attempt.candidate, attempt.index, meters, {
      eventId: newEventId(this.clock, this.random),
      reporter: this.source,
    });
    this.spool.append({
      kind: 'attempt',
      attemptId: event.attemptId,
      event: encodeAttemptCompleted({ ...event, upstreamStatus: attempt.upstreamStatus, upstreamId: attempt.upstreamId }, this.source),
    });
  }
}

/** Both events that stand for a generation whose ingress died, rendered when it was accepted. */
interface AbandonedEvents {
  readonly generation: EventRecord;
  readonly attempt: EventRecord;
}

/** How a spool that was left behind is finished. */
export const ingressSpoolRecovery: SpoolRecovery = {
  endAbandoned(accepted: AcceptedRecord): readonly EventRecord[] {
    const { generation, attempt } = JSON.parse(accepted.body) as AbandonedEvents;
    return [generation, attempt];
  },
  flagUnconfirmed(event: EventRecord): EventRecord {
    const generation = decodeGenerationCompleted(event.value);
    const flagged = { ...generation, flags: [...generation.flags, 'delivery_unconfirmed'] };
    return { ...event, value: JSON.stringify(events.GenerationCompleted.toJSON(flagged)) };
  },
};

interface AbandonedIds {
  readonly generationEventId: string;
  readonly attemptEventId: string;
  readonly reporter: string;
}

function abandonedEvents(generation: Generation, candidate: PlanCandidate, ids: AbandonedIds): AbandonedEvents {
  const attempt: AttemptRecord = {
    index: 0,
    candidate,
    startTimeMs: generation.acceptTimeMs,
    durationMs: 0,
    firstContentMs: undefined,
    end: 'session_lost',
    error: { errorType: 'server', message: '', metadataJson: '', retryAfterMs: undefined, providerCode: '', upstreamStatus: 0 },
    upstreamStatus: 0,
    upstreamId: '',
    meters: undefined,
    usageSource: common.UsageSource.UNSPECIFIED,
    finishReason: '',
    nativeFinishReason: '',
    outputBytes: 0,
    warnings: [],
    isCommitted: false,
  };
  const settlement: Settlement = {
    end: events.GenerationEnd.GATEWAY_FAILED,
    meters: {},
    usageSource: common.UsageSource.UNSPECIFIED,
    charge: { amountPico: 0n, lines: [] },
    flags: [],
  };
  const completed = generationCompletedEvent(generation, attempt, settlement, {
    eventId: ids.generationEventId,
    endTimeMs: generation.acceptTimeMs,
    endedAtMs: generation.startedAtMs,
    reporter: ids.reporter,
    reservedPico: 0n,
  });
  const cost = lostAttemptEvent(generation, candidate, 0, estimateMeters(generation.request.bound, 0), { eventId: ids.attemptEventId, reporter: ids.reporter });
  return { generation: encodeGenerationCompleted(completed, ids.reporter), attempt: encodeAttemptCompleted(cost, ids.reporter) };
}

function lostAttemptEvent(
  generation: Generation,
  candidate: PlanCandidate,
  index: number,
  meters: Meters,
  ids: { eventId: string; reporter: string },
): events.AttemptCompleted {
  const cost = costOf(candidate, meters, generation.acceptTimeMs);
  return {
    eventId: ids.eventId,
    attemptId: attemptId(generation.id, index),
    generationId: generation.id,
    index,
    acceptTimeMs: BigInt(generation.acceptTimeMs),
    startTimeMs: BigInt(generation.acceptTimeMs),
    endTimeMs: BigInt(generation.acceptTimeMs),
    accountId: generation.key.accountId,
    endpointId: candidate.endpoint.endpointId,
    providerSlug: candidate.endpoint.providerSlug,
    modelPermaslug: candidate.model.permaslug,
    credentialId: '',
    isByok: false,
    outcome: events.AttemptOutcome.SESSION_LOST,
    error: undefined,
    upstreamStatus: 0,
    upstreamId: '',
    firstTokenMs: undefined,
    outputTokens: BigInt(meters.output_text ?? 0),
    usage: { meters: meters as Record<string, number>, source: common.UsageSource.ESTIMATED },
    costRevision: candidate.costSchedule.revision,
    unitCostsPico: cost.unitCosts,
    costPico: cost.amountPico,
    costDiscountMillionths: candidate.costSchedule.discountMillionths,
    reporter: events.AttemptReporter.INGRESS,
    reporterId: ids.reporter,
    traceparent: generation.request.traceparent,
    flags: ['usage_estimated'],
  };
}

/** An estimate of something unpriced is zero and flagged by its missing unit costs; the worker's report corrects it. */
function costOf(candidate: PlanCandidate, meters: Meters, acceptTimeMs: number): { amountPico: bigint; unitCosts: Record<string, bigint> } {
  try {
    const charge = calculateCharge(candidate.costSchedule, meters, acceptTimeMs);
    return { amountPico: charge.amountPico, unitCosts: Object.fromEntries(charge.lines.map((line) => [line.meter, line.ratePico])) };
  } catch (error) {
    if (error instanceof PriceMissingError) return { amountPico: 0n, unitCosts: {} };
    throw error;
  }
}
