import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestPostgres, type TestPostgres } from '@switchyard/testing';
import type { Pool } from 'pg';
import { batchInsert } from './batch-insert.js';
import { createPool } from './pool.js';
import { allowStatementTime } from './statement-time.js';
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
  }, 90_000);
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

  it('lets statements of a transaction that asks for it run longer', async () => {
    const impatient = createPool(postgres.url, { max: 1, statementTimeoutMs: 500, answerTimeoutMs: 700 });
    try {
      await withTransaction(impatient, async (client) => {
        await allowStatementTime(client, 5_000);
        await client.query('SELECT pg_sleep(1)');
      });
      await expect(impatient.query('SELECT pg_sleep(1)')).rejects.toThrow(/timeout/);
    } finally {
      await impatient.end();
    }
  });

  it('gives up a server that answers no more, and what it knew of it', async () => {
    const relay = await relayTo(postgres.url);
    const relayed = createPool(relay.url, { max: 1, statementTimeoutMs: 1_000, answerTimeoutMs: 1_200 });
    try {
      const silenced = withTransaction(relayed, async (client) => {
        await client.query('SELECT 1');
        relay.silence();
        await client.query('SELECT 2');
      });
      await expect(silenced).rejects.toThrow('Query read timeout');
      expect((await relayed.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    } finally {
      await relayed.end();
      relay.close();
    }
  });

  it('gives up a transaction that fell silent, so that nobody waits for its locks any longer', async () => {
    // Silence is given up after two thirds of this; the rest has to be enough for all else that the one who waits waits for.
    const own = createPool(postgres.url, { schema: 'yard', max: 2, statementTimeoutMs: 4_500 });
    try {
      await own.query(`INSERT INTO counter (name, value) VALUES ('silent', 0)`);
      const silent = await own.connect();
      await silent.query('BEGIN');
      await silent.query(`UPDATE counter SET value = 1 WHERE name = 'silent'`);
      // It waits from before the silence.
      await Promise.all([silent.query('SELECT pg_sleep(0.3)'), own.query(`UPDATE counter SET value = value + 10 WHERE name = 'silent'`)]);
      await expect(silent.query('COMMIT')).rejects.toThrow();
      silent.release(true);
      expect((await own.query(`SELECT value FROM counter WHERE name = 'silent'`)).rows).toEqual([{ value: 10n }]);
    } finally {
      await own.end();
    }
  });

  it('has the server look within minutes whether a silent connection still leads anywhere', async () => {
    expect((await pool.query('SHOW tcp_keepalives_idle')).rows).toEqual([{ tcp_keepalives_idle: '60' }]);
  });

  it('reads times, and waits for a row that another changes, whatever the defaults of its database are', async () => {
    const { rows } = await pool.query<{ name: string }>('SELECT current_database() AS name');
    const settings = { DateStyle: 'German', default_transaction_isolation: 'serializable' };
    for (const [setting, value] of Object.entries(settings)) await pool.query(`ALTER DATABASE ${rows[0]!.name} SET ${setting} = '${value}'`);
    const elsewhere = createPool(postgres.url, { schema: 'yard', max: 2 });
    try {
      const read = await elsewhere.query(`SELECT '2026-11-23T07:00:00.123Z'::timestamptz AS time`);
      expect(read.rows).toEqual([{ time: new Date('2026-11-23T07:00:00.123Z') }]);
      await pool.query(`INSERT INTO counter (name, value) VALUES ('shared', 0)`);
      const increments = Array.from({ length: 20 }, () => elsewhere.query(`UPDATE counter SET value = value + 1 WHERE name = 'shared'`));
      await Promise.all(increments);
      expect((await pool.query(`SELECT value FROM counter WHERE name = 'shared'`)).rows).toEqual([{ value: 20n }]);
    } finally {
      await elsewhere.end();
      for (const setting of Object.keys(settings)) await pool.query(`ALTER DATABASE ${rows[0]!.name} RESET ${setting}`);
    }
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

/** A server's address with a relay before it, whose connections can fall silent as those to a machine that is gone. Later ones pass. */
async function relayTo(serverUrl: string): Promise<{ readonly url: string; silence(): void; close(): void }> {
  const { hostname, port } = new URL(serverUrl);
  const sockets = new Set<Socket>();
  const server = createServer((inbound) => {
    const outbound = connect(Number(port), hostname);
    for (const socket of [inbound, outbound]) sockets.add(socket.on('error', () => undefined));
    inbound.pipe(outbound);
    outbound.pipe(inbound);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(serverUrl);
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: url.href,
    silence: () => {
      for (const socket of sockets) socket.unpipe().pause();
    },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
