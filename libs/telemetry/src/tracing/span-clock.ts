import { performance } from 'node:perf_hooks';
import type { Clock } from '@switchyard/core';

/** Closer than this the wall clock is the one that the process started with, whose zero is known to the microsecond. */
const SAME_CLOCK_MS = 5;

/** Turns monotonic times into unix times with fractions of milliseconds, so that the spans of one machine's processes lie right to each other. */
export class SpanClock {
  private offsetMs = 0;

  constructor(private readonly clock: Clock) {
    this.adjust();
  }

  /** To be called now and then: the wall clock may have been set. */
  adjust(): void {
    const measuredMs = this.clock.nowMs() - this.clock.monotonicMs() + 0.5;
    this.offsetMs = Math.abs(measuredMs - performance.timeOrigin) < SAME_CLOCK_MS ? performance.timeOrigin : measuredMs;
  }

  unixMs(monotonicMs: number): number {
    return this.offsetMs + monotonicMs;
  }

  nowMs(): number {
    return this.unixMs(this.clock.monotonicMs());
  }
}
