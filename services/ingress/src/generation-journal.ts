import { newEventId, type Clock, type RandomSource } from '@switchyard/core';
import {
  encodeAttemptCompleted,
  encodeGenerationCompleted,
  generationCompletedOf,
  type AcceptedRecord,
  type EventRecord,
  type Spool,
  type SpoolRecovery,
} from '@switchyard/events';
import type { PlanCandidate } from '@switchyard/routing';
import {
  abandonedAttemptEvent,
  acceptedGeneration,
  estimatedCost,
  gatewayFailedEvent,
  lostAttemptEvent,
  type AcceptedGeneration,
} from './core/abandoned-generation.js';
import { generationCompletedEvent } from './core/generation-event.js';
import { traceparentOf, type AttemptRecord, type Generation } from './core/generation.js';
import { metersOf, type Settlement } from './core/settlement.js';

/**
 * What the ingress writes down of a generation, in the order that makes a crash harmless: accepted before
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
    this.spool.append({ kind: 'accepted', generationId: generation.id, body: JSON.stringify(acceptedGeneration(generation, candidate)) });
    generation.isAccepted = true;
  }

  /** Resolves once a killed process would not lose it: only then may the answer end. */
  completed(generation: Generation, attempt: AttemptRecord, settlement: Settlement, reservedPico: bigint): Promise<void> {
    const ending = { endedAtMs: this.clock.monotonicMs(), reporter: this.source, reservedPico };
    const event = generationCompletedEvent(generation, attempt, settlement, ending);
    this.spool.append({ kind: 'completed', generationId: generation.id, event: encodeGenerationCompleted(event, this.source) });
    return this.spool.flushed();
  }

  /** The client has everything, or there is nobody left to deliver to. */
  delivered(generation: Generation): void {
    this.spool.append({ kind: 'delivered', generationId: generation.id });
  }

  /** The worker could not report this attempt, so we do; its own report, should it come, corrects ours. */
  attemptLost(generation: Generation, attempt: AttemptRecord): void {
    const { candidate } = attempt;
    const meters = metersOf(attempt, generation.request.bound);
    const event = lostAttemptEvent({
      eventId: newEventId(this.clock, this.random),
      generationId: generation.id,
      index: attempt.index,
      acceptTimeMs: generation.acceptTimeMs,
      accountId: generation.key.accountId,
      endpointId: candidate.endpoint.endpointId,
      providerSlug: candidate.endpoint.providerSlug,
      modelPermaslug: candidate.model.permaslug,
      traceparent: traceparentOf(generation),
      cost: estimatedCost(candidate, meters, generation.acceptTimeMs),
      reporter: this.source,
      upstreamStatus: attempt.upstreamStatus,
      upstreamId: attempt.upstreamId,
    });
    this.spool.append({ kind: 'attempt', attemptId: event.attemptId, event: encodeAttemptCompleted(event, this.source) });
  }
}

/** Who reports what a dead ingress could not. */
const RECOVERY_SOURCE = 'ingress/recovery';

/** How a spool that was left behind is finished. */
export const ingressSpoolRecovery: SpoolRecovery = {
  endAbandoned(record: AcceptedRecord): readonly EventRecord[] {
    const accepted = JSON.parse(record.body) as AcceptedGeneration;
    return [
      encodeGenerationCompleted(gatewayFailedEvent(accepted, RECOVERY_SOURCE), RECOVERY_SOURCE),
      encodeAttemptCompleted(abandonedAttemptEvent(accepted, RECOVERY_SOURCE), RECOVERY_SOURCE),
    ];
  },
  flagUnconfirmed(event: EventRecord): EventRecord {
    const generation = generationCompletedOf(event);
    const flagged = { ...generation, flags: [...generation.flags, 'delivery_unconfirmed'] };
    return { ...encodeGenerationCompleted(flagged, ''), headers: event.headers };
  },
};
