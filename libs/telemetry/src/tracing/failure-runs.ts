import { SWITCHYARD } from './attribute-names.js';
import type { SpanAttributes } from './span.js';

/** How often a failure that goes on is recorded anew. */
const AGAIN_AFTER_MS = 60_000;

/** One kind of failure in a run. */
interface RecordedFailure {
  readonly atMs: number;
  /** Equal ones since then. */
  leftOut: number;
}

/**
 * Bounds what an outage records. A run are the failures of one call between two that went well: of each kind of them the first is recorded, and then one a
 * minute. There are few calls and few kinds.
 */
export class FailureRuns {
  /** By call, then by kind. */
  private readonly runs = new Map<string, Map<string, RecordedFailure>>();

  /** Ends the call's run. Returns how many of its failures were left out since those that were recorded. */
  succeeded(call: string): number {
    const run = this.runs.get(call);
    if (run === undefined) return 0;
    this.runs.delete(call);
    let leftOut = 0;
    for (const failure of run.values()) leftOut += failure.leftOut;
    return leftOut;
  }

  /** Undefined for a failure that is left out; else how many equal ones before it were. `nowMs`: unix milliseconds. */
  failed(call: string, kind: string, nowMs: number): number | undefined {
    let run = this.runs.get(call);
    if (run === undefined) this.runs.set(call, (run = new Map()));
    const last = run.get(kind);
    // A clock that was set back must not keep the next one out for long.
    if (last !== undefined && Math.abs(nowMs - last.atMs) < AGAIN_AFTER_MS) {
      last.leftOut++;
      return undefined;
    }
    run.set(kind, { atMs: nowMs, leftOut: 0 });
    return last?.leftOut ?? 0;
  }
}

/** What the next span that is recorded tells of those that were left out. */
export function leftOutAttributes(count: number | undefined): SpanAttributes {
  return count ? { [SWITCHYARD.failuresLeftOut]: count } : {};
}
