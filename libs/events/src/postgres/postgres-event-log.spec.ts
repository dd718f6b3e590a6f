import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { createPool, runMigrations } from '@switchyard/db';
import { events } from '@switchyard/proto';
import { captureLogger, eventually, startTestPostgres, type TestPostgres } from '@switchyard/testing';
import type { Pool, PoolClient } from 'pg';
import type { ConsumedRecord, EventRecord } from '../event-log.js';
import { EVENT_LOG_SCHEMA } from './event-log.schema.js';
import { EventLogStore } from './event-log.store.js';
import { PostgresEventLog, type PostgresEventLogOptions } from './postgres-event-log.js';

describe('the event log in Postgres', () => {
  let postgres: TestPostgres;
  let admin: Pool;
  const logs: PostgresEventLog[] = [];

  beforeEach(async () => {
    postgres = await startTestPostgres();
    await runMigrations(postgres.url, EVENT_LOG_SCHEMA);
    admin = createPool(postgres.url, { schema: EVENT_LOG_SCHEMA.name, max: 2 });
  }, 90_000);
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

  it('hands over together what is published shortly one after the other, also to a consumer that had nothing to do', async () => {
    const log = open();
    const asked = jest.spyOn(EventLogStore.prototype, 'read');
    const batches: ConsumedRecord[][] = [];
    await log.subscribe({ group: 'g', topics: ['line'], maxBatchSize: 20, handler: async (batch) => void batches.push(batch) });
    let quickCount = 0;
    let apartCount = 0;
    // On a busy machine the second publication often takes longer than anybody waits for it.
    for (let round = 1; quickCount < 10 && round <= 20; round++) {
      // Whoever has nothing to do asks the database now and then, and has just been answered.
      asked.mockClear();
      await eventually(() => expect(asked.mock.calls.length).toBeGreaterThan(1));
      await asked.mock.results.at(-1)!.value;
      const before = batches.length;
      await log.publish([record('key', 'attempt')]);
      const firstAtMs = performance.now();
      await log.publish([record('key', 'generation')]);
      const isQuick = performance.now() - firstAtMs < 8;
      await eventually(() => expect(batches.flat()).toHaveLength(2 * round));
      if (!isQuick) continue;
      quickCount++;
      if (batches.length > before + 1) apartCount++;
    }
    asked.mockRestore();
    expect(apartCount).toBeLessThan(6);
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
    await eventually(async () => expect(await log.lag('new')).toBe(0n));
  });

  it('trims all that is old enough, however much of it there is', async () => {
    const log = open({ partitionCount: 1, retentionMs: 3_600_000 });
    await log.publish([record('k', 'begins the topic')]);
    await admin.query(
      `INSERT INTO record (topic_id, partition, position, key, value, headers, appended_at)
       SELECT topic_id, partition, position, 'k', '', '{}', clock_timestamp() - interval '2 hours' FROM topic_partition, generate_series(1, 25000) AS position`,
    );
    await admin.query(`UPDATE record SET appended_at = clock_timestamp() - interval '2 hours'`);
    await admin.query(`UPDATE topic_partition SET next_position = 25001`);
    await admin.query(`INSERT INTO claim (group_name, topic_id, partition, position) SELECT 'g', topic_id, partition, next_position FROM topic_partition`);
    expect(await log.trim()).toBe(25_001n);
  });

  describe('that keeps many records', () => {
    const KEPT = 5_000;
    const OLD = 40;
    let client: PoolClient;

    beforeEach(async () => {
      await open({ partitionCount: 2 }).publish([record('k', 'begins the topic')]);
      await admin.query('DELETE FROM record');
      await admin.query(
        `INSERT INTO record (topic_id, partition, position, key, value, headers, appended_at)
         SELECT topic_id, partition, position, 'k', '', '{}', clock_timestamp() - CASE WHEN position < ${OLD} THEN interval '2 hours' ELSE interval '0' END
           FROM topic_partition, generate_series(0, ${OLD + KEPT - 1}) AS position`,
      );
      await admin.query(`UPDATE topic_partition SET next_position = ${OLD + KEPT}`);
      await admin.query(`INSERT INTO claim (group_name, topic_id, partition, position) SELECT 'g', topic_id, partition, next_position FROM topic_partition`);
      await admin.query('ANALYZE');
      client = await admin.connect();
      await client.query('BEGIN');
    });
    afterEach(async () => {
      await client.query('ROLLBACK');
      client.release();
    });

    const trim = (atMost: number): Promise<bigint> => new EventLogStore(client as unknown as Pool).trim(3_600_000, atMost);
    const visited = async (): Promise<number> => {
      const { rows } = await client.query<{ count: number }>(
        `SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int AS count FROM pg_stat_xact_user_tables WHERE relname LIKE 'record%'`,
      );
      return rows[0]!.count;
    };

    it('looks at what it trims and hardly at anything else', async () => {
      expect(await trim(10_000)).toBe(BigInt(2 * OLD));
      const byFirst = await visited();
      expect(byFirst).toBeLessThan(8 * OLD);
      expect(await trim(10_000)).toBe(0n);
      expect((await visited()) - byFirst).toBeLessThan(8);
    });

    it('trims no more of a partition at once than it is told to, and goes on from there', async () => {
      const counts: bigint[] = [];
      for (let round = 0; round < 4; round++) counts.push(await trim(15));
      expect(counts).toEqual([30n, 30n, 20n, 0n]);
      const { rows } = await client.query(
        `SELECT DISTINCT first_position::int AS first, (SELECT min(position)::int FROM record) AS oldest FROM topic_partition`,
      );
      expect(rows).toEqual([{ first: OLD, oldest: OLD }]);
    });

    it('keeps no partition locked while it waits for another', async () => {
      const firstPositions = async () => (await admin.query('SELECT first_position::int AS first FROM topic_partition ORDER BY partition')).rows;
      await client.query('SELECT 1 FROM topic_partition WHERE partition = 1 FOR UPDATE');
      const trimmed = open({ retentionMs: 3_600_000 }).trim();
      await eventually(async () => expect(await firstPositions()).toEqual([{ first: OLD }, { first: 0 }]));
      await admin.query('SELECT 1 FROM topic_partition WHERE partition = 0 FOR UPDATE NOWAIT');
      await client.query('ROLLBACK');
      expect(await trimmed).toBe(BigInt(2 * OLD));
      expect(await firstPositions()).toEqual([{ first: OLD }, { first: OLD }]);
    });
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

  it('skips nothing after a failover to a server that lacks the last of what was published', async () => {
    const log = open({ partitionCount: 1 });
    const seen: string[] = [];
    let letGo = (): void => undefined;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    await log.subscribe({
      group: 'g',
      topics: ['line'],
      maxBatchSize: 1,
      handler: async (batch) => {
        seen.push(batch[0]!.value);
        await held;
      },
    });
    await log.publish([record('k', 'kept')]);
    await eventually(() => expect(seen).toEqual(['kept']));
    await log.publish([record('k', 'lost'), record('k', 'lost too')]);
    await admin.query('DELETE FROM record WHERE position > 0');
    await admin.query('UPDATE topic_partition SET next_position = 1');
    await admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`);
    letGo();
    await eventually(() => log.publish([record('k', 'new')]));
    await eventually(() => expect(seen).toContain('new'));
  });

  it('says what is wrong when an event names a partition that is not there, and appends nothing', async () => {
    const log = open({ partitionCount: 1 });
    await log.publish([record('k', 'first')]);
    await admin.query('DELETE FROM topic_partition');
    await expect(log.publish([record('k', 'lost')])).rejects.toThrow(/topic or partition that does not exist/);
    expect((await admin.query('SELECT 1 FROM record')).rowCount).toBe(1);
  });
});
