import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

const MAX_DOUBLINGS = 20;

/** Growing pauses between tries: doubled each time up to a bound, and each shortened by up to a quarter so that replicas do not march in step. */
export class Backoff {
  private failures = 0;

  constructor(
    private readonly firstMs: number,
    private readonly maxMs: number,
  ) {}

  /** The try that follows is like the first. */
  reset(): void {
    this.failures = 0;
  }

  get failureCount(): number {
    return this.failures;
  }

  nextDelayMs(): number {
    const fullMs = Math.min(this.maxMs, this.firstMs * 2 ** Math.min(this.failures, MAX_DOUBLINGS));
    this.failures++;
    return fullMs - randomInt(0, Math.max(1, Math.floor(fullMs / 4)));
  }

  /** Waits for the next pause, or until the signal is given. */
  async pause(signal: AbortSignal): Promise<void> {
    await pauseFor(this.nextDelayMs(), signal);
  }
}

/** The end of the work, or of the time. */
export async function endWithin(work: Promise<unknown>, limitMs: number): Promise<void> {
  const patience = new AbortController();
  try {
    await Promise.race([work, pauseFor(limitMs, patience.signal)]);
  } finally {
    patience.abort();
  }
}

/** Resolves after the time, or as soon as the signal is given. */
export async function pauseFor(durationMs: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(durationMs, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
