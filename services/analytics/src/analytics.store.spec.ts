import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { DAY_MS, newEventId, newGenerationId } from '@switchyard/core';
import { createPool, runMigrations } from '@switchyard/db';
import { encodeAttemptCompleted, encodeGenerationCompleted, type ConsumedRecord, type EventLog, type EventRecord } from '@switchyard/events';
import { common, events } from '@switchyard/proto';
import { captureLogger, eventually, manualClock, seededRandom, startTestPostgres, type TestPostgres } from '@switchyard/testing';
import type { Pool, QueryConfig } from 'pg';
import { ActivityStore } from './activity.store.js';
import { AnalyticsService } from './analytics.service.js';
import { analyticsTarget } from './analytics.target.js';
import { EndpointStatisticsStore } from './endpoint-statistics.store.js';
import { GenerationStore } from './generation.store.js';
import { PartitionStore } from './partition.store.js';
import { RetentionJob } from './retention.job.js';
import { StatisticsFeed } from './statistics-feed.js';
import { parseUsageEvent, UsageEventConsumer } from './usage-event.consumer.js';

const NOW = Date.UTC(2026, 4, 20, 12);
const NO_FILTER = { keyHash: '', model: '', providerSlug: '', app: '', user: '', status: '', cursor: '', limit: 0, sessionId: '' };

let postgres: TestPostgres;
let pool: Pool;

beforeAll(async () => {
  postgres = await startTestPostgres();
  const schema = analyticsTarget.schema;
  if (!schema) throw new Error('analytics owns a schema');
  await runMigrations(postgres.url, schema);
  pool = createPool(postgres.url, { schema: schema.name });
}, 90_000);

afterAll(async () => {
  await pool.end();
  await postgres.close();
});

beforeEach(async () => {
  await pool.query('TRUNCATE generation, attempt, activity_daily, endpoint_slot, endpoint_measure');
});

function setUp(housekeeping: Pool = pool) {
  const clock = manualClock(NOW);
  const random = seededRandom(7);
  const generations = new GenerationStore(pool);
  const activity = new ActivityStore(pool);
  const statistics = new EndpointStatisticsStore(housekeeping);
  const logger = captureLogger();
  const feed = new StatisticsFeed({ store: statistics, clock, logger, intervalMs: 2_000 });
  const eventLog = {} as EventLog;
  const consumer = new UsageEventConsumer({ eventLog, pool, generations, activity, statistics, logger, maxBatchSize: 100 });
  const retention = new RetentionJob({
    partitions: new PartitionStore(housekeeping),
    statistics,
    clock,
    logger,
    generationRetentionMs: 60 * DAY_MS,
    attemptRetentionMs: 60 * DAY_MS,
  });
  const service = new AnalyticsService({ generations, activity, feed, clock });
  /** The same over a database that takes an age for everything. */
  const slowService = new AnalyticsService({
    generations,
    activity,
    feed,
    clock: {
      nowMs: clock.nowMs,
      monotonicMs: () => {
        clock.advance(60_000);
        return clock.monotonicMs();
      },
    },
  });

  const generation = (overrides: Partial<events.GenerationCompleted> = {}): events.GenerationCompleted =>
    events.GenerationCompleted.fromPartial({
      eventId: newEventId(clock, random),
      generationId: newGenerationId(clock, random),
      acceptTimeMs: BigInt(clock.nowMs()),
      end: events.GenerationEnd.COMPLETED,
      accountId: 'acme',
      workspaceId: 'w1',
      keyHash: 'k1',
      model: 'openai/gpt-4o',
      modelPermaslug: 'openai/gpt-4o-2024-08-06',
      endpointId: 'openai/gpt-4o@openai',
      providerSlug: 'openai',
      providerName: 'OpenAI',
      chargePico: 1_500n,
      usage: common.Usage.fromPartial({ meters: { input_uncached: 10, output_text: 5, reasoning: 3 } }),
      ...overrides,
    });
  const attempt = (overrides: Partial<events.AttemptCompleted> = {}): events.AttemptCompleted =>
    events.AttemptCompleted.fromPartial({
      eventId: newEventId(clock, random),
      attemptId: 'g:0',
      generationId: 'g',
      endpointId: 'e1',
      startTimeMs: BigInt(clock.nowMs() - 1_000),
      endTimeMs: BigInt(clock.nowMs()),
      outcome: events.AttemptOutcome.COMPLETED,
      reporter: events.AttemptReporter.WORKER,
      firstTokenMs: 200n,
      outputTokens: 50n,
      costPico: 900n,
      ...overrides,
    });
  const deliver = (...records: EventRecord[]): Promise<void> =>
    consumer.consume(
      records.map((record, index) => parseUsageEvent({ ...record, partition: 0, offset: BigInt(index), timeMs: clock.nowMs() } satisfies ConsumedRecord)),
    );
  const deliverGenerations = (...items: events.GenerationCompleted[]): Promise<void> =>
    deliver(...items.map((item) => encodeGenerationCompleted(item, 'test')));
  const deliverAttempts = (...items: events.AttemptCompleted[]): Promise<void> => deliver(...items.map((item) => encodeAttemptCompleted(item, 'test')));
  return { clock, random, service, slowService, feed, retention, generation, attempt, deliver, deliverGenerations, deliverAttempts };
}

describe('generations', () => {
  it('come back as they were reported, to their own account alone', async () => {
    const { service, generation, deliverGenerations } = setUp();
    const sent = generation({ metadata: { team: 'blue' }, user: 'a\0b', traceJson: '{"trace_id":"t"}' });
    await deliverGenerations(sent);
    const found = await service.getGeneration({ accountId: 'acme', generationId: sent.generationId });
    expect(found.generation).toEqual(sent);
    await expect(service.getGeneration({ accountId: 'other', generationId: sent.generationId })).rejects.toMatchObject({ type: 'not_found' });
    await expect(service.getGeneration({ accountId: 'acme', generationId: 'gen-1-unknown' })).rejects.toMatchObject({ type: 'not_found' });
  });

  it('are listed newest first, page by page, without loss or repetition', async () => {
    const { clock, service, generation, deliverGenerations } = setUp();
    const sent: string[] = [];
    for (let index = 0; index < 7; index++) {
      // Some share their accept time, so that the cursor has to tell them apart.
      if (index % 2 === 0) clock.advance(1_000);
      const item = generation({ acceptTimeMs: BigInt(clock.nowMs()) });
      sent.push(item.generationId);
      await deliverGenerations(item);
    }
    const seen: string[] = [];
    let cursor = '';
    do {
      const page = await service.listGenerations({ ...NO_FILTER, accountId: 'acme', cursor, limit: 3 });
      expect(page.generations.length).toBeLessThanOrEqual(3);
      seen.push(...page.generations.map((item) => item.generationId));
      cursor = page.nextCursor;
    } while (cursor !== '');
    expect(seen).toHaveLength(7);
    expect(new Set(seen)).toEqual(new Set(sent));
    const times = await service.listGenerations({ ...NO_FILTER, accountId: 'acme' });
    const acceptTimes = times.generations.map((item) => item.acceptTimeMs);
    expect(acceptTimes).toEqual([...acceptTimes].sort((left, right) => Number(right - left)));
    await expect(service.listGenerations({ ...NO_FILTER, accountId: 'acme', cursor: 'zzz' })).rejects.toMatchObject({ type: 'invalid_request' });
  });

  it('come in shorter pages where clients attached much to them, without loss or repetition', async () => {
    const { clock, service, generation, deliverGenerations } = setUp();
    const sent = Array.from({ length: 300 }, () => {
      clock.advance(1);
      return generation({ acceptTimeMs: BigInt(clock.nowMs()), traceJson: JSON.stringify({ note: 'x'.repeat(16_000) }) });
    });
    await deliverGenerations(...sent);
    const first = await service.listGenerations({ ...NO_FILTER, accountId: 'acme', limit: 300 });
    const second = await service.listGenerations({ ...NO_FILTER, accountId: 'acme', limit: 300, cursor: first.nextCursor });
    expect(first.generations.length).toBeLessThan(300);
    expect([...first.generations, ...second.generations].map((item) => item.generationId)).toEqual(sent.map((item) => item.generationId).reverse());
    expect(second.nextCursor).toBe('');
  });

  it('are found page by page, each in good time, also where few of a long log pass the filter', async () => {
    const { clock, service, slowService, generation, deliverGenerations } = setUp();
    const others: events.GenerationCompleted[] = [];
    const quiet: events.GenerationCompleted[] = [];
    for (let index = 0; index < 2_400; index++) {
      const isQuiet = index % 1_100 === 0;
      if (index % 2 === 0) clock.advance(1);
      (isQuiet ? quiet : others).push(generation({ keyHash: isQuiet ? 'quiet' : 'k1', acceptTimeMs: BigInt(clock.nowMs()) }));
    }
    await deliverGenerations(...others, ...quiet);
    const newestFirst = quiet.map((item) => item.generationId).reverse();
    const whole = await service.listGenerations({ ...NO_FILTER, accountId: 'acme', keyHash: 'quiet' });
    expect([whole.generations.map((item) => item.generationId), whole.nextCursor]).toEqual([newestFirst, '']);
    const pages: string[][] = [];
    let cursor = '';
    do {
      const page = await slowService.listGenerations({ ...NO_FILTER, accountId: 'acme', keyHash: 'quiet', cursor, limit: 900 });
      pages.push(page.generations.map((item) => item.generationId));
      cursor = page.nextCursor;
    } while (cursor !== '');
    expect(pages.flat()).toEqual(newestFirst);
    expect(pages.map((ids) => ids.length)).toEqual([1, 1, 1]);
  });

  it('are narrowed by each filter', async () => {
    const { clock, service, generation, deliverGenerations } = setUp();
    const plain = generation();
    clock.advance(10_000);
    const special = generation({
      keyHash: 'k2',
      model: 'anthropic/claude-sonnet-4',
      modelPermaslug: 'anthropic/claude-sonnet-4-20250514',
      providerSlug: 'anthropic',
      httpReferer: 'https://app.example',
      appTitle: 'App',
      user: 'u2',
      sessionId: 's2',
      end: events.GenerationEnd.UPSTREAM_FAILED,
    });
    await deliverGenerations(plain, special);
    const idsWith = async (filter: object) =>
      (await service.listGenerations({ ...NO_FILTER, accountId: 'acme', ...filter })).generations.map((item) => item.generationId);
    for (const filter of [
      { keyHash: 'k2' },
      { model: 'anthropic/claude-sonnet-4' },
      { model: 'anthropic/claude-sonnet-4-20250514' },
      { providerSlug: 'anthropic' },
      { app: 'https://app.example' },
      { app: 'App' },
      { user: 'u2' },
      { sessionId: 's2' },
      { status: 'upstream_failed' },
      { startTimeMs: special.acceptTimeMs },
    ]) {
      expect(await idsWith(filter)).toEqual([special.generationId]);
    }
    expect(await idsWith({ endTimeMs: special.acceptTimeMs })).toEqual([plain.generationId]);
    expect(await idsWith({})).toEqual([special.generationId, plain.generationId]);
    await expect(idsWith({ status: 'odd' })).rejects.toMatchObject({ type: 'invalid_request' });
  });
});

describe('what clients wrote', () => {
  it('is stored however odd or long it is', async () => {
    const { service, generation, deliverGenerations } = setUp();
    const user = `\ud800\0${'\u{1f600}'.repeat(512)}`;
    const sent = generation({ user, sessionId: '\u{1f600}'.repeat(128), httpReferer: 'x'.repeat(2_048), metadata: { '\0': '\udc00' } });
    await deliverGenerations(sent);
    expect((await service.getGeneration({ accountId: 'acme', generationId: sent.generationId })).generation).toEqual(sent);
    expect((await service.listGenerations({ ...NO_FILTER, accountId: 'acme', user })).generations).toHaveLength(1);
    expect(
      (await service.listActivity({ accountId: 'acme', date: '2026-05-20', keyHash: '', user, workspaceId: '', groupByWorkspace: false })).rows,
    ).toHaveLength(1);
  });

  it.each([
    ['halves of characters', '\ud800', '\ud801'],
    ['characters that the longest name ends within', `${'x'.repeat(255)}\u{1f600}`, `${'x'.repeat(255)}\u{1f916}`],
  ])('is one name where it is stored alike, also in one batch: %s', async (_case, user, other) => {
    const { service, generation, deliverGenerations } = setUp();
    await deliverGenerations(generation({ user }), generation({ user: other }));
    const filter = { accountId: 'acme', date: '2026-05-20', keyHash: '', user, workspaceId: '', groupByWorkspace: false };
    expect((await service.listActivity(filter)).rows).toMatchObject([{ requestCount: 2n }]);
  });
});

describe('activity', () => {
  it('sums answered requests by day and endpoint, each event once however often it is delivered', async () => {
    const { clock, service, generation, deliverGenerations } = setUp();
    const twice = generation();
    await deliverGenerations(
      twice,
      twice,
      generation({ keyHash: 'k2', user: 'u2', workspaceId: 'w2' }),
      generation({ end: events.GenerationEnd.UPSTREAM_FAILED, chargePico: 0n }),
    );
    await deliverGenerations(twice);
    const list = (filter: object) =>
      service.listActivity({ accountId: 'acme', date: '2026-05-20', keyHash: '', user: '', workspaceId: '', groupByWorkspace: false, ...filter });
    expect((await list({})).rows).toEqual([
      {
        date: '2026-05-20',
        model: 'openai/gpt-4o',
        modelPermaslug: 'openai/gpt-4o-2024-08-06',
        endpointId: 'openai/gpt-4o@openai',
        providerName: 'OpenAI',
        usagePico: 3_000n,
        byokUsagePico: 0n,
        requestCount: 2n,
        promptTokenCount: 20n,
        completionTokenCount: 16n,
        reasoningTokenCount: 6n,
        workspaceId: '',
      },
    ]);
    expect((await list({ keyHash: 'k2' })).rows).toMatchObject([{ requestCount: 1n }]);
    expect((await list({ user: 'u2' })).rows).toMatchObject([{ requestCount: 1n }]);
    expect((await list({ workspaceId: 'w2' })).rows).toMatchObject([{ requestCount: 1n }]);
    expect((await list({ groupByWorkspace: true })).rows.map((row) => row.workspaceId).sort()).toEqual(['w1', 'w2']);
    // Without a date: the last 30 completed days, today not among them.
    expect((await list({ date: '' })).rows).toEqual([]);
    clock.advance(DAY_MS);
    expect((await list({ date: '' })).rows).toMatchObject([{ requestCount: 2n }]);
    await expect(list({ date: 'yesterday' })).rejects.toMatchObject({ type: 'invalid_request' });
  });
});

describe('activity that nobody waits for any more', () => {
  it('is not read to its end', async () => {
    const { service } = setUp();
    const locker = await pool.connect();
    try {
      await locker.query('BEGIN; LOCK TABLE activity_daily IN ACCESS EXCLUSIVE MODE');
      const leave = new AbortController();
      const request = { accountId: 'acme', date: '', keyHash: '', user: '', workspaceId: '', groupByWorkspace: false };
      const ended = expect(service.listActivity(request, { signal: leave.signal })).rejects.toThrow('gone');
      const waiting = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      await eventually(async () => expect((await pool.query(waiting)).rowCount).toBeGreaterThan(0));
      leave.abort(new Error('gone'));
      await ended;
    } finally {
      await locker.query('ROLLBACK');
      locker.release();
    }
  });
});

describe('endpoint statistics', () => {
  it('come from attempts, each counted once, and survive a restart', async () => {
    const { feed, attempt, deliverAttempts } = setUp();
    const twice = attempt();
    const upstreamFailed = { outcome: events.AttemptOutcome.UPSTREAM_FAILED, firstTokenMs: undefined, outputTokens: 0n };
    await deliverAttempts(
      twice,
      attempt({ firstTokenMs: 400n }),
      attempt({ ...upstreamFailed, upstreamStatus: 500 }),
      attempt({ ...upstreamFailed, upstreamStatus: 429 }),
      attempt({ ...upstreamFailed, upstreamStatus: 400 }),
    );
    await deliverAttempts(twice);
    const expected = {
      endpointId: 'e1',
      last5m: { successCount: 2n, failureCount: 1n, rateLimitedCount: 1n },
      last30m: { successCount: 2n, failureCount: 1n },
      last1d: { successCount: 2n, failureCount: 1n },
      recentFailureCount: 1n,
      recentRequestCount: 3n,
    };
    for (const reader of [feed, setUp().feed]) {
      await reader.tick();
      const first = await reader.watch()[Symbol.asyncIterator]().next();
      expect(first.value?.endpoints).toMatchObject([expected]);
      const latency = first.value?.endpoints[0]?.last30m?.firstTokenMs;
      expect(latency?.p50).toBeGreaterThan(190);
      expect(latency?.p50).toBeLessThan(210);
      expect(latency?.p99).toBeGreaterThan(390);
      expect(first.value?.endpoints[0]?.last5m?.throughput?.p50).toBeGreaterThan(48);
    }
  });
});

describe('endpoint statistics of a busy platform', () => {
  it('are read in few rows: each costs the process that also serves requests', async () => {
    await pool.query(
      `INSERT INTO endpoint_measure (slot_ms, endpoint_id, measure, bucket, sample_count)
       SELECT $1::bigint - 60000 * minute, 'e' || endpoint, measure, bucket, 7
       FROM generate_series(1, 29) minute, generate_series(1, 5) endpoint, unnest(ARRAY['first_token_ms', 'throughput']) measure, generate_series(101, 140) bucket`,
      [NOW],
    );
    await pool.query(
      `INSERT INTO endpoint_slot (slot_ms, endpoint_id, success_count, failure_count, rate_limited_count)
       SELECT $1::bigint - 10000 * slot, 'e' || endpoint, 10, 2, 1 FROM generate_series(1, 174) slot, generate_series(1, 5) endpoint`,
      [NOW],
    );
    let rowCount = 0;
    const query = async (asked: QueryConfig) => {
      const result = await pool.query(asked);
      rowCount += result.rows.length;
      return result;
    };
    const statistics = new EndpointStatisticsStore({ query } as unknown as Pool);
    const feed = new StatisticsFeed({ store: statistics, clock: manualClock(NOW), logger: captureLogger(), intervalMs: 2_000 });
    await feed.tick();
    const { value } = await feed.watch().next();
    const { last5m, last30m } = value.endpoints[2];
    expect(last30m).toMatchObject({ successCount: 1_740n, failureCount: 348n, rateLimitedCount: 174n });
    expect(last5m).toMatchObject({ successCount: 300n, failureCount: 60n, rateLimitedCount: 30n });
    // The middle of buckets 120 and 140.
    expect([last30m.firstTokenMs.p50, last5m.throughput.p99]).toEqual([113, 247]);
    expect(rowCount).toBeLessThan(400);
  });
});

describe('retention', () => {
  it('makes months ahead and drops what is past its time', async () => {
    const { clock, retention, service, generation, deliverGenerations } = setUp();
    await retention.run();
    const old = generation();
    await deliverGenerations(old);
    const { rows } = await pool.query<{ place: string }>('SELECT tableoid::regclass::text AS place FROM generation');
    expect(rows).toEqual([{ place: 'generation_202605' }]);
    clock.advance(50 * DAY_MS);
    await retention.run();
    await expect(service.getGeneration({ accountId: 'acme', generationId: old.generationId })).resolves.toMatchObject({ generation: { eventId: old.eventId } });
    clock.advance(60 * DAY_MS);
    await retention.run();
    await expect(service.getGeneration({ accountId: 'acme', generationId: old.generationId })).rejects.toMatchObject({ type: 'not_found' });
  });

  it('needs no more than one connection', async () => {
    const schema = analyticsTarget.schema!.name;
    const small = createPool(postgres.url, { schema, max: 1 });
    try {
      await setUp(small).retention.run();
    } finally {
      await small.end();
    }
  });
});

describe('retention beside events that came too early', () => {
  it('leaves them in the default partition, goes on, and deletes them when their time has come', async () => {
    const { clock, retention, service, generation, deliverGenerations, random } = setUp();
    const farAhead = manualClock(clock.nowMs() + 400 * DAY_MS);
    const early = generation({ eventId: newEventId(farAhead, random) });
    await deliverGenerations(early);
    clock.advance(400 * DAY_MS);
    await retention.run();
    await expect(service.getGeneration({ accountId: 'acme', generationId: early.generationId })).resolves.toMatchObject({
      generation: { eventId: early.eventId },
    });
    clock.advance(100 * DAY_MS);
    await retention.run();
    await expect(service.getGeneration({ accountId: 'acme', generationId: early.generationId })).rejects.toMatchObject({ type: 'not_found' });
  });
});

describe('retention beside long readers', () => {
  it('makes months to come and drops old ones when nobody reads the table, and lets nobody wait until then', async () => {
    const { clock, retention } = setUp();
    clock.setNow(Date.UTC(2040, 0, 15));
    await retention.run();
    const [january, ...others] = await monthsOf('generation');
    expect([january, ...others]).toEqual(['generation_204001', 'generation_204002', 'generation_204003']);
    clock.setNow(Date.UTC(2040, 2, 15));
    await readingMeanwhile(async () => {
      await retention.run();
      expect(await monthsOf('generation')).toEqual([january, ...others]);
    });
    await retention.run();
    expect(await monthsOf('generation')).toEqual([january, ...others, 'generation_204004', 'generation_204005']);
    clock.setNow(Date.UTC(2040, 3, 15));
    await readingMeanwhile(async () => {
      await retention.run();
      expect(await monthsOf('generation')).toContain(january);
    });
    await retention.run();
    expect(await monthsOf('generation')).not.toContain(january);
  });

  async function monthsOf(table: string): Promise<string[]> {
    const { rows } = await pool.query<{ name: string }>(
      `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::regclass AND inhrelid <> ($1 || '_default')::regclass ORDER BY name`,
      [table],
    );
    return rows.map(({ name }) => name);
  }

  /** A transaction that has read, and stays open, while the work runs. */
  async function readingMeanwhile(work: () => Promise<void>): Promise<void> {
    const reader = await pool.connect();
    try {
      await reader.query('BEGIN');
      await reader.query('SELECT count(*) FROM generation');
      await work();
    } finally {
      await reader.query('ROLLBACK');
      reader.release();
    }
  }
});

describe('parseUsageEvent', () => {
  it('refuses what can never be stored', () => {
    const { generation } = setUp();
    const parse = (event: events.GenerationCompleted) => parseUsageEvent({ ...encodeGenerationCompleted(event, 'test'), partition: 0, offset: 0n, timeMs: 0 });
    expect(() => parse(generation({ eventId: '00000000-0000-4000-8000-000000000000' }))).toThrow('UUIDv7');
    expect(() => parse(generation({ end: events.GenerationEnd.UNSPECIFIED }))).toThrow('four ends');
    expect(() => parse(generation({ acceptTimeMs: 9_000_000_000_000_000n }))).toThrow('accept time');
  });
});
