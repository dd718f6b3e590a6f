import type { Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createPool } from '@switchyard/db';
import { captureLogger, eventually, startTestPostgres, type TestPostgres } from '@switchyard/testing';
import type { Pool, PoolClient } from 'pg';
import { NotificationListener, sendSignal } from './notification-listener.store.js';

describe('signals between billing instances', () => {
  let postgres: TestPostgres;
  let sender: Pool;
  const cleanUps: (() => void)[] = [];
  beforeAll(async () => {
    postgres = await startTestPostgres();
    sender = createPool(postgres.url);
  }, 90_000);
  afterEach(() => cleanUps.splice(0).forEach((cleanUp) => cleanUp()));
  afterAll(async () => {
    await sender.end();
    await postgres.close();
  });

  /** A listener whose first connections break, each after it has asked for its second signal. */
  function setUp(brokenCount = 0) {
    const pool = createPool(postgres.url, { max: 5 });
    const seen = { acquired: 0, released: 0, changes: 0, releases: 0 };
    pool.on('acquire', (client) => {
      if (++seen.acquired <= brokenCount) breakOnceAsked(client, 'LISTEN billing_recalls');
    });
    pool.on('release', () => seen.released++);
    const listener = new NotificationListener(pool, captureLogger());
    listener.on('billing_changes', () => seen.changes++);
    listener.on('billing_releases', () => seen.releases++);
    cleanUps.push(() => listener.stop());
    return { pool, listener, seen };
  }

  /** Sent once; how often it was heard, known when what was sent behind it has been heard. */
  async function hearChange(seen: { readonly changes: number; readonly releases: number }): Promise<number> {
    const before = { ...seen };
    await sendSignal(sender as unknown as PoolClient, 'billing_changes');
    await sendSignal(sender as unknown as PoolClient, 'billing_releases');
    await eventually(() => expect(seen.releases).toBeGreaterThan(before.releases));
    return seen.changes - before.changes;
  }

  it('are heard again, once each and by one connection, after a connection was reset while it began to listen', async () => {
    const { pool, listener, seen } = setUp(1);
    await listener.start();
    expect(listener.isListening).toBe(false);
    await eventually(() => expect(seen.releases).toBe(1));
    expect({ acquired: seen.acquired, open: pool.totalCount, idle: pool.idleCount }).toEqual({ acquired: 2, open: 1, idle: 0 });
    expect(await hearChange(seen)).toBe(1);
    listener.stop();
    await pool.end();
    expect(seen.released).toBe(seen.acquired);
  });

  it('are heard again after the server ended the connection', async () => {
    const { pool, listener, seen } = setUp();
    await listener.start();
    await sender.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN billing_releases'`);
    await eventually(() => expect(seen.releases).toBe(2));
    expect({ acquired: seen.acquired, open: pool.totalCount }).toEqual({ acquired: 2, open: 1 });
    expect(await hearChange(seen)).toBe(1);
    listener.stop();
    await pool.end();
  });

  it('are heard by one connection though listening stopped and started again while it began', async () => {
    const { pool, listener, seen } = setUp();
    const first = listener.start();
    listener.stop();
    await Promise.all([first, listener.start(), listener.start()]);
    await eventually(() => expect(seen.releases).toBe(1));
    expect(pool.totalCount).toBe(1);
    listener.stop();
    await pool.end();
    expect(seen.released).toBe(seen.acquired);
  });
});

/** Its socket is reset right after that statement was sent. */
function breakOnceAsked(client: PoolClient, statement: string): void {
  const { connection } = client as unknown as { readonly connection: { readonly stream: Socket } };
  const query = client.query.bind(client) as (...asked: unknown[]) => unknown;
  client.query = ((...asked: unknown[]) => {
    const answer = query(...asked);
    if (asked[0] === statement) connection.stream.destroy(new Error('read ECONNRESET'));
    return answer;
  }) as never;
}
