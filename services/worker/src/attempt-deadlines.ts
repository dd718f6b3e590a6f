import type { Clock } from '@switchyard/core';
import type { worker } from '@switchyard/proto';
import type { DeadlineStage } from './core/attempt-errors.js';

export interface DeadlineLimits {
  readonly connectMs: number;
  readonly firstTokenMs: number;
  readonly betweenChunksMs: number;
  readonly totalMs: number;
}

export const DEFAULT_DEADLINES: DeadlineLimits = { connectMs: 2_000, firstTokenMs: 30_000, betweenChunksMs: 60_000, totalMs: 600_000 };

/** An absent or zero limit is the default's. */
export function deadlineLimits(frame: worker.Deadlines | undefined): DeadlineLimits {
  const limit = (value: bigint | undefined, fallback: number) => (value === undefined || value <= 0n ? fallback : Number(value));
  return {
    connectMs: limit(frame?.connectMs, DEFAULT_DEADLINES.connectMs),
    firstTokenMs: limit(frame?.firstTokenMs, DEFAULT_DEADLINES.firstTokenMs),
    betweenChunksMs: limit(frame?.betweenChunksMs, DEFAULT_DEADLINES.betweenChunksMs),
    totalMs: limit(frame?.totalMs, DEFAULT_DEADLINES.totalMs),
  };
}

/**
 * The clocks of one attempt. All are times to be compared with; one timer waits for the earliest.
 * - Connect and first-token count from the moment at which the provider is asked. First-token ends with the first content, which of a whole answer is all of it
 *   (its limit allows for that).
 * - Between-chunks counts from the first content of a stream, from the first byte of a whole answer: until then silence, and whatever is sent to keep the connection
 *   alive, is the wait for the first token. Of a stream that has begun any bytes end a silence, comments too. It counts only while we wait for the upstream, never
 *   while the client's window is closed.
 * - Total counts from start to end.
 */
export class AttemptDeadlines {
  private readonly totalAtMs: number;
  private connectAtMs = NEVER_MS;
  private firstTokenAtMs = NEVER_MS;
  private betweenChunksAtMs = NEVER_MS;
  private hasBegun = false;
  private timer: NodeJS.Timeout | undefined;
  /** When the timer looks at the times again: never later than the earliest of them. */
  private wakesAtMs = NEVER_MS;

  constructor(
    private readonly limits: DeadlineLimits,
    private readonly clock: Clock,
    private readonly onExpired: (stage: DeadlineStage, limitMs: number) => void,
  ) {
    this.totalAtMs = clock.monotonicMs() + limits.totalMs;
  }

  /** Pictures are about to be fetched: only the total counts, nothing has been asked of the provider yet. */
  onFetching(): void {
    this.wakeBy(this.totalAtMs, this.clock.monotonicMs());
  }

  /** The provider is about to be asked. */
  onAsking(): void {
    const nowMs = this.clock.monotonicMs();
    this.connectAtMs = nowMs + this.limits.connectMs;
    this.firstTokenAtMs = nowMs + this.limits.firstTokenMs;
    this.wakeBy(this.earliestMs(), nowMs);
  }

  onConnected(): void {
    this.connectAtMs = NEVER_MS;
  }

  /** The beginning of a whole answer is here: the provider may not stop half-way, nor take longer than all of it may. */
  onBeginning(): void {
    this.hasBegun = true;
  }

  onContent(): void {
    this.hasBegun = true;
    this.firstTokenAtMs = NEVER_MS;
  }

  /** A wait for upstream bytes begins. */
  onWaiting(): void {
    if (!this.hasBegun) return;
    const nowMs = this.clock.monotonicMs();
    this.betweenChunksAtMs = nowMs + this.limits.betweenChunksMs;
    this.wakeBy(this.betweenChunksAtMs, nowMs);
  }

  /** The client's window is closed: the upstream is not to blame for silence. */
  onPaused(): void {
    this.betweenChunksAtMs = NEVER_MS;
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  private earliestMs(): number {
    return Math.min(this.connectAtMs, this.firstTokenAtMs, this.betweenChunksAtMs, this.totalAtMs);
  }

  private wakeBy(atMs: number, nowMs: number): void {
    if (atMs >= this.wakesAtMs) return;
    clearTimeout(this.timer);
    this.wakesAtMs = atMs;
    this.timer = setTimeout(() => this.wake(), Math.ceil(atMs - nowMs));
  }

  private wake(): void {
    const nowMs = this.clock.monotonicMs();
    this.wakesAtMs = NEVER_MS;
    const { connectMs, firstTokenMs, betweenChunksMs, totalMs } = this.limits;
    if (nowMs >= this.connectAtMs) return this.onExpired('connect', connectMs);
    if (nowMs >= this.firstTokenAtMs) return this.onExpired('first-token', firstTokenMs);
    if (nowMs >= this.betweenChunksAtMs) return this.onExpired('between-chunks', betweenChunksMs);
    if (nowMs >= this.totalAtMs) return this.onExpired('total', totalMs);
    this.wakeBy(this.earliestMs(), nowMs);
  }
}

const NEVER_MS = Number.POSITIVE_INFINITY;
