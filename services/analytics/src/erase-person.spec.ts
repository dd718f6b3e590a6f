import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newEventId, newGenerationId } from '@switchyard/core';
import { createPool, runMigrations } from '@switchyard/db';
import { encodeGenerationCompleted, type ConsumedRecord, type EventLog } from '@switchyard/events';
import { common, events } from '@switchyard/proto';
import { captureLogger, eventually, realClock, seededRandom, startTestPostgres, type TestPostgres } from '@switchyard/testing';
import type { Pool } from 'pg';
import { ActivityStore } from './activity.store.js';
import { analyticsTarget } from './analytics.target.js';
import { CLIENT_FIELDS } from './core/erasure.js';
import { EndpointStatisticsStore } from './endpoint-statistics.store.js';
import { erasePerson } from './erase-person.js';
import { GenerationStore } from './generation.store.js';
import { parseUsageEvent, UsageEventConsumer } from './usage-event.consumer.js';

const clock = realClock();
const random = seededRandom(11);
const logger = captureLogger();
const SECRET = 'ann@example.com';

describe('what clients said about a person', () => {
  let postgres: TestPostgres;
  let pool: Pool;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    await runMigrations(postgres.url, analyticsTarget.schema!);
    pool = createPool(postgres.url, { schema: 'analytics' });
  }, 90_000);
  afterAll(async () => {
    await pool.end();
    await postgres.close();
  });

  function eventOf(accountId: string, said: Partial<events.GenerationCompleted>): ConsumedRecord {
    const event = events.GenerationCompleted.fromPartial({
      eventId: newEventId(clock, random),
      generationId: newGenerationId(clock, random),
      acceptTimeMs: BigInt(clock.nowMs()),
      end: events.GenerationEnd.COMPLETED,
      accountId,
      endpointId: 'acme/writer@acme',
      model: 'acme/writer',
      chargePico: 5n,
      usage: common.Usage.fromPartial({ meters: { output_text: 3 } }),
      ...said,
    });
    const { topic, key, value, headers } = encodeGenerationCompleted(event, 'test');
    const withUnknown = JSON.stringify({ ...(JSON.parse(value) as object), fieldOfTomorrow: 7 });
    return { topic, key, value: withUnknown, headers, partition: 0, offset: 0n, timeMs: clock.nowMs() };
  }

  async function record(...records: readonly ConsumedRecord[]): Promise<void> {
    const parts = {
      pool,
      generations: new GenerationStore(pool),
      activity: new ActivityStore(pool),
      statistics: new EndpointStatisticsStore(pool),
    };
    await new UsageEventConsumer({ ...parts, eventLog: {} as EventLog, logger, maxBatchSize: 100 }).consume(records.map(parseUsageEvent));
  }

  const erase = (person: Parameters<typeof erasePerson>[1]) => erasePerson({ pool, logger }, person);
  const everything = async (accountId: string) => {
    const rows = ['generation', 'activity_daily'].map((table) =>
      pool.query(`SELECT to_jsonb(row)::text AS text FROM ${table} AS row WHERE account_id = $1`, [accountId]),
    );
    return JSON.stringify((await Promise.all(rows)).flatMap((result) => result.rows as unknown[]));
  };
  const activity = async (accountId: string) =>
    (
      await pool.query(
        'SELECT external_user AS user, usage_pico::int AS spent, request_count::int AS requests FROM activity_daily WHERE account_id = $1 ORDER BY 1',
        [accountId],
      )
    ).rows as unknown[];

  it('is gone after it was erased by user, from records and activity, and figures stay', async () => {
    const said = { user: SECRET, sessionId: SECRET, metadata: { mail: SECRET }, traceJson: JSON.stringify({ by: SECRET }) };
    const sent = { userAgent: SECRET, requestId: SECRET, traceparent: SECRET, tracestate: SECRET };
    const attribution = { ...sent, httpReferer: `https://${SECRET}`, appTitle: SECRET, appCategories: [SECRET] };
    // More than one batch of the erasure.
    const hers = Array.from({ length: 1_100 }, () => eventOf('acme', { ...said, ...attribution }));
    const [other, nobodys, elsewhere] = [eventOf('acme', { user: 'bob' }), eventOf('acme', {}), eventOf('globex', { user: SECRET })];
    for (const part of [hers.slice(0, 500), hers.slice(500), [other, nobodys, elsewhere]]) await record(...part);
    const names = new Set(Object.keys(JSON.parse(hers[0]!.value) as object));
    expect(CLIENT_FIELDS.filter((name) => !names.has(name))).toEqual([]);

    expect(await erase({ accountId: 'acme', by: 'user', value: SECRET })).toEqual({ generationCount: 1_100, activityCount: 1 });
    expect(await everything('acme')).not.toContain(SECRET);
    expect(await everything('globex')).toContain(SECRET);
    expect(await activity('acme')).toEqual([
      { user: '', spent: 5_505, requests: 1_101 },
      { user: 'bob', spent: 5, requests: 1 },
    ]);
    const generation = JSON.parse((await new GenerationStore(pool).find('acme', hers[0]!.key))!) as Record<string, unknown>;
    expect(generation).toMatchObject({ generationId: hers[0]!.key, chargePico: '5', fieldOfTomorrow: 7 });

    // The same events again, as after a rewind.
    await record(...hers.slice(0, 20));
    expect(await everything('acme')).not.toContain(SECRET);
    expect(await erase({ accountId: 'acme', by: 'user', value: SECRET })).toEqual({ generationCount: 0, activityCount: 0 });
    expect(JSON.stringify(logger.lines)).not.toContain(SECRET);
  });

  it('is gone from a session or from one generation alone', async () => {
    const [first, second, third] = [
      eventOf('hooli', { sessionId: 'session-one', user: 'a' }),
      eventOf('hooli', { sessionId: 'session-one' }),
      eventOf('hooli', { sessionId: 'session-two' }),
    ];
    await record(first, second, third);
    expect(await erase({ accountId: 'hooli', by: 'session', value: 'session-one' })).toEqual({ generationCount: 2, activityCount: 0 });
    expect(await everything('hooli')).not.toContain('session-one');
    expect(await erase({ accountId: 'hooli', by: 'generation', value: third.key })).toEqual({ generationCount: 1, activityCount: 0 });
    expect(await everything('hooli')).not.toContain('session-two');
  });

  it('is gone though it held what a database cannot store, or came before events were kept as text', async () => {
    const odd = eventOf('initech', { user: 'ann\0' });
    const old = eventOf('initech', { user: 'ann' });
    await record(odd, old);
    await pool.query('UPDATE generation SET event = body::json, body = NULL WHERE generation_id = $1', [old.key]);
    expect(await erase({ accountId: 'initech', by: 'user', value: 'ann\0' })).toEqual({ generationCount: 2, activityCount: 1 });
    expect(await everything('initech')).not.toContain('ann');
  });

  it('is nothing where no name is left of what was said: records of nobody stay as they are', async () => {
    const nobodys = eventOf('umbrella', { sessionId: 'session-one' });
    await record(nobodys);
    for (const by of ['user', 'session'] as const)
      expect(await erase({ accountId: 'umbrella', by, value: '\0' })).toEqual({ generationCount: 0, activityCount: 0 });
    expect(await everything('umbrella')).toContain('session-one');
  });

  it('is gone from every day of activity', async () => {
    const dayMs = 86_400_000;
    const onDay = (dayNumber: number, user: string) => eventOf('stark', { user, acceptTimeMs: BigInt(dayNumber * dayMs) });
    await record(...[0, 20_000, 20_001].flatMap((dayNumber) => [onDay(dayNumber, SECRET), onDay(dayNumber, 'bob')]), onDay(20_001, ''));
    expect(await erase({ accountId: 'stark', by: 'user', value: SECRET })).toEqual({ generationCount: 3, activityCount: 3 });
    expect(await everything('stark')).not.toContain(SECRET);
    expect(await activity('stark')).toEqual([
      { user: '', spent: 5, requests: 1 },
      { user: '', spent: 5, requests: 1 },
      { user: '', spent: 10, requests: 2 },
      ...Array.from({ length: 3 }, () => ({ user: 'bob', spent: 5, requests: 1 })),
    ]);
  });

  it('is gone from a day that events come for meanwhile, which lock its rows the other way round', async () => {
    await record(eventOf('tyrell', { user: SECRET }), eventOf('tyrell', {}));
    const consumer = await pool.connect();
    const touch = (user: string) =>
      consumer.query('UPDATE activity_daily SET request_count = request_count + 1 WHERE account_id = $1 AND external_user = $2', ['tyrell', user]);
    const name = new URL(postgres.url).pathname.slice(1);
    // Of the two that wait for each other the erasure is given up.
    await consumer.query(`ALTER DATABASE ${name} SET deadlock_timeout = '3s'`);
    await consumer.query(`SET deadlock_timeout = '1min'`);
    const erasing = createPool(postgres.url, { schema: 'analytics', applicationName: 'erasure' });
    try {
      await consumer.query('BEGIN');
      await touch('');
      const erased = erasePerson({ pool: erasing, logger }, { accountId: 'tyrell', by: 'user', value: SECRET });
      await eventually(async () => {
        const { rowCount } = await pool.query(`SELECT 1 FROM pg_stat_activity WHERE application_name = 'erasure' AND wait_event_type = 'Lock'`);
        expect(rowCount).toBe(1);
      });
      await Promise.all([expect(erased).resolves.toEqual({ generationCount: 1, activityCount: 1 }), touch(SECRET).then(() => consumer.query('COMMIT'))]);
    } finally {
      consumer.release(true);
      await erasing.end();
      await pool.query(`ALTER DATABASE ${name} RESET deadlock_timeout`);
    }
    expect(await activity('tyrell')).toEqual([{ user: '', spent: 10, requests: 4 }]);
  });

  it.each(['user', 'session'] as const)('is looked for in a bounded number of records at a time, however many an account has: %s', async (by) => {
    const accountId = `wayne-${by}`;
    await pool.query(
      `INSERT INTO generation (event_id, generation_id, account_id, workspace_id, key_hash, accept_time_ms, status, model, model_permaslug, provider_slug,
                               http_referer, app_title, external_user, session_id, body)
       SELECT (lpad(to_hex($2::bigint + number), 12, '0') || '7000' || '8' || substr(md5($1 || number), 1, 15))::uuid, $1 || number, $1, '', '', $2::bigint + number, '', '', '', '',
              '', '', said.name, said.name, '{}'
         FROM generate_series(1, 30000) AS number, LATERAL (SELECT CASE WHEN number % 10000 = 7 THEN 'ann' ELSE 'user-' || number % 50 END AS name) AS said`,
      [accountId, clock.nowMs()],
    );
    await pool.query('ANALYZE generation');
    const watched = createPool(postgres.url, { schema: 'analytics' });
    const statements = watchStatements(watched);
    expect(await erasePerson({ pool: watched, logger }, { accountId, by, value: 'ann' })).toMatchObject({ generationCount: 3 });
    await watched.end();
    const selects = statements.filter(({ text }) => text.startsWith('SELECT') && text.includes(' FROM generation'));
    expect(selects.length).toBeGreaterThan(1);
    for (const { text, values } of selects) {
      const { rows } = await pool.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values);
      expect(lookedAt(rows[0]!['QUERY PLAN'][0].Plan)).toBeLessThanOrEqual(1_000);
    }
  });
});

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly PlanNode[];
}

/** Rows that a statement read from tables. */
function lookedAt(node: PlanNode): number {
  const own = /(?<!Bitmap Index) Scan$/.test(node['Node Type']) ? (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'] : 0;
  return (node.Plans ?? []).reduce((sum, child) => sum + lookedAt(child), own);
}

/** Grows by every statement that the pool's connections are asked. */
function watchStatements(pool: Pool): { readonly text: string; readonly values: unknown[] }[] {
  const statements: { text: string; values: unknown[] }[] = [];
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (...asked: unknown[]) => unknown;
    client.query = ((...asked: unknown[]) => {
      if (typeof asked[0] === 'string' && Array.isArray(asked[1])) statements.push({ text: asked[0], values: asked[1] });
      return query(...asked);
    }) as never;
  });
  return statements;
}
