import { afterEach, describe, expect, it } from '@jest/globals';
import type { router, RouterPort } from '@switchyard/proto';
import { CallTracer } from '@switchyard/telemetry';
import { captureLogger, eventually, realClock, recordingTracing } from '@switchyard/testing';
import { RoutingTableFeed, type RoutingTableFeedOptions } from './routing-table.feed.js';

/** A router whose messages a test sends by hand; one stream at a time. */
class ScriptedRouter {
  watchCount = 0;
  private send: ((update: router.WatchRoutingTableResponse | undefined) => void) | undefined;

  readonly watchRoutingTable: RouterPort['watchRoutingTable'] = (_request, options) => this.watch(options?.signal);

  tell(version: bigint, isSnapshot: boolean, slugs: string[] = []): void {
    this.send!({
      version,
      isSnapshot,
      models: slugs.map((slug) => ({ slug, aliases: [], permaslug: '', name: slug }) as unknown as router.Model),
      endpoints: [],
      removedModelSlugs: [],
      removedEndpointIds: [],
      statistics: [],
      serverTimeMs: 1n,
      providers: [],
    });
  }

  end(): void {
    this.send!(undefined);
  }

  private async *watch(signal: AbortSignal | undefined): AsyncGenerator<router.WatchRoutingTableResponse> {
    this.watchCount++;
    const queue: (router.WatchRoutingTableResponse | undefined)[] = [];
    let wake = (): void => undefined;
    this.send = (update) => {
      queue.push(update);
      wake();
    };
    signal?.addEventListener('abort', () => wake(), { once: true });
    for (;;) {
      while (queue.length === 0 && !signal?.aborted) await new Promise<void>((resolve) => (wake = resolve));
      signal?.throwIfAborted();
      const update = queue.shift();
      if (update === undefined) return;
      yield update;
    }
  }
}

describe('RoutingTableFeed', () => {
  let feed: RoutingTableFeed | undefined;
  afterEach(() => feed?.close());

  function start(
    port: ScriptedRouter,
    options: Partial<RoutingTableFeedOptions> = {},
  ): { feed: RoutingTableFeed; started: Promise<void>; logger: ReturnType<typeof captureLogger> } {
    const logger = captureLogger();
    feed = new RoutingTableFeed({ port, subscriberId: 'ingress-1', logger, clock: realClock(), reconnectMs: 1, ...options });
    return { feed, started: feed.start(), logger };
  }

  it('starts with the snapshot and follows the deltas', async () => {
    const port = new ScriptedRouter();
    const { feed, started } = start(port);
    port.tell(7n, true, ['acme/writer']);
    await started;
    expect([...feed.table().models.keys()]).toEqual(['acme/writer']);
    port.tell(8n, false, ['acme/poet']);
    await eventually(() => expect([...feed.table().models.keys()]).toEqual(['acme/writer', 'acme/poet']));
  });

  it('opens a new watch after a gap and keeps serving the last table meanwhile', async () => {
    const port = new ScriptedRouter();
    const { feed, started } = start(port);
    port.tell(1n, true, ['acme/writer']);
    await started;
    port.tell(3n, false, ['acme/lost']);
    await eventually(() => expect(port.watchCount).toBe(2));
    expect([...feed.table().models.keys()]).toEqual(['acme/writer']);
    port.tell(9n, true, ['acme/new']);
    await eventually(() => expect([...feed.table().models.keys()]).toEqual(['acme/new']));
  });

  it('keeps serving when the router ends the stream, and comes back', async () => {
    const port = new ScriptedRouter();
    const { feed, started } = start(port);
    port.tell(1n, true, ['acme/writer']);
    await started;
    port.end();
    await eventually(() => expect(port.watchCount).toBeGreaterThan(1));
    expect(feed.table().models.has('acme/writer')).toBe(true);
  });

  it('takes silence for death', async () => {
    const port = new ScriptedRouter();
    const { started } = start(port, { silenceMs: 20 });
    port.tell(1n, true);
    await started;
    await eventually(() => expect(port.watchCount).toBeGreaterThan(1));
  });

  it('refuses a stream that begins with a delta', async () => {
    const port = new ScriptedRouter();
    const { feed } = start(port);
    port.tell(1n, false, ['acme/writer']);
    await eventually(() => expect(port.watchCount).toBeGreaterThan(1));
    expect(feed.hasTable).toBe(false);
  });

  it('does not hold up a start for a router that is away', async () => {
    const { feed, started } = start(new ScriptedRouter(), { startTimeoutMs: 10 });
    await started;
    expect(feed.hasTable).toBe(false);
    expect(feed.isLive).toBe(false);
  });

  it('does not hold up a process that is told to stop while it starts', async () => {
    const cancel = new AbortController();
    feed = new RoutingTableFeed({
      port: new ScriptedRouter(),
      subscriberId: 'ingress-1',
      logger: captureLogger(),
      clock: realClock(),
      startTimeoutMs: 3_600_000,
    });
    const started = feed.start(cancel.signal);
    cancel.abort();
    await started;
    expect(feed.hasTable).toBe(false);
  });

  it('traces each push that changes something, and tells which one the table is from', async () => {
    const port = new ScriptedRouter();
    const { tracer, finished } = recordingTracing();
    const { feed, started } = start(port, { calls: new CallTracer(tracer, ['router:9090']) });
    expect(feed.push).toBeUndefined();
    port.tell(7n, true, ['acme/writer']);
    await started;
    const snapshot = feed.push;
    // A sign of life.
    port.tell(8n, false);
    await eventually(() => expect(feed.table().version).toBe(8n));
    expect(feed.push).toBe(snapshot);
    port.tell(9n, false, ['acme/poet']);
    await eventually(() => expect(feed.push).not.toBe(snapshot));
    const delta = feed.push;
    port.tell(11n, false, ['acme/lost']);
    await eventually(() => expect(port.watchCount).toBe(2));
    expect(feed.push).toBe(delta);
    feed.close();
    const spans = await finished();
    expect(new Set(spans.map(({ name, kind }) => `${kind} ${name}`))).toEqual(new Set(['client switchyard.router.v1.RouterService/WatchRoutingTable']));
    expect(spans.map(({ context, errorType, attributes }) => [context, errorType, attributes['switchyard.route.table_version']])).toEqual([
      [snapshot!.link(), undefined, '7'],
      [delta!.link(), undefined, '9'],
      [expect.anything(), 'UNKNOWN', undefined],
    ]);
    expect(spans.map(({ attributes }) => attributes['switchyard.route.table_is_snapshot'])).toEqual([true, false, undefined]);
  });
});
