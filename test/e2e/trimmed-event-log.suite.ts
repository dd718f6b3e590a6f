import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { analyticsTarget } from '@switchyard/analytics/analytics.target';
import { DAY_MS, newEventId, newGenerationId } from '@switchyard/core';
import { createPool, runMigrations } from '@switchyard/db';
import { encodeGenerationCompleted, type EventRecord } from '@switchyard/events';
import { events } from '@switchyard/proto';
import { manualClock, seededRandom } from '@switchyard/testing';
import type { Pool } from 'pg';

export interface TrimmedLogSubject {
  /** How commands find the database and the event log. */
  readonly environment: Readonly<Record<string, string>>;
  readonly databaseUrl: string;
  /** As if it had been published then; one after the other, oldest first. */
  publishAt(record: EventRecord, timeMs: number): Promise<void>;
  /** Deletes what is older than seven days. */
  trim(): Promise<void>;
  close(): Promise<void>;
}

interface Day {
  /** `YYYY-MM-DD`. */
  readonly day: string;
  readonly spent: number;
}

const PROGRAM = resolve(import.meta.dirname, '../../services/all/dist/main.js');
const HOUR_MS = 3_600_000;
const KEPT_MS = 7 * DAY_MS;
const PICO_EACH = 5;
/** Before everything that the log keeps, then in its last half hour that is kept, of which the day is not whole any more, and whole days. */
const AGES_MS = [20 * DAY_MS, 20 * DAY_MS, 10 * DAY_MS, KEPT_MS - HOUR_MS / 2, 3 * DAY_MS, 2 * DAY_MS, DAY_MS, 0];

/** A rebuild from a log that does not reach back as far as analytics does; over either event log. */
export function trimmedEventLogSuite(start: () => Promise<TrimmedLogSubject>): void {
  const random = seededRandom(7);
  let subject: TrimmedLogSubject;
  let pool: Pool;
  beforeAll(async () => {
    subject = await start();
    await runMigrations(subject.databaseUrl, analyticsTarget.schema!);
    pool = createPool(subject.databaseUrl, { schema: 'analytics', max: 1 });
  }, 300_000);
  afterAll(async () => {
    await pool?.end();
    await subject?.close();
  }, 60_000);

  function acceptedAt(timeMs: number): EventRecord {
    const clock = manualClock(timeMs);
    const event = events.GenerationCompleted.fromPartial({
      eventId: newEventId(clock, random),
      generationId: newGenerationId(clock, random),
      acceptTimeMs: BigInt(timeMs),
      end: events.GenerationEnd.COMPLETED,
      accountId: 'acme',
      endpointId: 'e1',
      chargePico: BigInt(PICO_EACH),
    });
    return encodeGenerationCompleted(event, 'test');
  }

  /** What `analytics rebuild` printed. */
  function rebuild(): Promise<string> {
    const env = { PATH: process.env['PATH'] ?? '', ...subject.environment };
    return new Promise((done) => execFile(process.execPath, [PROGRAM, 'analytics', 'rebuild'], { env }, (_, output, problems) => done(`${output}${problems}`)));
  }
  const days = async () => (await pool.query<Day>('SELECT day::text, usage_pico::int AS spent FROM activity_daily ORDER BY day')).rows;
  const generationCount = async () => Number((await pool.query<{ count: bigint }>('SELECT count(*) FROM generation')).rows[0]!.count);

  it('says from when on figures are new, renews those, and neither loses nor doubles what is older', async () => {
    const nowMs = Date.now();
    for (const ageMs of AGES_MS) await subject.publishAt(acceptedAt(nowMs - ageMs), nowMs - ageMs);
    expect(await rebuild()).toBe(`Read ${AGES_MS.length} events and rebuilt everything.\n`);
    const whole = await days();
    expect(whole.reduce((sum, { spent }) => sum + spent, 0)).toBe(AGES_MS.length * PICO_EACH);

    await subject.trim();
    const told = /^Read (\d+) events and rebuilt what was accepted since (\S+) 00:00 UTC; older figures stayed as they were\.\n$/.exec(await rebuild());
    const since = told?.[2] ?? '';
    expect(Number(told?.[1])).toBe(AGES_MS.filter((ageMs) => ageMs < KEPT_MS).length);
    expect(Date.parse(since)).toBeGreaterThan(nowMs - KEPT_MS);
    expect(Date.parse(since)).toBeLessThanOrEqual(nowMs);
    expect(await days()).toEqual(whole);
    expect(await generationCount()).toBe(AGES_MS.length);

    await pool.query('UPDATE activity_daily SET usage_pico = usage_pico + 1000');
    // As after the time for which requests are kept, when it is shorter than the log's.
    await pool.query('DELETE FROM generation WHERE accept_time_ms < $1', [Date.parse(since)]);
    expect(await rebuild()).toBe(told?.[0]);
    expect(await days()).toEqual(whole.map(({ day, spent }) => ({ day, spent: day < since ? spent + 1000 : spent })));
    expect(whole.filter(({ day }) => day < since).length).toBeGreaterThan(2);
  }, 240_000);
}
