import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '@switchyard/core';
import type { analytics } from '@switchyard/proto';
import type { Logger } from '@switchyard/telemetry';
import { EndpointWindows, LONG_WINDOW_MS, MEASURE_SLOT_MS, MIDDLE_WINDOW_MS, slotOf } from './core/endpoint-windows.js';
import type { EndpointStatisticsStore } from './endpoint-statistics.store.js';

export interface StatisticsFeedOptions {
  readonly store: Pick<EndpointStatisticsStore, 'readSlots' | 'readMeasures' | 'sumSlots'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly intervalMs: number;
}

/** Every tick re-reads this much: late writers have landed by then, or are found by the next full reading. */
const REREAD_MS = 2 * MEASURE_SLOT_MS;
const FULL_READ_EVERY_TICKS = 15;
/** So many take a millisecond or two: in one go, those of a busy platform would hold up every request of its process. */
const ENDPOINTS_PER_TURN = 10;

type Statistics = analytics.EndpointStatistics;

/** Computes the windows of every endpoint at a steady pace and tells each watcher the whole set first, then what changed. */
export class StatisticsFeed {
  private readonly windows = new EndpointWindows();
  private readonly watchers = new Set<Watcher>();
  private current = new Map<string, Statistics>();
  private tickCount = 0;
  private timer: NodeJS.Timeout | undefined;
  private isStopped = false;
  private running: Promise<void> = Promise.resolve();
  private computedAtMs: number | undefined;

  constructor(private readonly options: StatisticsFeedOptions) {}

  /** Rebuilds from the database, then keeps computing. */
  async start(): Promise<void> {
    await this.tick();
    this.schedule();
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    clearTimeout(this.timer);
    await this.running;
    for (const watcher of this.watchers) watcher.close();
  }

  /** Milliseconds since the windows were last computed; undefined before the first time. */
  ageMs(): number | undefined {
    return this.computedAtMs === undefined ? undefined : this.options.clock.monotonicMs() - this.computedAtMs;
  }

  async *watch(signal?: AbortSignal): AsyncGenerator<analytics.WatchEndpointStatisticsResponse> {
    const watcher = new Watcher(this.current);
    const close = (): void => watcher.close();
    signal?.addEventListener('abort', close, { once: true });
    if (signal?.aborted || this.isStopped) watcher.close();
    this.watchers.add(watcher);
    try {
      for (let endpoints = await watcher.next(); endpoints; endpoints = await watcher.next()) {
        yield { timeMs: BigInt(this.options.clock.nowMs()), endpoints };
      }
    } finally {
      this.watchers.delete(watcher);
      signal?.removeEventListener('abort', close);
    }
  }

  /** Reads, computes and tells; one step of the feed. */
  async tick(): Promise<void> {
    try {
      await this.read(this.options.clock.nowMs());
      this.computedAtMs = this.options.clock.monotonicMs();
    } finally {
      // What is known grows old all the same: nothing failed in the last 30 seconds only because the database is away.
      await this.publish(this.options.clock.nowMs());
    }
  }

  private async read(nowMs: number): Promise<void> {
    const isFull = this.tickCount++ % FULL_READ_EVERY_TICKS === 0;
    const sinceMs = slotOf(nowMs - (isFull ? MIDDLE_WINDOW_MS : REREAD_MS), MEASURE_SLOT_MS);
    const { store } = this.options;
    this.windows.setSlots(await store.readSlots(sinceMs));
    this.windows.setMeasures(await store.readMeasures(sinceMs));
    if (isFull) this.windows.setDays(await store.sumSlots(nowMs - LONG_WINDOW_MS));
  }

  private schedule(): void {
    if (this.isStopped) return;
    this.timer = setTimeout(() => {
      this.running = this.tick()
        .catch((error: unknown) => {
          // The next full reading makes up for it.
          this.tickCount = 0;
          this.options.logger.warn('Endpoint statistics could not be computed.', { error });
        })
        .then(() => this.schedule());
    }, this.options.intervalMs);
    this.timer.unref();
  }

  private async publish(nowMs: number): Promise<void> {
    const next = new Map<string, Statistics>();
    const changed: Statistics[] = [];
    for (const statistics of this.windows.evaluate(nowMs)) {
      const { endpointId } = statistics;
      next.set(endpointId, statistics);
      if (!isSame(this.current.get(endpointId), statistics)) changed.push(statistics);
      if (next.size % ENDPOINTS_PER_TURN === 0) await nextTurn();
    }
    for (const endpointId of this.current.keys()) if (!next.has(endpointId)) changed.push(emptyStatistics(endpointId));
    this.current = next;
    for (const watcher of this.watchers) watcher.push(changed);
  }
}

/** Holds at most one message per endpoint for a slow reader: newer figures replace those it has not read. */
class Watcher {
  private readonly pending: Map<string, Statistics>;
  private mustSend = true;
  private isClosed = false;
  private wake: (() => void) | undefined;

  constructor(initial: ReadonlyMap<string, Statistics>) {
    this.pending = new Map(initial);
  }

  push(changed: readonly Statistics[]): void {
    if (changed.length === 0) return;
    for (const statistics of changed) this.pending.set(statistics.endpointId, statistics);
    this.mustSend = true;
    this.wake?.();
  }

  close(): void {
    this.isClosed = true;
    this.wake?.();
  }

  /** Undefined once closed. */
  async next(): Promise<Statistics[] | undefined> {
    while (!this.mustSend && !this.isClosed) await new Promise<void>((resolve) => (this.wake = resolve));
    if (this.isClosed) return undefined;
    this.mustSend = false;
    const endpoints = [...this.pending.values()];
    this.pending.clear();
    return endpoints;
  }
}

function emptyStatistics(endpointId: string): Statistics {
  const window = { successCount: 0n, failureCount: 0n, rateLimitedCount: 0n };
  return { endpointId, last5m: window, last30m: window, last1d: window, recentFailureCount: 0n, recentRequestCount: 0n };
}

function isSame(left: Statistics | undefined, right: Statistics): boolean {
  return left !== undefined && serialize(left) === serialize(right);
}

function serialize(statistics: Statistics): string {
  return JSON.stringify(statistics, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value));
}
