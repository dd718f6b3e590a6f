import type { Clock } from '@switchyard/core';
import type { Queryable } from '@switchyard/db';
import type { billing } from '@switchyard/proto';
import type { Logger } from '@switchyard/telemetry';
import { touchEpochs } from './lease-epoch.store.js';
import { findPendingRecalls, type PendingRecall } from './lease.store.js';
import type { NotificationListener } from './notification-listener.store.js';
import { SubscriberQueue } from './subscriber-queue.js';

export interface HolderRecallsDependencies {
  readonly pool: Queryable;
  readonly listener: Pick<NotificationListener, 'on'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly heartbeatMs: number;
}

interface Watcher {
  readonly holderId: string;
  readonly epoch: bigint;
  readonly queue: SubscriberQueue<billing.WatchHolderResponse>;
  /** Recalls that the stream has carried and that wait for an answer. */
  delivered: ReadonlySet<string>;
}

const MAX_QUEUED_MESSAGES = 256;

/** Tells the holders connected to this instance what is wanted back, whichever instance wants it, and notes that they live. */
export class HolderRecalls {
  private readonly watchers = new Set<Watcher>();
  private timer: NodeJS.Timeout | undefined;
  private stopListening: (() => void) | undefined;
  private looking: Promise<void> | undefined;
  private isLookWanted = false;

  constructor(private readonly dependencies: HolderRecallsDependencies) {}

  start(): void {
    this.timer = setInterval(() => this.beat(), this.dependencies.heartbeatMs);
    this.stopListening = this.dependencies.listener.on('billing_recalls', () => this.look());
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    this.stopListening?.();
    for (const watcher of this.watchers) watcher.queue.close();
    await this.looking;
  }

  async *watch(holderId: string, epoch: bigint, signal?: AbortSignal): AsyncGenerator<billing.WatchHolderResponse, void, undefined> {
    const queue = new SubscriberQueue<billing.WatchHolderResponse>(MAX_QUEUED_MESSAGES);
    const watcher: Watcher = { holderId, epoch, queue, delivered: new Set() };
    const close = (): void => queue.close();
    if (signal?.aborted === true) return;
    signal?.addEventListener('abort', close);
    this.watchers.add(watcher);
    try {
      yield this.message([]);
      this.look();
      yield* queue;
    } finally {
      signal?.removeEventListener('abort', close);
      this.watchers.delete(watcher);
    }
  }

  private beat(): void {
    for (const watcher of this.watchers) watcher.queue.push(this.message([]));
    this.look();
  }

  private look(): void {
    if (this.watchers.size === 0) return;
    this.isLookWanted = true;
    this.looking ??= this.deliverAll().finally(() => (this.looking = undefined));
  }

  private async deliverAll(): Promise<void> {
    const { pool, clock, logger } = this.dependencies;
    try {
      while (this.isLookWanted) {
        this.isLookWanted = false;
        const watchers = [...this.watchers];
        await touchEpochs(pool, watchers, clock.nowMs());
        const pending = await findPendingRecalls(pool, [...new Set(watchers.map((watcher) => watcher.holderId))]);
        for (const watcher of watchers) this.deliver(watcher, pending);
      }
    } catch (error) {
      logger.warn('could not look for recalls', { error });
    }
  }

  private deliver(watcher: Watcher, pending: readonly PendingRecall[]): void {
    const own = pending.filter((recall) => recall.holderId === watcher.holderId && recall.epoch === watcher.epoch);
    const fresh = own.filter((recall) => !watcher.delivered.has(recallId(recall)));
    watcher.delivered = new Set(own.map(recallId));
    if (fresh.length > 0) watcher.queue.push(this.message(fresh));
  }

  private message(recalls: readonly PendingRecall[]): billing.WatchHolderResponse {
    return { serverTimeMs: BigInt(this.dependencies.clock.nowMs()), recalls: recalls.map(({ leaseId, reason }) => ({ leaseId, reason })) };
  }
}

function recallId(recall: PendingRecall): string {
  return `${recall.leaseId}:${recall.requestedMs}`;
}
