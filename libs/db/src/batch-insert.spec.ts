import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestPostgres, type TestPostgres } from '@switchyard/testing';
import fc from 'fast-check';
import type pg from 'pg';
import { batchInsert } from './batch-insert.js';
import { createPool } from './pool.js';

describe('batchInsert', () => {
  let postgres: TestPostgres;
  let pool: pg.Pool;

  beforeAll(async () => {
    postgres = await startTestPostgres();
    pool = createPool(postgres.url);
    await pool.query('CREATE TABLE things (position bigint, label text, amount numeric, is_good boolean, at timestamptz, document jsonb)');
  }, 90_000);
  afterAll(async () => {
    await pool.end();
    await postgres.close();
  });

  const insert = batchInsert({
    table: 'things',
    columns: { position: 'bigint', label: 'text', amount: 'numeric', is_good: 'boolean', at: 'timestamptz', document: 'jsonb' },
  });

  it('stores every text as it is, missing values as NULL, and keeps the order', async () => {
    const label = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(null, '', 'null', 'NULL', '{}', ',', '"', '\\', 'a"b\\c', ' padded ', "it's", '{"a":[1,"\\\\"]}'),
    );
    const row = fc.record({
      label: label.filter((text) => text === null || (text.isWellFormed() && !text.includes('\0'))),
      amount: fc.option(fc.bigInt()),
      isGood: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 20 }), async (rows) => {
        await pool.query('TRUNCATE things');
        const at = new Date(1_700_000_000_000);
        await insert(
          pool,
          rows.map((one, index) => ({
            position: BigInt(index),
            label: one.label,
            amount: one.amount,
            is_good: one.isGood,
            at,
            document: JSON.stringify({ label: one.label?.replaceAll('\u0000', '') ?? null }),
          })),
        );
        const stored = await pool.query<{ label: string | null; amount: string | null; is_good: boolean; at: Date; document: unknown }>(
          'SELECT * FROM things ORDER BY position',
        );
        expect(stored.rows.map((one) => [one.label, one.amount, one.is_good, one.at, one.document])).toEqual(
          rows.map((one) => [one.label, one.amount === null ? null : String(one.amount), one.isGood, at, { label: one.label }]),
        );
      }),
      { numRuns: 50 },
    );
  });
});
