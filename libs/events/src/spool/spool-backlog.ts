import type { Clock } from '@switchyard/core';

/** How many events wait to be published, and since when none has been although some wait. */
export class SpoolBacklog {
  private count = 0;
  private waitingSinceMs = 0;

  constructor(private readonly clock: Clock) {}

  get eventCount(): number {
    return this.count;
  }

  /** 0 while nothing waits. */
  get oldestAgeMs(): number {
    return this.count === 0 ? 0 : this.clock.monotonicMs() - this.waitingSinceMs;
  }

  add(count: number): void {
    if (this.count === 0) this.waitingSinceMs = this.clock.monotonicMs();
    this.count += count;
  }

  /** They were published, or given up. */
  remove(count: number): void {
    this.count -= count;
    this.waitingSinceMs = this.clock.monotonicMs();
  }
}
