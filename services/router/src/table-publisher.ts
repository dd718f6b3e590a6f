import type { Clock } from '@switchyard/core';
import { SwitchyardError } from '@switchyard/errors';
import type { router } from '@switchyard/proto';
import {
  applyTableUpdate,
  EMPTY_ROUTING_TABLE,
  type EndpointRecord,
  type EndpointStatisticsRecord,
  type ModelRecord,
  type ProviderRecord,
  type RoutingTable,
} from '@switchyard/routing';

export interface CatalogState {
  readonly models: readonly ModelRecord[];
  readonly endpoints: readonly EndpointRecord[];
  readonly providers: readonly ProviderRecord[];
}

export interface TablePublisherOptions {
  readonly clock: Clock;
  /** A message at least this often, so that a subscriber can tell silence from death. */
  readonly heartbeatMs: number;
  /** A subscriber that is further behind is cut off and starts again with a snapshot. */
  readonly maxQueuedMessages: number;
}

type Message = router.WatchRoutingTableResponse;

/**
 * The routing table and everybody who follows it. Changes are collected and go out together, one message per beat; all
 * subscribers see the same versions.
 */
export class TablePublisher {
  private current: RoutingTable = EMPTY_ROUTING_TABLE;
  /** Undefined until it was imported. */
  private catalog: CatalogState | undefined;
  /** Undefined until the worker told. */
  private credentialed: ReadonlySet<string> | undefined;
  /** Text of every published record, to find what changed. */
  private published = { models: new Map<string, string>(), endpoints: new Map<string, string>(), providers: new Map<string, string>() };
  private pendingStatistics = new Map<string, EndpointStatisticsRecord>();
  private isDirty = false;
  private readonly subscribers = new Set<Subscriber>();
  private timer: NodeJS.Timeout | undefined;
  private isClosed = false;

  constructor(private readonly options: TablePublisherOptions) {}

  get table(): RoutingTable {
    return this.current;
  }

  /** What was published last. @throws SwitchyardError `gateway_unavailable` before the first time */
  get publishedTable(): RoutingTable {
    if (this.current.version > 0n) return this.current;
    throw new SwitchyardError('gateway_unavailable', 'The router does not know all models and providers yet; try again shortly.', { retryAfterMs: 1_000 });
  }

  /** Every provider that an endpoint may name. */
  get providerSlugs(): string[] {
    return this.catalog?.providers.map(({ slug }) => slug) ?? [];
  }

  get subscriberCount(): number {
    return this.subscribers.size;
  }

  start(): void {
    this.timer = setInterval(() => this.beat(), this.options.heartbeatMs);
    this.timer.unref();
  }

  stop(): void {
    this.isClosed = true;
    clearInterval(this.timer);
    for (const subscriber of this.subscribers) subscriber.close();
  }

  setCatalog(catalog: CatalogState): void {
    this.catalog = catalog;
    this.isDirty = true;
    this.beat();
  }

  /** Slugs of the providers that the worker can authenticate to. */
  setCredentialedProviders(slugs: ReadonlySet<string>): void {
    const known = this.credentialed;
    if (slugs.size === known?.size && [...slugs].every((slug) => known.has(slug))) return;
    this.credentialed = slugs;
    this.isDirty = true;
    this.beat();
  }

  setStatistics(statistics: readonly EndpointStatisticsRecord[]): void {
    for (const entry of statistics) this.pendingStatistics.set(entry.endpointId, entry);
  }

  /** What failed in the last 30 seconds before nobody told any more is not held against endpoints for longer. */
  forgetRecentFailures(): void {
    for (const entry of [...this.current.statistics.values(), ...this.pendingStatistics.values()]) {
      if (entry.recentFailureCount > 0n) this.pendingStatistics.set(entry.endpointId, { ...entry, recentFailureCount: 0n, recentRequestCount: 0n });
    }
  }

  /**
   * Sends what changed, or a sign of life. Nothing goes out before the first catalogue and the worker's first answer: a table that knows of no credentials would
   * take the place of a good one.
   */
  beat(): void {
    const { catalog, credentialed } = this;
    if (this.isClosed || !catalog || !credentialed) return;
    const message = this.nextMessage(catalog, credentialed);
    this.current = applyTableUpdate(this.current, message);
    for (const subscriber of this.subscribers) subscriber.push(message);
  }

  async *watch(signal?: AbortSignal): AsyncGenerator<Message> {
    if (this.isClosed) throw new SwitchyardError('gateway_unavailable', 'The router is shutting down.');
    const subscriber = new Subscriber(this.options.maxQueuedMessages);
    const close = (): void => subscriber.close();
    signal?.addEventListener('abort', close, { once: true });
    if (signal?.aborted) close();
    this.subscribers.add(subscriber);
    if (this.current.version > 0n) subscriber.push(this.snapshot());
    try {
      for (let message = await subscriber.next(); message; message = await subscriber.next()) {
        // The first message of a subscriber that was here before the first catalogue carries everything, so it is a snapshot.
        yield message;
      }
      if (subscriber.isOverrun) throw new SwitchyardError('gateway_unavailable', 'The subscriber fell too far behind; open a new watch.');
    } finally {
      this.subscribers.delete(subscriber);
      signal?.removeEventListener('abort', close);
    }
  }

  private nextMessage(catalog: CatalogState, credentialed: ReadonlySet<string>): Message {
    const isFirst = this.current.version === 0n;
    const offered = this.isDirty ? catalog.endpoints.map((endpoint) => withCredential(endpoint, credentialed)) : [];
    const models = this.isDirty ? changes(this.published.models, catalog.models, (model) => model.slug) : NO_CHANGES;
    const endpoints = this.isDirty ? changes(this.published.endpoints, offered, (endpoint) => endpoint.endpointId) : NO_CHANGES;
    const providers = this.isDirty ? changes(this.published.providers, catalog.providers, (provider) => provider.slug) : NO_CHANGES;
    const statistics = [...this.pendingStatistics.values()];
    this.pendingStatistics = new Map();
    this.isDirty = false;
    const message: Message = {
      version: this.current.version + 1n,
      isSnapshot: isFirst,
      models: [...models.changed],
      endpoints: [...endpoints.changed],
      removedModelSlugs: [...models.removed],
      removedEndpointIds: [...endpoints.removed],
      statistics,
      serverTimeMs: BigInt(this.options.clock.nowMs()),
      providers: [...providers.changed],
    };
    return providers.removed.length === 0 ? message : this.asSnapshot(message, catalog, offered);
  }

  /** Of what a delta cannot say: that a provider is gone. With it go the statistics of endpoints that are no longer there. */
  private asSnapshot(delta: Message, catalog: CatalogState, endpoints: readonly EndpointRecord[]): Message {
    const offered = new Set(endpoints.map((endpoint) => endpoint.endpointId));
    const statistics = new Map(this.current.statistics);
    for (const entry of delta.statistics) statistics.set(entry.endpointId, entry);
    return {
      ...delta,
      isSnapshot: true,
      models: [...catalog.models],
      endpoints: [...endpoints],
      removedModelSlugs: [],
      removedEndpointIds: [],
      statistics: [...statistics.values()].filter((entry) => offered.has(entry.endpointId)),
      serverTimeMs: delta.statistics.length > 0 ? delta.serverTimeMs : this.timeOfKnownStatistics(),
      providers: [...catalog.providers],
    };
  }

  private snapshot(): Message {
    return {
      version: this.current.version,
      isSnapshot: true,
      models: [...this.current.models.values()].map((model) => model.record),
      endpoints: [...this.current.endpoints.values()].map((endpoint) => endpoint.record),
      removedModelSlugs: [],
      removedEndpointIds: [],
      statistics: [...this.current.statistics.values()],
      serverTimeMs: this.timeOfKnownStatistics(),
      providers: [...this.current.providers.values()],
    };
  }

  /** Statistics count as old as their message: those that are told again are as old as they were. */
  private timeOfKnownStatistics(): bigint {
    const { statistics, statisticsTimeMs } = this.current;
    return BigInt(statistics.size > 0 ? statisticsTimeMs : this.options.clock.nowMs());
  }
}

function withCredential(endpoint: EndpointRecord, credentialed: ReadonlySet<string>): EndpointRecord {
  const hasCredential = endpoint.traits['credential'] === 'none' || credentialed.has(endpoint.providerSlug);
  return hasCredential === endpoint.hasCredential ? endpoint : { ...endpoint, hasCredential };
}

interface Changes<Entry> {
  readonly changed: readonly Entry[];
  readonly removed: readonly string[];
}

const NO_CHANGES: Changes<never> = { changed: [], removed: [] };

/** What differs from the texts published so far, which are brought up to date. */
function changes<Entry>(published: Map<string, string>, entries: readonly Entry[], keyOf: (entry: Entry) => string): Changes<Entry> {
  const changed: Entry[] = [];
  const kept = new Set<string>();
  for (const entry of entries) {
    const key = keyOf(entry);
    const text = JSON.stringify(entry, inOneOrder);
    kept.add(key);
    if (published.get(key) === text) continue;
    published.set(key, text);
    changed.push(entry);
  }
  const removed = [...published.keys()].filter((key) => !kept.has(key));
  for (const key of removed) published.delete(key);
  return { changed, removed };
}

/** The same text for the same record: what was read back from the database has its fields in another order. */
function inOneOrder(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)));
}

class Subscriber {
  isOverrun = false;
  private readonly queue: Message[] = [];
  private isClosed = false;
  private wake: (() => void) | undefined;

  constructor(private readonly maxQueuedMessages: number) {}

  push(message: Message): void {
    if (this.queue.length >= this.maxQueuedMessages) {
      this.isOverrun = true;
      this.close();
      return;
    }
    this.queue.push(message);
    this.wake?.();
  }

  close(): void {
    this.isClosed = true;
    this.wake?.();
  }

  /** Undefined once closed. */
  async next(): Promise<Message | undefined> {
    while (this.queue.length === 0 && !this.isClosed) await new Promise<void>((resolve) => (this.wake = resolve));
    return this.isClosed ? undefined : this.queue.shift();
  }
}
