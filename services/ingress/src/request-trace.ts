import type { IncomingMessage } from 'node:http';
import type { Clock } from '@switchyard/core';
import {
  formatTraceparent,
  parseTraceparent,
  parseTracestate,
  type CallTrace,
  type CallWaiter,
  type LogFields,
  type TraceContext,
  type Tracer,
} from '@switchyard/telemetry';
import type { Generation } from './core/generation.js';
import type { Settlement } from './core/settlement.js';
import type { PlanCandidate, RoutingPlan } from '@switchyard/routing';
import type { AttemptReservation } from './wallet/attempt-reserver.js';

/** Why a trace is recorded that the sampler had passed over. */
export type KeptFor = 'error' | 'slow' | 'fallback';

/** How asking for an attempt's money ended. */
export type ReserveOutcome = 'reserved' | 'unaffordable' | 'free_quota' | 'unavailable';

export interface ReserveNote {
  readonly candidate: PlanCandidate;
  readonly attemptIndex: number;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly outcome: ReserveOutcome;
  /** Undefined unless there was one. */
  readonly reservation: AttemptReservation | undefined;
}

/** A call to another service that the request began to wait for. */
export interface CallWait {
  readonly call: CallTrace;
  readonly sinceMs: number;
}

/**
 * What a request notes of itself on its way, times and references alone: spans are made of them at its end, if at all. All times are of the
 * monotonic clock.
 */
export class RequestTrace implements CallWaiter {
  readonly receivedAtMs: number;
  authenticatedAtMs: number | undefined;
  /** `push`: what brought the table that it was made with. */
  decision: { readonly startedAtMs: number; readonly endedAtMs: number; readonly plan: RoutingPlan; readonly push: CallTrace | undefined } | undefined;
  readonly reserves: ReserveNote[] = [];
  /** Undefined for most requests, which wait for nobody. */
  waits: CallWait[] | undefined;
  /** Of `gateway.request`, the parent of all that happens for the request; undefined while nothing is recorded. */
  context: TraceContext | undefined;
  keptFor: KeptFor | undefined;
  generation: Generation | undefined;
  settlement: Settlement | undefined;
  /** Of the error that the client was told. */
  errorType: string | undefined;
  /** That error stands for a status of 5xx, whatever the client had been told before. */
  isOurError = false;

  constructor(
    readonly tracer: Tracer,
    readonly clock: Clock,
    /** The client's own, to be continued. */
    readonly parent: TraceContext | undefined,
    /** What the client sent with it, to be passed on. */
    readonly tracestate: string,
    /** The client's, which the trace is only linked to. */
    readonly link: TraceContext | undefined,
    readonly route: string,
  ) {
    this.receivedAtMs = clock.monotonicMs();
    const traceId = tracer.sample(parent);
    if (traceId !== undefined) this.context = tracer.newContext(traceId, tracestate);
  }

  /** What goes on to workers, providers and events; empty when there is nothing to go on. */
  get traceparent(): string {
    if (this.context) return formatTraceparent(this.context);
    // Somebody else's trace goes on unrecorded.
    return this.parent ? formatTraceparent({ ...this.parent, isSampled: false }) : '';
  }

  /** Records the request after all. From here on whoever it still reaches records it, too. */
  keep(reason: KeptFor): void {
    if (this.context) return;
    this.keptFor = reason;
    this.context = this.tracer.newContext(this.parent?.traceId ?? this.tracer.newTraceId(), this.tracestate);
  }

  /** The books are made: from here the event of its end carries what `keep` decided. */
  settled(settlement: Settlement, keep: KeptFor | undefined): void {
    this.settlement = settlement;
    if (keep) this.keep(keep);
  }

  /** The client is told an error; with a status of 5xx it is recorded. */
  refused(errorType: string, status: number): void {
    this.errorType = errorType;
    this.isOurError = status >= 500;
    if (this.isOurError && this.tracer.config.keep.includes('errors')) this.keep('error');
  }

  authenticated(): void {
    this.authenticatedAtMs = this.clock.monotonicMs();
  }

  decided(startedAtMs: number, plan: RoutingPlan, push: CallTrace | undefined): void {
    this.decision = { startedAtMs, endedAtMs: this.clock.monotonicMs(), plan, push };
  }

  reserved(candidate: PlanCandidate, attemptIndex: number, startedAtMs: number, outcome: ReserveOutcome, reservation?: AttemptReservation): void {
    this.reserves.push({ candidate, attemptIndex, startedAtMs, endedAtMs: this.clock.monotonicMs(), outcome, reservation });
  }

  waitsFor(call: CallTrace): void {
    (this.waits ??= []).push({ call, sinceMs: this.clock.monotonicMs() });
  }
}

/** Undefined where nothing is traced. */
export function beginRequestTrace(tracer: Tracer | undefined, clock: Clock, request: IncomingMessage, route: string): RequestTrace | undefined {
  if (!tracer) return undefined;
  const { incoming } = tracer.config;
  const context = incoming === 'ignore' ? undefined : clientContext(request.headers['traceparent']);
  const isContinued = incoming === 'continue';
  const tracestate = isContinued && context ? parseTracestate(singleOf(request.headers['tracestate'])) : '';
  return new RequestTrace(tracer, clock, isContinued ? context : undefined, tracestate, isContinued ? undefined : context, route);
}

/** What ties a line of the log to the request. */
export function logFieldsOf(trace: RequestTrace | undefined): LogFields {
  if (!trace) return {};
  const { context, generation } = trace;
  return {
    generationId: generation?.id,
    requestId: generation?.request.attribution.requestId || undefined,
    traceId: context?.traceId,
    spanId: context?.spanId,
  };
}

/** The client's trace context, written anew: whatever else it sent under that name goes nowhere. */
export function clientTraceparent(header: string | string[] | undefined): string {
  const context = clientContext(header);
  return context ? formatTraceparent(context) : '';
}

function clientContext(header: string | string[] | undefined): TraceContext | undefined {
  return parseTraceparent(singleOf(header));
}

function singleOf(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : undefined;
}
