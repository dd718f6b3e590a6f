import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startTestPostgres, type TestPostgres } from '@switchyard/testing';
import type { Pool } from 'pg';
import { insertOnce, withLikelyNew } from './insert-once.js';
import { createPool } from './pool.js';

interface Parcel {
  readonly id: string;
  readonly weight: bigint;
}

const insertParcels = insertOnce<Parcel, 'received_at_ms'>({
  table: 'parcel',
  columns: { id: ['text', (parcel) => parcel.id], weight: ['bigint', (parcel) => parcel.weight] },
  shared: { received_at_ms: 'bigint' },
  key: 'id',
  identity: ['id', (parcel) => parcel.id],
});

describe('inserting what is likely new', () => {
  let postgres: TestPostgres;
  let pool: Pool;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    pool = createPool(postgres.url);
    await pool.query('CREATE TABLE parcel (id text PRIMARY KEY, weight bigint NOT NULL CHECK (weight > 0), received_at_ms bigint NOT NULL)');
  }, 90_000);
  afterAll(async () => {
    await pool.end();
    await postgres.close();
  });
  beforeEach(() => pool.query('TRUNCATE parcel'));

  /** The tries that it took, and which parcels the last one found new. */
  const receive = async (parcels: readonly Parcel[], timeMs: number): Promise<{ tries: boolean[]; fresh: readonly Parcel[] }> => {
    const tries: boolean[] = [];
    const fresh = await withLikelyNew(pool, (client, mayBeKnown) => {
      tries.push(mayBeKnown);
      return insertParcels(client, parcels, mayBeKnown, { received_at_ms: timeMs });
    });
    return { tries, fresh };
  };
  const stored = async (): Promise<unknown[]> => (await pool.query('SELECT id, weight, received_at_ms AS "timeMs" FROM parcel ORDER BY id')).rows;
  const [a, b, c] = ['a', 'b', 'c'].map((id) => ({ id, weight: 5n })) as [Parcel, Parcel, Parcel];

  it('takes all as new where none is known, in one try', async () => {
    expect(await receive([a, b], 7)).toEqual({ tries: [false], fresh: [a, b] });
    expect(await stored()).toEqual([
      { id: 'a', weight: 5n, timeMs: 7n },
      { id: 'b', weight: 5n, timeMs: 7n },
    ]);
    expect(await receive([], 8)).toEqual({ tries: [false], fresh: [] });
  });

  it('tells which are new where some are known, and keeps nothing of the first try', async () => {
    await receive([b], 1);
    expect(await receive([a, b, c, c], 2)).toEqual({ tries: [false, true], fresh: [a, c] });
    expect(await stored()).toMatchObject([
      { id: 'a', timeMs: 2n },
      { id: 'b', timeMs: 1n },
      { id: 'c', timeMs: 2n },
    ]);
  });

  it('comes to one row each when two do it at once', async () => {
    const results = await Promise.all([receive([a, b], 1), receive([a, b, c], 2)]);
    expect(results.flatMap(({ fresh }) => fresh.map(({ id }) => id)).sort()).toEqual(['a', 'b', 'c']);
    expect(await stored()).toHaveLength(3);
  });

  it('does not try again what fails for another reason', async () => {
    const tries: boolean[] = [];
    const failing = withLikelyNew(pool, (client, mayBeKnown) => {
      tries.push(mayBeKnown);
      return insertParcels(client, [{ id: 'd', weight: 0n }], mayBeKnown, { received_at_ms: 1 });
    });
    await expect(failing).rejects.toThrow(/check constraint/);
    expect(tries).toEqual([false]);
  });
});
