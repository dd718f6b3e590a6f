import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestPostgres, type TestPostgres } from '@switchyard/testing';
import type { Pool } from 'pg';
import { batchInsert } from './batch-insert.js';
import { createPool } from './pool.js';
import { withTransaction } from './transaction.js';

describe('a pool', () => {
  let postgres: TestPostgres;
  let pool: Pool;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    const setup = createPool(postgres.url);
    await setup.query('CREATE SCHEMA yard; CREATE TABLE yard.counter (name text PRIMARY KEY, value bigint NOT NULL, note text)');
    await setup.end();
    pool = createPool(postgres.url, { schema: 'yard', max: 4, statementTimeoutMs: 2_000 });
  });
  afterAll(async () => {
    await pool.end();
    await postgres.close();
  });

  it('reads 64-bit integers and numerics without a float', async () => {
    const { rows } = await pool.query(`SELECT 9007199254740993::bigint AS big, 0.1::numeric AS exact, ARRAY[1, 9007199254740993]::bigint[] AS bigs`);
    expect(rows).toEqual([{ big: 9007199254740993n, exact: '0.1', bigs: [1n, 9007199254740993n] }]);
  });

  it('ends statements that run too long', async () => {
    await expect(pool.query('SELECT pg_sleep(20)')).rejects.toThrow(/statement timeout/);
  });

  it('gives up a transaction that fell silent, so that nobody waits for its locks any longer', async () => {
    const patient = createPool(postgres.url, { schema: 'yard' });
    await patient.query(`INSERT INTO counter (name, value) VALUES ('silent', 0)`);
    const silent = await pool.connect();
    await silent.query('BEGIN');
    await silent.query(`UPDATE counter SET value = 1 WHERE name = 'silent'`);
    await patient.query(`UPDATE counter SET value = value + 10 WHERE name = 'silent'`);
    await expect(silent.query('COMMIT')).rejects.toThrow();
    silent.release(true);
    expect((await patient.query(`SELECT value FROM counter WHERE name = 'silent'`)).rows).toEqual([{ value: 10n }]);
    await patient.end();
  });

  it('has the server look within minutes whether a silent connection still leads anywhere', async () => {
    expect((await pool.query('SHOW tcp_keepalives_idle')).rows).toEqual([{ tcp_keepalives_idle: '60' }]);
  });

  it('survives the end of a connection that is taken and waits, and gives another', async () => {
    const client = await pool.connect();
    const ended = new Promise((resolve) => client.once('end', resolve));
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await pool.query('SELECT pg_terminate_backend($1)', [rows[0]!.pid]);
    await ended;
    await expect(client.query('SELECT 1')).rejects.toThrow();
    client.release(true);
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('inserts many rows in one statement and reports only the new ones', async () => {
    const insert = batchInsert<{ name: 'text'; value: 'bigint'; note: 'text' }, { name: string }>({
      table: 'counter',
      columns: { name: 'text', value: 'bigint', note: 'text' },
      suffix: 'ON CONFLICT DO NOTHING RETURNING name',
    });
    const rows = [1n, 2n, 9007199254740993n].map((value) => ({ name: `batch ${value}`, value, note: value === 2n ? null : `it's "${value}", {x}` }));
    expect(await insert(pool, rows.slice(0, 2))).toEqual([{ name: 'batch 1' }, { name: 'batch 2' }]);
    expect(await insert(pool, rows)).toEqual([{ name: 'batch 9007199254740993' }]);
    expect(await insert(pool, [])).toEqual([]);
    const stored = await pool.query(`SELECT name, value, note FROM counter WHERE name LIKE 'batch%' ORDER BY value`);
    expect(stored.rows).toEqual(rows);
  });

  it('repeats transactions that collide, so that no update is lost', async () => {
    await pool.query(`INSERT INTO counter (name, value) VALUES ('race', 0)`);
    const increment = () =>
      withTransaction(
        pool,
        async (client) => {
          const { rows } = await client.query<{ value: bigint }>(`SELECT value FROM counter WHERE name = 'race'`);
          await client.query(`UPDATE counter SET value = $1 WHERE name = 'race'`, [rows[0]!.value + 1n]);
        },
        { isolation: 'SERIALIZABLE', maxTries: 50 },
      );
    await Promise.all(Array.from({ length: 8 }, increment));
    const { rows } = await pool.query(`SELECT value FROM counter WHERE name = 'race'`);
    expect(rows).toEqual([{ value: 8n }]);
  });

  it('rolls back what a failing transaction wrote, and does not repeat it', async () => {
    let runs = 0;
    const failing = withTransaction(pool, async (client) => {
      runs++;
      await client.query(`INSERT INTO counter (name, value) VALUES ('ghost', 1)`);
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    expect(runs).toBe(1);
    expect((await pool.query(`SELECT 1 FROM counter WHERE name = 'ghost'`)).rowCount).toBe(0);
  });
});
