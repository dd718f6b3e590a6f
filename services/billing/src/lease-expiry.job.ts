import type { Clock } from '@switchyard/core';
import { withTransaction } from '@switchyard/db';
import type { EventLog, PartitionProgress } from '@switchyard/events';
import type { Counter, Logger } from '@switchyard/telemetry';
import type { Pool } from 'pg';
import { dropOldChanges } from './change.store.js';
import { dropOldEpochs, findClosingEpochs, markClosed, type EpochRow } from './lease-epoch.store.js';
import type { LeaseReturns } from './lease-returns.js';
import { dropOldQuotaWindows } from './lease-scope.store.js';
import { findLeasesGrantedBetween, findLeasesOfEpoch } from './lease.store.js';
import { createMonthPartitions } from './ledger-partition.store.js';
import { CONSUMER_GROUP, CONSUMER_TOPICS } from './usage-event.consumer.js';

export interface LeaseExpiryJobOptions {
  readonly pool: Pool;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly eventLog: Pick<EventLog, 'progress'>;
  readonly leaseReturns: LeaseReturns;
  readonly leaseAbandonAfterMs: number;
  readonly abandonedCounter: Counter;
}

const TICK_MS = 1_000;
const HOUSEKEEPING_EVERY_TICKS = 600;
const LEASES_PER_STEP = 500;
const EPOCHS_PER_STEP = 20;
const QUOTA_WINDOW_KEPT_MS = 86_400_000;
const EPOCH_KEPT_MS = 7 * 86_400_000;
const WINDOWS_PER_STEP = 5_000;

/** Brings back what leases still hold when their holder can account for nothing else. Several instances may run it at once. */
export class LeaseExpiryJob {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private tickCount = 0;
  /** By epoch: where the log ended when its close was first seen. All events of the epoch lie before. */
  private readonly awaitedEnds = new Map<string, ReadonlyMap<string, bigint>>();
  /** All that was granted before was found resolved. Nothing is granted in the past, and to look there again is to walk all that was resolved since a vacuum. */
  private resolvedUntilMs = 0;

  constructor(private readonly options: LeaseExpiryJobOptions) {}

  start(): void {
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
  }

  private tick(): void {
    this.running ??= this.runOnce().finally(() => (this.running = undefined));
  }

  /** Each by itself: epochs cannot be closed while the event log is away, and the rest needs none. */
  private async runOnce(): Promise<void> {
    await this.tryTo(() => this.closeEpochs());
    await this.tryTo(() => this.abandonLeases());
    if (this.tickCount++ % HOUSEKEEPING_EVERY_TICKS === 0) await this.tryTo(() => this.keepHouse());
  }

  private async tryTo(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.options.logger.warn('leases could not be expired; the next round tries again', { error });
    }
  }

  /** Events of an epoch were published before its close was asked for, so once the log was consumed up to there nothing of it is left. */
  async closeEpochs(): Promise<void> {
    const { pool, eventLog, leaseReturns, clock, logger } = this.options;
    const epochs = await findClosingEpochs(pool, clock.nowMs(), EPOCHS_PER_STEP);
    if (epochs.length === 0) {
      this.awaitedEnds.clear();
      return;
    }
    const progress = await eventLog.progress(CONSUMER_GROUP, CONSUMER_TOPICS);
    for (const epoch of epochs) {
      if (!this.isConsumed(epoch, progress)) continue;
      let returnedCount = 0;
      for (let leaseIds = await this.leasesOf(epoch); leaseIds.length > 0; leaseIds = await this.leasesOf(epoch)) {
        returnedCount += (await leaseReturns.resolve(leaseIds, 'epoch_closed')).length;
      }
      await markClosed(pool, epoch, clock.nowMs());
      this.awaitedEnds.delete(nameOf(epoch));
      logger.info('closed the epoch of a lease holder', { holderId: epoch.holderId, count: returnedCount });
    }
  }

  async abandonLeases(): Promise<void> {
    const { pool, clock, leaseReturns, leaseAbandonAfterMs, logger, abandonedCounter } = this.options;
    const beforeMs = clock.nowMs() - leaseAbandonAfterMs;
    for (;;) {
      const leaseIds = await findLeasesGrantedBetween(pool, this.resolvedUntilMs, beforeMs, LEASES_PER_STEP);
      if (leaseIds.length === 0) break;
      const abandoned = (await leaseReturns.resolve(leaseIds, 'abandoned')).filter((lease) => lease.returned > 0n);
      if (abandoned.length === 0) continue;
      abandonedCounter.increment(abandoned.length);
      logger.warn('leases were abandoned by their holders', { count: abandoned.length, holderId: abandoned[0]?.holderId });
    }
    this.resolvedUntilMs = beforeMs;
  }

  async keepHouse(): Promise<void> {
    const { pool, clock } = this.options;
    const nowMs = clock.nowMs();
    // A clock was set, or another server took over: what is open there is found all the same.
    this.resolvedUntilMs = 0;
    await createMonthPartitions(pool, nowMs);
    await dropOldChanges(pool, nowMs);
    await dropOldEpochs(pool, nowMs - EPOCH_KEPT_MS);
    // A window goes together with its leases: whoever verifies would miss what it was spent by.
    const dropWindows = (): Promise<number> => withTransaction(pool, (client) => dropOldQuotaWindows(client, nowMs - QUOTA_WINDOW_KEPT_MS, WINDOWS_PER_STEP));
    while ((await dropWindows()) === WINDOWS_PER_STEP);
  }

  /** Not a lag of zero: under load there never is one. */
  private isConsumed(epoch: EpochRow, progress: readonly PartitionProgress[]): boolean {
    const name = nameOf(epoch);
    const known = this.awaitedEnds.get(name);
    // A log that ends before where it ended was made anew: what was awaited never comes.
    const isSameLog = known !== undefined && progress.every((each) => each.endOffset >= (known.get(partitionOf(each)) ?? 0n));
    const ends = isSameLog ? known : new Map(progress.map((each) => [partitionOf(each), each.endOffset]));
    this.awaitedEnds.set(name, ends);
    return progress.every((each) => each.nextOffset >= (ends.get(partitionOf(each)) ?? 0n));
  }

  private leasesOf(epoch: EpochRow): Promise<string[]> {
    return findLeasesOfEpoch(this.options.pool, epoch.holderId, epoch.epoch, LEASES_PER_STEP);
  }
}

function nameOf({ holderId, epoch }: EpochRow): string {
  return `${epoch} ${holderId}`;
}

function partitionOf({ topic, partition }: PartitionProgress): string {
  return `${topic} ${partition}`;
}
