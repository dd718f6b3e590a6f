import type { Clock } from '@switchyard/core';
import type { LeasePort } from '@switchyard/proto';
import type { Logger } from '@switchyard/telemetry';
import { pause } from '../pause.js';
import type { Wallet } from './wallet.js';

export interface HolderWatchOptions {
  readonly holderId: string;
  readonly epoch: bigint;
  readonly reconnectDelayMs: number;
  readonly heartbeatTimeoutMs: number;
  /** A larger difference between this machine's clock and billing's makes the process not ready. */
  readonly maxClockSkewMs: number;
}

const SAMPLES = 16;

/** Keeps this holder alive at billing, passes recalls on, and learns billing's clock, which prices and limits follow. */
export class HolderWatch {
  private readonly offsetSamplesMs: number[] = [];
  private offsetMs = 0;
  private lastHeardMs = Number.NEGATIVE_INFINITY;
  private readonly stopped = new AbortController();

  constructor(
    private readonly leasePort: LeasePort,
    private readonly wallet: Wallet,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly options: HolderWatchOptions,
  ) {}

  start(): void {
    void this.watch();
  }

  close(): void {
    this.stopped.abort();
  }

  get isLive(): boolean {
    return this.clock.monotonicMs() - this.lastHeardMs < this.options.heartbeatTimeoutMs;
  }

  /** Billing was heard at least once: its clock is known. */
  get hasBeenLive(): boolean {
    return this.lastHeardMs !== Number.NEGATIVE_INFINITY;
  }

  /** Unix milliseconds on billing's clock. */
  billingNowMs(): number {
    return Math.round(this.clock.nowMs() + this.offsetMs);
  }

  get clockSkewMs(): number {
    return this.offsetMs;
  }

  get isClockSkewed(): boolean {
    return Math.abs(this.offsetMs) > this.options.maxClockSkewMs;
  }

  private async watch(): Promise<void> {
    let isBroken = false;
    while (!this.stopped.signal.aborted) {
      try {
        const updates = this.leasePort.watchHolder({ holderId: this.options.holderId, epoch: this.options.epoch }, { signal: this.stopped.signal });
        for await (const update of updates) {
          if (isBroken) this.logger.info('Leases are watched again');
          isBroken = false;
          this.lastHeardMs = this.clock.monotonicMs();
          this.learnOffset(Number(update.serverTimeMs) - this.clock.nowMs());
          if (update.recalls.length > 0) this.wallet.recall(update.recalls.map((recall) => recall.leaseId));
        }
      } catch (error) {
        if (this.stopped.signal.aborted) return;
        if (!isBroken) this.logger.warn('Leases cannot be watched; those held are spent', { error });
        isBroken = true;
      }
      await pause(this.options.reconnectDelayMs, this.stopped.signal);
    }
  }

  /** A message's delay makes billing look late, never early: the largest recent sample is the nearest to the truth. */
  private learnOffset(sampleMs: number): void {
    this.offsetSamplesMs.push(sampleMs);
    if (this.offsetSamplesMs.length > SAMPLES) this.offsetSamplesMs.shift();
    this.offsetMs = Math.max(...this.offsetSamplesMs);
  }
}
