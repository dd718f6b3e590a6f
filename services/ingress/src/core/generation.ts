import type { Meters } from '@switchyard/core';
import type { PlanCandidate } from '@switchyard/routing';
import type { billing, common, events } from '@switchyard/proto';
import type { CallTrace } from '@switchyard/telemetry';
import type { Reservation } from '../wallet/reservation.js';
import type { RequestTrace } from '../request-trace.js';
import type { GenerationRequest } from './generation-request.js';

/** One client request from acceptance to its one end. */
export interface Generation {
  readonly id: string;
  /** Id of the event that will end it, whoever writes it. */
  readonly eventId: string;
  /** Unix milliseconds on billing's clock. */
  readonly acceptTimeMs: number;
  /** Monotonic milliseconds at acceptance. */
  readonly startedAtMs: number;
  readonly key: billing.Key;
  readonly request: GenerationRequest;
  /** Undefined where nothing is traced. */
  readonly trace: RequestTrace | undefined;
  readonly attempts: AttemptRecord[];
  /** Leases used so far: a request's own quota, then what its last attempt spent. */
  readonly leaseUses: events.LeaseUse[];
  readonly flags: Set<string>;
  /** What was decided otherwise than the client may think, told with the answer. */
  warnings: readonly string[];
  /** Its own share of rate limits, until it is settled. */
  quota: Reservation | undefined;
  /** Its share of the quotas of free models, from the first of them that was to be tried. */
  freeQuota: Reservation | undefined;
  /** The accepted record is in the spool. */
  isAccepted: boolean;
}

/** The trace context that goes on to workers and events: of what is recorded here, else the client's own. */
export function traceparentOf({ trace, request }: Pick<Generation, 'trace' | 'request'>): string {
  return trace ? trace.traceparent : request.traceparent;
}

/** What came with the trace that is continued, for the spans made of its events; empty unless it is recorded, so that no other event carries it. */
export function tracestateOf({ trace }: Pick<Generation, 'trace'>): string {
  return trace?.context?.tracestate ?? '';
}

/** How one attempt ended, as the ingress saw it. */
export interface AttemptRecord {
  readonly index: number;
  readonly candidate: PlanCandidate;
  /** Unix milliseconds on billing's clock. */
  readonly startTimeMs: number;
  /** Milliseconds, on the monotonic clock. */
  readonly durationMs: number;
  /** From the generation's acceptance to the attempt's first content; undefined where none came. */
  readonly firstContentMs: number | undefined;
  readonly end: AttemptEndKind;
  readonly error: common.ErrorDetail | undefined;
  /** HTTP status of the provider; 0 when it sent none. */
  readonly upstreamStatus: number;
  readonly upstreamId: string;
  readonly meters: Meters | undefined;
  readonly usageSource: common.UsageSource;
  readonly finishReason: string;
  readonly nativeFinishReason: string;
  /** UTF-8 bytes of model output, for estimates. */
  readonly outputBytes: number;
  readonly warnings: readonly string[];
  /** The tier that served it, as the provider names it; empty: it did not say. */
  readonly serviceTier: string;
  /** Content reached the client: nothing may be tried after it. */
  readonly isCommitted: boolean;
  /** The worker knew how it ended and reports what it cost; otherwise the ingress does. */
  readonly isReported: boolean;
  /** The opening of the session that it travelled over. */
  readonly session?: CallTrace | undefined;
}

/** The tier that served an attempt. Not every provider repeats the one that it was asked for, which is charged; empty where nobody names any. */
export function servedTier({ serviceTier, candidate: { endpoint } }: AttemptRecord): string {
  return serviceTier || (endpoint.serviceTier === 'default' ? '' : endpoint.serviceTier);
}

/**
 * `completed`: the upstream said it is done. `session_lost`: the worker went away, or stopped, in mid-attempt. `timed_out`: our own
 * guard ended it. `client_gone`: the client left a stream, or stopped
 * reading it until its time was over.
 */
export type AttemptEndKind = 'completed' | 'failed' | 'session_lost' | 'timed_out' | 'client_gone';
