import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startTestPostgres, type TestPostgres } from '@switchyard/testing';
import fc from 'fast-check';
import type pg from 'pg';
import { createPool } from './pool.js';
import { sourceCopy } from './source-copy.js';
import { allAnswered, withTransaction } from './transaction.js';

interface Thing {
  readonly position: number;
  readonly label: string | null;
  readonly id: string;
  readonly isGood: boolean | undefined;
}

const copyThings = sourceCopy<Thing, 'at'>({
  table: 'things',
  columns: {
    position: ['bigint', (thing) => thing.position],
    label: ['text', (thing) => thing.label],
    id: ['uuid', (thing) => thing.id],
    is_good: ['boolean', (thing) => thing.isGood],
  },
  shared: { at: 'timestamptz' },
});

describe('copying rows into a table', () => {
  const at = new Date(1_700_000_000_123);
  let postgres: TestPostgres;
  let pool: pg.Pool;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    pool = createPool(postgres.url, { max: 1 });
    await pool.query(
      'CREATE TABLE things (position bigint PRIMARY KEY CHECK (position <> 13), label text, id uuid, is_good boolean, at timestamptz) PARTITION BY RANGE (position)',
    );
    await pool.query('CREATE TABLE things_first PARTITION OF things FOR VALUES FROM (0) TO (3)');
    await pool.query('CREATE TABLE things_other PARTITION OF things DEFAULT');
  }, 90_000);
  afterAll(async () => {
    await pool.end();
    await postgres.close();
  });
  beforeEach(() => pool.query('TRUNCATE things'));

  const copy = (things: readonly Thing[]): Promise<void> => withTransaction(pool, (client) => copyThings(client, things, { at }));
  const stored = async (): Promise<unknown[]> =>
    (await pool.query('SELECT position::int, label, id, is_good AS "isGood", at FROM things ORDER BY position')).rows;
  const thing = (position: number, changes: Partial<Thing> = {}): Thing => ({
    position,
    label: 'a label',
    id: '01a1fef7-cf5a-7e9e-8e8a-e6d72c018e3c',
    isGood: true,
    ...changes,
  });

  it('stores every value as it is, of few rows and many, short and long, repeated and missing', async () => {
    const label = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(null, '', 'same', 'same', '\\.', '\\N', 'x'.repeat(9_000)));
    const row = fc.record({
      label: label.filter((text) => text === null || (text.isWellFormed() && !text.includes('\0'))),
      id: fc.oneof(fc.uuid(), fc.constant('01a1fef7-cf5a-7e9e-8e8a-e6d72c018e3c')),
      isGood: fc.option(fc.boolean(), { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 40 }), async (rows) => {
        await pool.query('TRUNCATE things');
        await copy(rows.map((one, index) => ({ ...one, position: index === 13 ? -1 : index })));
        const expected = rows.map((one, index) => ({ position: index === 13 ? -1 : index, ...one, isGood: one.isGood ?? null, at }));
        expect(await stored()).toEqual(expected.sort((left, right) => left.position - right.position));
      }),
      { numRuns: 50 },
    );
    await pool.query('TRUNCATE things');
    await copy(Array.from({ length: 3_000 }, (_, index) => thing(100 + index)));
    expect(await stored()).toHaveLength(3_000);
  });

  it.each([
    ['a key that is there already', [thing(1), thing(2), thing(1)], '23505'],
    ['what a check forbids', [thing(1), thing(13)], '23514'],
    ['a text that Postgres cannot hold', [thing(1), thing(2, { label: 'a\0b' })], '22021'],
  ])('keeps nothing when it meets %s, and the connection goes on', async (_, things, code) => {
    await expect(copy(things)).rejects.toMatchObject({ code });
    await expect(copy([...things, ...Array.from({ length: 2_000 }, (__, index) => thing(100 + index))])).rejects.toMatchObject({ code });
    expect(await stored()).toEqual([]);
    await copy([thing(5)]);
    expect(await stored()).toHaveLength(1);
  });

  it('keeps the rows of copies apart that are on their way together, more of them than the network takes at once', async () => {
    const part = (number: number, perPart: number): Thing[] =>
      Array.from({ length: perPart }, (_, index) => thing(100 + number * perPart + index, { label: String(number).repeat(3_000) }));
    for (const perPart of [200, 300]) {
      await pool.query('TRUNCATE things');
      await withTransaction(pool, (client) => allAnswered([0, 1, 2, 3, 4, 5, 6].map((number) => copyThings(client, part(number, perPart), { at }))));
      const { rows } = await pool.query('SELECT DISTINCT ((position - 100) / $1)::int AS part, label FROM things ORDER BY part', [perPart]);
      expect(rows).toEqual([0, 1, 2, 3, 4, 5, 6].map((number) => ({ part: number, label: String(number).repeat(3_000) })));
    }
  });

  it('asks nothing of the database for a value of another kind', async () => {
    await expect(copy([thing(1), thing(2, { id: 'no id' })])).rejects.toThrow(TypeError);
    expect(await stored()).toEqual([]);
    expect(() => sourceCopy<Thing>({ table: 'things', columns: { at: ['date', () => at] } })).toThrow('No binary form of date');
  });
});
