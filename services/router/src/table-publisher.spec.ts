import { afterEach, describe, expect, it } from '@jest/globals';
import type { router } from '@switchyard/proto';
import type { EndpointRecord, EndpointStatisticsRecord, ModelRecord } from '@switchyard/routing';
import { manualClock } from '@switchyard/testing';
import { TablePublisher } from './table-publisher.js';

function model(slug: string, name = slug): ModelRecord {
  return { slug, name, permaslug: slug, aliases: [] } as unknown as ModelRecord;
}

function endpoint(modelSlug: string, providerSlug: string, traits: Record<string, string> = {}): EndpointRecord {
  const endpointId = `${modelSlug}@${providerSlug}`;
  return {
    endpointId,
    modelSlug,
    providerSlug,
    tag: providerSlug,
    providerModelId: modelSlug,
    variant: '',
    traits,
    hasCredential: false,
    supportedParameters: [],
    inputModalities: [],
    outputModalities: [],
    chargeSchedules: [],
    costSchedules: [],
    snapshots: {},
  } as unknown as EndpointRecord;
}

const provider = {
  slug: 'p',
  name: 'P',
  privacyPolicyUrl: '',
  termsOfServiceUrl: '',
  statusPageUrl: '',
  headquarters: '',
  datacenters: [],
  otelProviderName: 'p',
};

describe('TablePublisher', () => {
  let publisher: TablePublisher;
  afterEach(() => publisher.stop());

  function start(maxQueuedMessages = 100, clock = manualClock()): TablePublisher {
    publisher = new TablePublisher({ clock, heartbeatMs: 500, maxQueuedMessages });
    publisher.setCredentialedProviders(new Set());
    return publisher;
  }

  async function next(stream: AsyncGenerator<router.WatchRoutingTableResponse>): Promise<router.WatchRoutingTableResponse> {
    const { value } = await stream.next();
    if (!value) throw new Error('the stream ended');
    return value;
  }

  it('tells a newcomer how old its statistics are, also when it had to send all again', async () => {
    const clock = manualClock();
    const table = start(100, clock);
    const startMs = clock.nowMs();
    const catalog = { models: [model('a')], endpoints: [endpoint('a', 'p'), endpoint('a', 'q')], providers: [provider, { ...provider, slug: 'q' }] };
    table.setCatalog(catalog);
    table.setStatistics([{ endpointId: 'a@p' } as EndpointStatisticsRecord]);
    table.beat();
    const ageMs = async () => {
      const stream = table.watch();
      const { serverTimeMs, statistics } = await next(stream);
      await stream.return(undefined);
      expect(statistics).toHaveLength(1);
      return clock.nowMs() - Number(serverTimeMs);
    };
    clock.advance(600_000);
    table.beat();
    expect(await ageMs()).toBe(600_000);
    table.setCatalog({ ...catalog, endpoints: [endpoint('a', 'p')], providers: [provider] });
    expect([await ageMs(), table.table.statisticsTimeMs]).toEqual([600_000, startMs]);
    table.setStatistics([{ endpointId: 'a@p' } as EndpointStatisticsRecord]);
    table.beat();
    expect(await ageMs()).toBe(0);
  });

  it('sends nothing before the first catalogue, then a snapshot', async () => {
    const table = start();
    const stream = table.watch();
    const first = next(stream);
    table.beat();
    table.setCatalog({ models: [model('a/b')], endpoints: [endpoint('a/b', 'p')], providers: [provider] });
    expect(await first).toMatchObject({
      version: 1n,
      isSnapshot: true,
      models: [{ slug: 'a/b' }],
      endpoints: [{ endpointId: 'a/b@p' }],
      providers: [{ slug: 'p' }],
    });
  });

  it('sends nothing before it is known which providers can be called: a good table is not to be replaced by one without any', async () => {
    publisher = new TablePublisher({ clock: manualClock(), heartbeatMs: 500, maxQueuedMessages: 100 });
    const first = next(publisher.watch());
    publisher.setCatalog({ models: [model('a/b')], endpoints: [endpoint('a/b', 'p')], providers: [provider] });
    publisher.beat();
    expect(publisher.providerSlugs).toEqual(['p']);
    expect(() => publisher.publishedTable).toThrow(/does not know all/);
    publisher.setCredentialedProviders(new Set(['p']));
    expect(await first).toMatchObject({ version: 1n, isSnapshot: true, endpoints: [{ endpointId: 'a/b@p', hasCredential: true }] });
  });

  it('gives a late subscriber the whole table and all subscribers the same versions', async () => {
    const table = start();
    table.setCatalog({ models: [model('a/b')], endpoints: [], providers: [] });
    const early = table.watch();
    expect(await next(early)).toMatchObject({ version: 1n, isSnapshot: true });
    table.setCatalog({ models: [model('a/b'), model('a/c')], endpoints: [], providers: [] });
    const late = table.watch();
    expect(await next(early)).toMatchObject({ version: 2n, isSnapshot: false, models: [{ slug: 'a/c' }] });
    expect(await next(late)).toMatchObject({ version: 2n, isSnapshot: true, models: [{ slug: 'a/b' }, { slug: 'a/c' }] });
    table.beat();
    expect((await next(early)).version).toBe(3n);
    expect((await next(late)).version).toBe(3n);
  });

  it('sends what changed and what went, and else a sign of life with the time', async () => {
    const table = start();
    table.setCatalog({ models: [model('a/b'), model('a/c')], endpoints: [endpoint('a/b', 'p'), endpoint('a/c', 'p')], providers: [] });
    const stream = table.watch();
    await next(stream);
    table.setCatalog({ models: [model('a/b', 'new name')], endpoints: [endpoint('a/b', 'p')], providers: [] });
    expect(await next(stream)).toMatchObject({ models: [{ name: 'new name' }], endpoints: [], removedModelSlugs: ['a/c'], removedEndpointIds: ['a/c@p'] });
    table.beat();
    expect(await next(stream)).toMatchObject({ models: [], endpoints: [], removedModelSlugs: [], statistics: [], serverTimeMs: BigInt(Date.UTC(2026, 0, 1)) });
  });

  it('sends everything anew when a provider is gone, which nobody would learn else', async () => {
    const table = start();
    const entry = (endpointId: string) => ({ endpointId, recentFailureCount: 0n, recentRequestCount: 1n }) as EndpointStatisticsRecord;
    const [kept, gone] = [endpoint('a/b', 'p'), endpoint('a/b', 'q', { credential: 'none' })];
    table.setStatistics([entry('a/b@p'), entry('a/b@q')]);
    table.setCatalog({ models: [model('a/b')], endpoints: [kept, gone], providers: [provider, { ...provider, slug: 'q' }] });
    const stream = table.watch();
    await next(stream);
    table.setCatalog({ models: [model('a/b')], endpoints: [kept], providers: [provider] });
    expect(await next(stream)).toMatchObject({
      version: 2n,
      isSnapshot: true,
      models: [{ slug: 'a/b' }],
      endpoints: [{ endpointId: 'a/b@p' }],
      statistics: [{ endpointId: 'a/b@p' }],
      providers: [{ slug: 'p' }],
    });
    expect([...table.publishedTable.providers.keys()]).toEqual(['p']);
    table.beat();
    expect(await next(stream)).toMatchObject({ version: 3n, isSnapshot: false, endpoints: [] });
  });

  it('says which endpoints have a credential, and sends only those on which that changed', async () => {
    const table = start();
    table.setCatalog({
      models: [model('a/b')],
      endpoints: [endpoint('a/b', 'p'), endpoint('a/b', 'q'), endpoint('a/b', 'r', { credential: 'none' })],
      providers: [],
    });
    const stream = table.watch();
    expect((await next(stream)).endpoints.map((entry) => [entry.providerSlug, entry.hasCredential])).toEqual([
      ['p', false],
      ['q', false],
      ['r', true],
    ]);
    table.setCredentialedProviders(new Set(['q']));
    expect((await next(stream)).endpoints.map((entry) => [entry.providerSlug, entry.hasCredential])).toEqual([['q', true]]);
    table.setCredentialedProviders(new Set(['q']));
    table.beat();
    expect((await next(stream)).endpoints).toEqual([]);
  });

  it('collects statistics until the next beat', async () => {
    const table = start();
    table.setCatalog({ models: [], endpoints: [], providers: [] });
    const stream = table.watch();
    await next(stream);
    const statistics = (count: bigint): EndpointStatisticsRecord => ({
      endpointId: 'a/b@p',
      last5m: undefined,
      last30m: undefined,
      last1d: undefined,
      recentFailureCount: count,
      recentRequestCount: 9n,
    });
    table.setStatistics([statistics(1n)]);
    table.setStatistics([statistics(2n)]);
    table.beat();
    expect((await next(stream)).statistics).toEqual([statistics(2n)]);
    expect((await next(table.watch())).statistics).toEqual([statistics(2n)]);
  });

  it('cuts off a subscriber that reads too slowly', async () => {
    const table = start(2);
    table.setCatalog({ models: [], endpoints: [], providers: [] });
    const stream = table.watch();
    await next(stream);
    for (let index = 0; index < 4; index++) table.beat();
    await expect(
      (async () => {
        for (;;) await next(stream);
      })(),
    ).rejects.toThrow('too far behind');
    expect(table.subscriberCount).toBe(0);
  });

  it('ends its streams when a subscriber leaves or it stops itself', async () => {
    const table = start();
    table.setCatalog({ models: [], endpoints: [], providers: [] });
    const leaving = new AbortController();
    const left = table.watch(leaving.signal);
    const kept = table.watch();
    await next(left);
    await next(kept);
    leaving.abort();
    expect((await left.next()).done).toBe(true);
    table.stop();
    expect((await kept.next()).done).toBe(true);
    expect(table.subscriberCount).toBe(0);
  });
});
