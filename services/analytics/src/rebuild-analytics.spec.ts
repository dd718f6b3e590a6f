import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DAY_MS, newEventId, newGenerationId } from '@switchyard/core';
import { createPool, runMigrations } from '@switchyard/db';
import { encodeGenerationCompleted, EVENT_LOG_SCHEMA, PostgresEventLog } from '@switchyard/events';
import { events } from '@switchyard/proto';
import { captureLogger, manualClock, seededRandom, startTestPostgres, type TestPostgres } from '@switchyard/testing';
import type { Pool } from 'pg';
import { analyticsTarget } from './analytics.target.js';
import { rebuildAnalytics, wholeDaysSince } from './rebuild-analytics.js';

const random = seededRandom(5);
const logger = captureLogger();

describe('analytics that is rebuilt', () => {
  let postgres: TestPostgres;
  let pool: Pool;
  let eventLog: PostgresEventLog;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    await runMigrations(postgres.url, EVENT_LOG_SCHEMA);
    await runMigrations(postgres.url, analyticsTarget.schema!);
    pool = createPool(postgres.url, { schema: 'analytics' });
    eventLog = new PostgresEventLog({ url: postgres.url, logger, retentionMs: 5 * DAY_MS });
  }, 90_000);
  afterAll(async () => {
    await eventLog.close();
    await pool.end();
    await postgres.close();
  });

  /** Accepted and published so many days ago. */
  async function publishFrom(daysAgo: number, overrides: Partial<events.GenerationCompleted> = {}): Promise<void> {
    const clock = manualClock(Date.now() - daysAgo * DAY_MS);
    const event = events.GenerationCompleted.fromPartial({
      eventId: newEventId(clock, random),
      generationId: newGenerationId(clock, random),
      acceptTimeMs: BigInt(clock.nowMs()),
      end: events.GenerationEnd.COMPLETED,
      accountId: 'acme',
      endpointId: 'e1',
      chargePico: 5n,
      ...overrides,
    });
    await eventLog.publish([encodeGenerationCompleted(event, 'test')]);
    await pool.query(`UPDATE event_log.record SET appended_at = to_timestamp($1::float8 / 1000) WHERE key = $2`, [clock.nowMs(), event.generationId]);
  }
  const days = async () =>
    (await pool.query('SELECT day::text, usage_pico::int AS spent FROM activity_daily ORDER BY day')).rows as { day: string; spent: number }[];
  const count = async () => (await pool.query('SELECT count(*)::int AS count FROM generation')).rows;

  it('keeps what the log does not tell any more, and tells from which day on figures are new', async () => {
    for (const daysAgo of [20, 20, 10, 5.01, 2, 1, 0]) await publishFrom(daysAgo);
    expect(await rebuildAnalytics({ eventLog, pool, logger })).toEqual({ sinceMs: 0, eventCount: 7, unreadableCount: 0 });
    const before = await days();
    expect(before.map(({ spent }) => spent)).toEqual([10, 5, 5, 5, 5, 5]);

    expect(await eventLog.trim()).toBeGreaterThan(0n);
    const newestDay = before.at(-1)!.day;
    await pool.query('UPDATE activity_daily SET usage_pico = 1 WHERE day = $1', [newestDay]);
    const { sinceMs, eventCount } = await rebuildAnalytics({ eventLog, pool, logger });
    expect(sinceMs % DAY_MS).toBe(0);
    expect(Date.now() - sinceMs).toBeLessThanOrEqual(5 * DAY_MS);
    expect(Date.now() - sinceMs).toBeGreaterThan(3 * DAY_MS);
    expect(eventCount).toBeGreaterThanOrEqual(3);
    expect(eventCount).toBeLessThan(7);
    expect(await days()).toEqual(before);
    expect(await count()).toEqual([{ count: 7 }]);
  });

  it('has the time that it takes to delete what is filled anew, and nothing else has', async () => {
    const before = await days();
    // Stands for many rows.
    await pool.query(`
      CREATE FUNCTION take_long() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1.2); RETURN NULL; END';
      CREATE TRIGGER take_long BEFORE DELETE ON activity_daily FOR EACH STATEMENT EXECUTE FUNCTION take_long();
    `);
    const impatient = createPool(postgres.url, { schema: 'analytics', statementTimeoutMs: 1_000 });
    try {
      await expect(impatient.query('DELETE FROM activity_daily WHERE false')).rejects.toMatchObject({ code: '57014' });
      expect((await rebuildAnalytics({ eventLog, pool: impatient, logger })).sinceMs).toBeGreaterThan(0);
      expect(await days()).toEqual(before);
      await expect(impatient.query('DELETE FROM activity_daily WHERE false')).rejects.toMatchObject({ code: '57014' });
    } finally {
      await impatient.end();
      await pool.query('DROP TRIGGER take_long ON activity_daily; DROP FUNCTION take_long');
    }
  });

  it('comes to the end also of a log with events that the database refuses', async () => {
    const before = await days();
    // A day that no calendar of the database has.
    await publishFrom(0, { acceptTimeMs: 8_000_000_000_000_000n });
    expect(await rebuildAnalytics({ eventLog, pool, logger })).toMatchObject({ unreadableCount: 1 });
    expect(await days()).toEqual(before);
  });

  it('goes back to the first day that the log has whole', () => {
    const noon = Date.UTC(2026, 4, 5, 12);
    expect(wholeDaysSince(0)).toBe(0);
    expect(wholeDaysSince(noon)).toBe(Date.UTC(2026, 4, 6));
    // Clocks may differ: what was kept since shortly before midnight may lack what was accepted shortly after it.
    expect(wholeDaysSince(Date.UTC(2026, 4, 5, 23, 30))).toBe(Date.UTC(2026, 4, 7));
  });
});
