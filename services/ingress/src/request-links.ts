import type { TraceContext } from '@switchyard/telemetry';
import type { RequestTrace, ReserveNote } from './request-trace.js';

/** A part of the request, in monotonic times. */
interface Step {
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

/** What the key's check waited for. */
export function authLinks(trace: RequestTrace, endedAtMs: number): TraceContext[] {
  return unique(waitedForIn(trace, authStep(trace, endedAtMs)));
}

/** What brought the table that the decision was made with. */
export function decisionLinks({ decision }: RequestTrace): TraceContext[] {
  return decision?.push ? [decision.push.link()] : [];
}

/** What brought the leases that the attempt's money is from, and what had to be waited for, also in vain. */
export function reserveLinks(trace: RequestTrace, note: ReserveNote): TraceContext[] {
  const parts = note.reservation?.reservation.parts ?? [];
  return unique([...parts.flatMap(({ lease }) => lease.grantedBy?.link() ?? []), ...waitedForIn(trace, note)]);
}

/** The sessions that the attempts travelled over, and what was waited for between those steps: rate limits. */
export function gatewayLinks(trace: RequestTrace, endedAtMs: number): TraceContext[] {
  const sessions = (trace.generation?.attempts ?? []).flatMap(({ session }) => session?.link() ?? []);
  return unique([...waitedForBetween(trace, endedAtMs), ...sessions]);
}

/** A request that was refused for its key ends there. */
function authStep(trace: RequestTrace, endedAtMs: number): Step {
  return { startedAtMs: trace.receivedAtMs, endedAtMs: trace.authenticatedAtMs ?? endedAtMs };
}

function waitedForIn({ waits = [] }: RequestTrace, step: Step): TraceContext[] {
  return waits.flatMap(({ call, sinceMs }) => (isWithin(step, sinceMs) ? call.link() : []));
}

function waitedForBetween(trace: RequestTrace, endedAtMs: number): TraceContext[] {
  if (!trace.waits) return [];
  const steps = [authStep(trace, endedAtMs), ...trace.reserves];
  return trace.waits.flatMap(({ call, sinceMs }) => (steps.some((step) => isWithin(step, sinceMs)) ? [] : call.link()));
}

function isWithin({ startedAtMs, endedAtMs }: Step, timeMs: number): boolean {
  return timeMs >= startedAtMs && timeMs <= endedAtMs;
}

function unique(links: readonly TraceContext[]): TraceContext[] {
  return links.length < 2 ? [...links] : [...new Map(links.map((link) => [link.spanId, link])).values()];
}
