import type { Clock } from '@switchyard/core';
import { SwitchyardError } from '@switchyard/errors';
import type { RouterPort } from '@switchyard/proto';
import { applyTableUpdate, EMPTY_ROUTING_TABLE, type RoutingTable, type TableUpdate } from '@switchyard/routing';
import { SWITCHYARD, type CallTrace, type CallTracer, type Logger } from '@switchyard/telemetry';
import { pause } from './pause.js';

export interface RoutingTableFeedOptions {
  readonly port: Pick<RouterPort, 'watchRoutingTable'>;
  readonly subscriberId: string;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Undefined where nothing is traced. */
  readonly calls?: CallTracer | undefined;
  /** Called with every new table. */
  readonly onTable?: (table: RoutingTable) => void;
  /** No message for this long: the watch is dead and opened anew. Default 3 s, three missed heartbeats. */
  readonly silenceMs?: number;
  readonly reconnectMs?: number;
  /** How long `start` waits for the first table. Default 10 s. */
  readonly startTimeoutMs?: number;
}

const DEFAULT_SILENCE_MS = 3_000;
const WATCH_ROUTING_TABLE = 'switchyard.router.v1.RouterService/WatchRoutingTable';

/**
 * The router's table as this process last saw it. A gap, an end or silence opens a new watch; the last table serves
 * until its successor is there, so that a router outage stops nothing.
 */
export class RoutingTableFeed {
  private current: RoutingTable = EMPTY_ROUTING_TABLE;
  private latestPush: CallTrace | undefined;
  private readonly closing = new AbortController();
  private readonly firstTable = Promise.withResolvers<void>();
  private lastMessageAtMs: number | undefined;
  private running: Promise<void> | undefined;

  constructor(private readonly options: RoutingTableFeedOptions) {}

  /** Returns with the first table, or without one when the router does not answer in time or the start is cancelled; the watch goes on either way. */
  async start(cancelSignal?: AbortSignal): Promise<void> {
    this.running ??= this.watchForever();
    const waited = new AbortController();
    const ends = [this.closing.signal, waited.signal, ...(cancelSignal ? [cancelSignal] : [])];
    const tooLong = pause(this.options.startTimeoutMs ?? 10_000, AbortSignal.any(ends));
    await Promise.race([this.firstTable.promise, tooLong]);
    waited.abort();
  }

  close(): void {
    this.closing.abort(new Error('the routing table feed was closed'));
  }

  /** @throws SwitchyardError `gateway_unavailable` before the first table: without one nothing can be said of any model. */
  table(): RoutingTable {
    if (!this.hasTable) throw new SwitchyardError('gateway_unavailable', 'The routing table has not arrived yet; try again shortly.', { retryAfterMs: 1_000 });
    return this.current;
  }

  /** The push that last changed the table; undefined where nothing is traced. */
  get push(): CallTrace | undefined {
    return this.latestPush;
  }

  get hasTable(): boolean {
    return this.current.version > 0n;
  }

  /** The router was heard within the time that silence is allowed. */
  get isLive(): boolean {
    const ageMs = this.ageMs();
    return ageMs !== undefined && ageMs <= (this.options.silenceMs ?? DEFAULT_SILENCE_MS);
  }

  /** Milliseconds since the router was last heard; undefined before the first time. */
  ageMs(): number | undefined {
    return this.lastMessageAtMs === undefined ? undefined : this.options.clock.monotonicMs() - this.lastMessageAtMs;
  }

  private async watchForever(): Promise<void> {
    const { logger, reconnectMs = 250 } = this.options;
    let isBroken = false;
    while (!this.closing.signal.aborted) {
      try {
        await this.watchOnce(() => {
          if (isBroken) logger.info('The routing table is followed again', { tableVersion: String(this.current.version) });
          isBroken = false;
        });
      } catch (error) {
        if (this.closing.signal.aborted) return;
        if (!isBroken) logger.warn('The routing table cannot be followed; the last one stays in use', { error, tableVersion: String(this.current.version) });
        isBroken = true;
      }
      await pause(reconnectMs, this.closing.signal);
    }
  }

  /** One watch from snapshot to end. @throws Error on silence, a gap, or what the port throws. */
  private async watchOnce(onSnapshot: () => void): Promise<void> {
    const watch = new AbortController();
    const stop = (): void => watch.abort(this.closing.signal.reason);
    this.closing.signal.addEventListener('abort', stop, { once: true });
    const { port, subscriberId, silenceMs = DEFAULT_SILENCE_MS } = this.options;
    const silence = setTimeout(() => watch.abort(new Error(`the router was silent for ${silenceMs} ms`)), silenceMs);
    silence.unref();
    // The watch lasts, so each push is a trace: the snapshot from the call on, what changes from when it is here.
    let push = this.options.calls?.begin(WATCH_ROUTING_TABLE);
    try {
      let isFirst = true;
      for await (const update of port.watchRoutingTable({ subscriberId }, { signal: watch.signal, traceparent: push?.traceparent })) {
        silence.refresh();
        push ??= this.options.calls?.begin(WATCH_ROUTING_TABLE);
        this.apply(update, isFirst);
        this.pushed(update, push);
        push = undefined;
        if (isFirst) onSnapshot();
        isFirst = false;
      }
      watch.signal.throwIfAborted();
    } catch (error) {
      if (!this.closing.signal.aborted) push?.end({ error });
      throw error;
    } finally {
      clearTimeout(silence);
      this.closing.signal.removeEventListener('abort', stop);
      watch.abort(new Error('the watch was left'));
    }
  }

  private apply(update: TableUpdate, isFirst: boolean): void {
    if (isFirst && !update.isSnapshot) throw new Error('the routing table began without a snapshot');
    if (!update.isSnapshot && update.version !== this.current.version + 1n) {
      throw new Error(`the routing table has a gap: ${update.version} after ${this.current.version}`);
    }
    this.current = applyTableUpdate(this.current, update);
    this.options.onTable?.(this.current);
    this.lastMessageAtMs = this.options.clock.monotonicMs();
    this.firstTable.resolve();
  }

  private pushed(update: TableUpdate, push: CallTrace | undefined): void {
    if (isHeartbeat(update)) return;
    push?.end({ attributes: { [SWITCHYARD.tableVersion]: update.version.toString(), [SWITCHYARD.tableIsSnapshot]: update.isSnapshot } });
    this.latestPush = push;
  }
}

/** A sign of life that changes nothing. */
function isHeartbeat(update: TableUpdate): boolean {
  const { isSnapshot, models, endpoints, providers, statistics, removedModelSlugs, removedEndpointIds } = update;
  return !isSnapshot && [models, endpoints, providers, statistics, removedModelSlugs, removedEndpointIds].every((changes) => changes.length === 0);
}
