import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createPool, runMigrations } from '@switchyard/db';
import { events } from '@switchyard/proto';
import { captureLogger, eventually, startTestPostgres, type TestPostgres } from '@switchyard/testing';
import type { Pool } from 'pg';
import type { ConsumedRecord, EventRecord } from '../event-log.js';
import { EVENT_LOG_SCHEMA } from './event-log.schema.js';
import { PostgresEventLog, type PostgresEventLogOptions } from './postgres-event-log.js';

describe('the event log in Postgres', () => {
  let postgres: TestPostgres;
  let admin: Pool;
  const logs: PostgresEventLog[] = [];

  beforeEach(async () => {
    postgres = await startTestPostgres();
    await runMigrations(postgres.url, EVENT_LOG_SCHEMA);
    admin = createPool(postgres.url, { schema: EVENT_LOG_SCHEMA.name, max: 2 });
  });
  afterEach(async () => {
    await Promise.all(logs.splice(0).map((log) => log.close()));
    await admin.end();
    await postgres.close();
  });

  const open = (options: Partial<PostgresEventLogOptions> = {}): PostgresEventLog => {
    const log = new PostgresEventLog({ url: postgres.url, logger: captureLogger(), rebalanceIntervalMs: 50, pollIntervalMs: 50, ...options });
    logs.push(log);
    return log;
  };
  const record = (key: string, value: string): EventRecord => ({ topic: 'line', key, value, headers: {} });

  it('skips nothing when many publish at once while it is read', async () => {
    const reader = open({ partitionCount: 2 });
    const seen: ConsumedRecord[] = [];
    await reader.subscribe({ group: 'g', topics: ['line'], maxBatchSize: 20, handler: async (batch) => void seen.push(...batch) });
    const publishers = [open(), open(), open()];
    await Promise.all(
      publishers.map(async (publisher, who) => {
        for (let round = 0; round < 20; round++) {
          await publisher.publish(Array.from({ length: 5 }, (_, index) => record(`key-${(who + index + round) % 7}`, `${who}/${round}/${index}`)));
        }
      }),
    );
    await eventually(() => expect(seen).toHaveLength(300));
    // The publishers added partitions to those that the reader began with.
    expect(new Set(seen.map((each) => each.partition)).size).toBeGreaterThan(2);
    for (let partition = 0; partition < 8; partition++) {
      const offsets = seen.filter((each) => each.partition === partition).map((each) => each.offset);
      expect(offsets).toEqual(offsets.map((_, index) => BigInt(index)));
    }
  });

  it("delivers each record once and in order when the consumer's own process and another publish at the same time", async () => {
    const own = open({ partitionCount: 2 });
    const other = open({ partitionCount: 2 });
    const seen: ConsumedRecord[] = [];
    await own.subscribe({ group: 'g', topics: ['line'], maxBatchSize: 7, handler: async (batch) => void seen.push(...batch) });
    const publish = async (log: PostgresEventLog, who: string) => {
      for (let round = 0; round < 30; round++)
        await log.publish(Array.from({ length: 4 }, (_, index) => record(`key-${index}`, `${who}/${String(round).padStart(2, '0')}`)));
    };
    await Promise.all([publish(own, 'own'), publish(other, 'other')]);
    await eventually(() => expect(seen).toHaveLength(240));
    await eventually(async () => expect(await own.lag('g')).toBe(0n));
    for (const partition of [0, 1]) {
      const offsets = seen.filter((each) => each.partition === partition).map((each) => each.offset);
      expect(offsets).toEqual(offsets.map((_, index) => BigInt(index)));
    }
    for (const who of ['own', 'other']) {
      const rounds = seen.filter((each) => each.key === 'key-1' && each.value.startsWith(who)).map((each) => each.value);
      expect(rounds).toEqual([...rounds].sort());
    }
  });

  it("spares a consumer that lags the reading and decoding of its own process's records, also behind those of others", async () => {
    const own = open({ partitionCount: 2 });
    const other = open({ partitionCount: 2 });
    const seen: ConsumedRecord[] = [];
    let letGo = (): void => undefined;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    await own.subscribe({
      group: 'g',
      topics: ['line'],
      maxBatchSize: 10,
      handler: async (batch) => {
        await held;
        seen.push(...batch);
      },
    });
    await other.publish(Array.from({ length: 40 }, (_, index) => record(`key-${index}`, 'other')));
    const message = events.GenerationCompleted.fromPartial({});
    await own.publish(Array.from({ length: 400 }, (_, index) => ({ ...record(`key-${index}`, 'own'), message })));
    letGo();
    await eventually(() => expect(seen).toHaveLength(440));
    expect(new Set(seen.map(({ partition, offset }) => `${partition}/${offset}`)).size).toBe(440);
    expect(seen.filter((each) => each.message === message).length).toBeGreaterThan(300);
  });

  it('trims what every group consumed and what is old enough, and nothing else', async () => {
    const log = open({ partitionCount: 1, retentionMs: 3_600_000 });
    await log.publish([record('k', 'old and consumed'), record('k', 'old and consumed too'), record('k', 'young')]);
    const quick = await log.subscribe({ group: 'quick', topics: ['line'], maxBatchSize: 10, handler: async () => {} });
    await eventually(async () => expect(await log.lag('quick')).toBe(0n));
    await admin.query(`UPDATE record SET appended_at = now() - interval '2 hours' WHERE value LIKE 'old%'`);
    await admin.query(
      `INSERT INTO claim (group_name, topic_id, partition, position) SELECT 'slow', topic_id, partition, 1 FROM claim WHERE group_name = 'quick'`,
    );
    expect(await log.trim()).toBe(1n);
    await admin.query(`UPDATE claim SET position = 3 WHERE group_name = 'slow'`);
    expect(await log.trim()).toBe(1n);
    expect(await log.trim()).toBe(0n);
    await quick.close();
    const seen: string[] = [];
    await log.subscribe({ group: 'new', topics: ['line'], maxBatchSize: 10, handler: async (batch) => void seen.push(...batch.map((each) => each.value)) });
    await eventually(() => expect(seen).toEqual(['young']));
    expect(await log.lag('new')).toBe(0n);
  });

  it('gives the partitions of a consumer that fell silent to another, and refuses its late commit', async () => {
    const silent = open({ partitionCount: 1, memberTimeoutMs: 600_000 });
    const other = open({ memberTimeoutMs: 5_000 });
    await silent.publish([record('k', 'one')]);
    let wakeUp: () => void = () => {};
    const asleep = new Promise<void>((resolve) => (wakeUp = resolve));
    const bySilent: string[] = [];
    await silent.subscribe({
      group: 'g',
      topics: ['line'],
      maxBatchSize: 1,
      handler: async (batch) => {
        bySilent.push(batch[0]!.value);
        await asleep;
      },
    });
    await eventually(() => expect(bySilent).toEqual(['one']));
    await admin.query(`UPDATE member SET heartbeat_at = now() - interval '1 minute'`);
    const byOther: string[] = [];
    await other.subscribe({ group: 'g', topics: ['line'], maxBatchSize: 10, handler: async (batch) => void byOther.push(...batch.map((each) => each.value)) });
    await eventually(() => expect(byOther).toEqual(['one']));
    await other.publish([record('k', 'two')]);
    await eventually(async () => expect(await other.lag('g')).toBe(0n));
    expect(byOther).toEqual(['one', 'two']);
    const before = await admin.query<{ position: bigint }>(`SELECT position FROM claim WHERE group_name = 'g'`);
    wakeUp();
    await eventually(async () => expect((await admin.query(`SELECT 1 FROM member WHERE group_name = 'g'`)).rowCount).toBe(2));
    expect((await admin.query<{ position: bigint }>(`SELECT position FROM claim WHERE group_name = 'g'`)).rows).toEqual(before.rows);
  });

  it('says what is wrong when an event names a partition that is not there, and appends nothing', async () => {
    const log = open({ partitionCount: 1 });
    await log.publish([record('k', 'first')]);
    await admin.query('DELETE FROM topic_partition');
    await expect(log.publish([record('k', 'lost')])).rejects.toThrow(/topic or partition that does not exist/);
    expect((await admin.query('SELECT 1 FROM record')).rowCount).toBe(1);
  });
});
