import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually, startTestPostgres, type TestPostgres } from '@switchyard/testing';
import type { Pool, PoolClient } from 'pg';
import { createPool } from './pool.js';
import { sourceCopy } from './source-copy.js';
import { allAnswered, withTransaction } from './transaction.js';

const copyStops = sourceCopy<number>({ table: 'stops', columns: { position: ['bigint', (position) => position] } });

describe('statements of a transaction that are asked together', () => {
  let postgres: TestPostgres;
  let pool: Pool;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    // One connection, so that what one transaction leaves behind meets the next.
    pool = createPool(postgres.url, { max: 1 });
    await pool.query('CREATE TABLE stops (position bigint PRIMARY KEY CHECK (position <> 13))');
  }, 90_000);
  afterAll(async () => {
    await pool.end();
    await postgres.close();
  });
  beforeEach(() => pool.query('TRUNCATE stops'));

  const insert = (client: PoolClient, position: number): Promise<unknown> => client.query('INSERT INTO stops VALUES ($1)', [position]);
  const stored = async (): Promise<number[]> => {
    const { rows } = await pool.query<{ position: bigint }>('SELECT position FROM stops ORDER BY position');
    return rows.map(({ position }) => Number(position));
  };

  it('run in the order in which they were asked, copies among them, and each has its own answer', async () => {
    const counts = await withTransaction(pool, async (client) => {
      const count = async (): Promise<number> => Number((await client.query<{ count: bigint }>('SELECT count(*) FROM stops')).rows[0]!.count);
      const [, none, , three, , four] = await allAnswered([undefined, count(), copyStops(client, [1, 2, 3]), count(), insert(client, 4), count()]);
      return [none, three, four];
    });
    expect(counts).toEqual([0, 3, 4]);
    expect(await stored()).toEqual([1, 2, 3, 4]);
  });

  it.each([
    ['an insert', (client: PoolClient) => insert(client, 13)],
    ['a copy', (client: PoolClient) => copyStops(client, [5, 13])],
  ])('keep nothing when %s among them fails, tell why, and leave the connection sound', async (_, failing) => {
    const together = withTransaction(pool, (client) => allAnswered([insert(client, 1), failing(client), copyStops(client, [2, 3]), insert(client, 4)]));
    await expect(together).rejects.toMatchObject({ code: '23514' });
    expect(await stored()).toEqual([]);
    await withTransaction(pool, (client) => copyStops(client, [6]));
    expect(await stored()).toEqual([6]);
  });

  it('tell what failed first, wherever it stands, so that a transaction is repeated where that helps', async () => {
    let tries = 0;
    await withTransaction(pool, async (client) => {
      const isFirst = tries++ === 0;
      const one = insert(client, 1).then(() => insert(client, 2));
      await allAnswered([one, isFirst ? client.query(`DO $$ BEGIN RAISE 'met another' USING ERRCODE = 'deadlock_detected'; END $$`) : insert(client, 3)]);
    });
    expect([tries, await stored()]).toEqual([2, [1, 2, 3]]);
  });

  it('are all answered before the failure of one of them is told', async () => {
    let isAnswered = false;
    const slow = async (client: PoolClient): Promise<void> => {
      await client.query('SELECT 1');
      await Promise.resolve();
      isAnswered = true;
    };
    await expect(withTransaction(pool, (client) => allAnswered([Promise.reject(new Error('not even asked')), slow(client)]))).rejects.toThrow('not even asked');
    expect(isAnswered).toBe(true);
  });
});

describe('a transaction that nobody waits for any more', () => {
  let postgres: TestPostgres;
  let pool: Pool;
  let observer: Pool;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    // One connection: what is cancelled leaves none to ask for it, and whatever it leaves behind meets the next transaction.
    pool = createPool(postgres.url, { max: 1, applicationName: 'reader' });
    observer = createPool(postgres.url, { max: 1 });
  }, 90_000);
  afterAll(async () => {
    await Promise.all([pool.end(), observer.end()]);
    await postgres.close();
  });

  const running = async (): Promise<string[]> =>
    (
      await observer.query<{ query: string }>(
        `SELECT query FROM pg_stat_activity WHERE application_name = 'reader' AND state = 'active' AND datname = current_database()`,
      )
    ).rows.map(({ query }) => query);

  it('ends in the middle of a statement, asks nothing more, and leaves its connection sound', async () => {
    const leave = new AbortController();
    let isGoingOn = false;
    const reading = withTransaction(
      pool,
      async (client) => {
        await client.query('SELECT pg_sleep(600)');
        isGoingOn = true;
      },
      { readOnly: true, signal: leave.signal },
    );
    const ended = expect(reading).rejects.toThrow('gone');
    await eventually(async () => expect(await running()).toEqual(['SELECT pg_sleep(600)']));
    leave.abort(new Error('gone'));
    await ended;
    expect([isGoingOn, await running()]).toEqual([false, []]);
    expect((await pool.query<{ one: number }>('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('is not begun', async () => {
    const signal = AbortSignal.abort(new Error('gone'));
    await expect(withTransaction(pool, () => Promise.reject(new Error('begun')), { signal })).rejects.toThrow('gone');
  });

  it('ends with the reason of an abort whose cancellation found no statement any more', async () => {
    const leave = new AbortController();
    const reading = withTransaction(
      pool,
      async (client) => {
        const { rowCount } = await client.query('SELECT 1');
        leave.abort(new Error('gone'));
        return rowCount;
      },
      { readOnly: true, signal: leave.signal },
    );
    await expect(reading).rejects.toThrow('gone');
    expect((await pool.query('SELECT 1')).rowCount).toBe(1);
  });

  it('leaves one alone that is still waited for', async () => {
    const { signal } = new AbortController();
    expect(await withTransaction(pool, async (client) => (await client.query('SELECT 1')).rowCount, { signal })).toBe(1);
  });
});

describe('a transaction at a server that is the primary no more', () => {
  it('leaves its connection, so that the next one finds the server that is', async () => {
    const postgres = await startTestPostgres();
    const admin = createPool(postgres.url, { max: 1 });
    const pool = createPool(postgres.url, { max: 1 });
    await admin.query('CREATE TABLE stops (position bigint)');
    const { rows } = await admin.query<{ name: string }>('SELECT current_database() AS name');
    const arrive = () => withTransaction(pool, (client) => client.query('INSERT INTO stops VALUES (1)'));
    try {
      await admin.query(`ALTER DATABASE ${rows[0]!.name} SET default_transaction_read_only = on`);
      await expect(arrive()).rejects.toMatchObject({ code: '25006' });
      await admin.query(`ALTER DATABASE ${rows[0]!.name} RESET default_transaction_read_only`);
      await arrive();
    } finally {
      await Promise.all([admin.end(), pool.end()]);
      await postgres.close();
    }
  });
});
