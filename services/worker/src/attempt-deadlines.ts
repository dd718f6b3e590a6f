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
 * The clocks of one attempt. First-token counts from the start until content (its limit allows for all of a whole answer), between-chunks only while we wait for the
 * upstream (never while the client's window is closed), total from start to end.
 */
export class AttemptDeadlines {
  private readonly total: NodeJS.Timeout;
  private connect: NodeJS.Timeout | undefined;
  private firstToken: NodeJS.Timeout | undefined;
  private betweenChunks: NodeJS.Timeout | undefined;

  constructor(
    private readonly limits: DeadlineLimits,
    private readonly onExpired: (stage: DeadlineStage, limitMs: number) => void,
  ) {
    this.total = this.arm('total', limits.totalMs);
    this.connect = this.arm('connect', limits.connectMs);
    this.firstToken = this.arm('first-token', limits.firstTokenMs);
  }

  /** Pictures are being fetched: nothing has been asked of the provider yet. */
  restartConnect(): void {
    this.connect?.refresh();
    this.firstToken?.refresh();
  }

  onConnected(): void {
    clearTimeout(this.connect);
    this.connect = undefined;
  }

  onContent(): void {
    clearTimeout(this.firstToken);
    this.firstToken = undefined;
  }

  /** A wait for upstream bytes begins. */
  onWaiting(): void {
    if (this.betweenChunks === undefined) this.betweenChunks = this.arm('between-chunks', this.limits.betweenChunksMs);
    else this.betweenChunks.refresh();
  }

  /** The client's window is closed: the upstream is not to blame for silence. */
  onPaused(): void {
    clearTimeout(this.betweenChunks);
    this.betweenChunks = undefined;
  }

  stop(): void {
    for (const timer of [this.total, this.connect, this.firstToken, this.betweenChunks]) clearTimeout(timer);
  }

  private arm(stage: DeadlineStage, limitMs: number): NodeJS.Timeout {
    return setTimeout(() => this.onExpired(stage, limitMs), limitMs);
  }
}
