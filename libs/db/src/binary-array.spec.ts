import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestPostgres, type TestPostgres } from '@switchyard/testing';
import fc from 'fast-check';
import type pg from 'pg';
import { binaryArray } from './binary-array.js';
import type { BinaryElementType } from './binary-format.js';
import { createPool } from './pool.js';

const MAX_BIGINT = 2n ** 63n - 1n;
const MIN_BIGINT = -(2n ** 63n);
const text = fc
  .oneof(fc.string({ unit: 'binary', maxLength: 60 }), fc.constantFrom('', 'NULL', '{}', '"', '\\', 'é'.repeat(50), '😀', 'x'.repeat(5_000)))
  .filter((each) => each.isWellFormed() && !each.includes('\0'));

describe('binaryArray', () => {
  let postgres: TestPostgres;
  let pool: pg.Pool;

  beforeAll(async () => {
    postgres = await startTestPostgres();
    pool = createPool(postgres.url);
  }, 90_000);
  afterAll(async () => {
    await pool.end();
    await postgres.close();
  });

  /** What Postgres understood, as its own text of each element. */
  const understood = async (type: BinaryElementType, values: readonly unknown[]): Promise<(string | null)[]> => {
    const { rows } = await pool.query<{ value: string | null }>(
      `SELECT value::text FROM unnest($1::${type}[]) WITH ORDINALITY AS element (value, position) ORDER BY position`,
      [binaryArray(type, values)],
    );
    return rows.map((row) => row.value);
  };

  const whole = (min: bigint, max: bigint) => fc.oneof(fc.bigInt({ min, max }), fc.constantFrom(min, max, 0n, -1n, 1n));
  const asNumberOrBigint = (value: bigint, isNumber: boolean): number | bigint => (isNumber && BigInt(Number(value)) === value ? Number(value) : value);
  const integers = (min: bigint, max: bigint) =>
    fc.tuple(whole(min, max), fc.boolean()).map(([value, isNumber]) => asNumberOrBigint(value, isNumber && Number.isSafeInteger(Number(value))));
  const asText = (value: unknown): string => String(value);
  const types: Readonly<Record<BinaryElementType, { values: fc.Arbitrary<unknown>; expected(value: never): string }>> = {
    bigint: { values: integers(MIN_BIGINT, MAX_BIGINT), expected: asText },
    integer: { values: integers(-(2n ** 31n), 2n ** 31n - 1n), expected: asText },
    smallint: { values: integers(-32_768n, 32_767n), expected: asText },
    numeric: { values: fc.oneof(integers(-(10n ** 37n), 10n ** 37n), fc.constantFrom(10_000n, 99_999_999n, 100_000_000n)), expected: asText },
    boolean: { values: fc.boolean(), expected: asText },
    text: { values: text, expected: asText },
    uuid: {
      values: fc.oneof(
        fc.uuid(),
        fc.uuid().map((id) => id.toUpperCase()),
        fc.uuid().map((id) => id.replaceAll('-', '')),
      ),
      expected: (id: string) => id.toLowerCase().replace(/^(.{8})-?(.{4})-?(.{4})-?(.{4})-?(.{12})$/, '$1-$2-$3-$4-$5'),
    },
    json: { values: text.map((value) => JSON.stringify({ value })), expected: asText },
    jsonb: { values: fc.oneof(fc.integer(), fc.boolean()).map((value) => JSON.stringify({ value })), expected: (json: string) => json.replace(':', ': ') },
    timestamptz: {
      values: fc.date({ min: new Date('0001-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true }),
      expected: (time: Date) => String(BigInt(time.getTime())),
    },
  };

  it.each(Object.keys(types).filter((type) => type !== 'timestamptz') as BinaryElementType[])('tells Postgres every %s, and what is missing', async (type) => {
    const { values, expected } = types[type];
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(values), { maxLength: 50 }), async (list) => {
        expect(await understood(type, list)).toEqual(list.map((value) => (value === null ? null : expected(value as never))));
      }),
      { numRuns: 100 },
    );
  });

  it('tells Postgres times to the millisecond', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(types.timestamptz.values as fc.Arbitrary<Date>, { minLength: 1, maxLength: 50 }), async (times) => {
        const { rows } = await pool.query<{ milliseconds: string }>(
          'SELECT (extract(epoch FROM time) * 1000)::bigint::text AS milliseconds FROM unnest($1::timestamptz[]) WITH ORDINALITY AS element (time, position) ORDER BY position',
          [binaryArray('timestamptz', times)],
        );
        expect(rows.map((row) => Number(row.milliseconds))).toEqual(times.map((time) => time.getTime()));
      }),
      { numRuns: 50 },
    );
  });

  it('takes values that JSON has no text of yet, and a column far larger than the one before', async () => {
    expect(await understood('jsonb', [{ a: [1] }, '{"b": 2}'])).toEqual(['{"a": [1]}', '{"b": 2}']);
    const long = 'ü'.repeat(3_000_000);
    expect(await understood('text', ['short', long, undefined, 5])).toEqual(['short', long, null, '5']);
    expect(await understood('text', [])).toEqual([]);
  });

  it('repeats what is as in the row before, however often and long', async () => {
    const long = 'é'.repeat(70_000);
    const texts = ['a', 'a', long, long, long, null, null, 'a', '', '', 'ab', 'a'];
    expect(await understood('text', texts)).toEqual(texts);
    const id = '0190a8f0-0000-7000-8000-0000000000ab';
    expect(await understood('uuid', [id, id, null, id, id])).toEqual([id, id, null, id, id]);
  });

  it('is a copy: the next array does not change it', async () => {
    const first = binaryArray('text', ['one', 'two']);
    binaryArray('text', ['other', 'words']);
    const { rows } = await pool.query<{ word: string }>('SELECT unnest($1::text[]) AS word', [first]);
    expect(rows.map((row) => row.word)).toEqual(['one', 'two']);
  });

  it('writes lone surrogates as the replacement character, and leaves it to Postgres to refuse NUL', async () => {
    expect(await understood('text', ['a\ud800b'])).toEqual(['a\ufffdb']);
    await expect(understood('text', ['a\0b'])).rejects.toThrow(/invalid byte sequence/);
    await expect(understood('text', [`${'a'.repeat(100)}\0`])).rejects.toThrow(/invalid byte sequence/);
    await expect(understood('json', ['{'])).rejects.toThrow(/invalid input syntax/);
  });

  it.each<[BinaryElementType, unknown]>([
    ['bigint', 2n ** 63n],
    ['bigint', 1.5],
    ['bigint', 2 ** 60],
    ['integer', 2 ** 31],
    ['integer', 0.5],
    ['smallint', 32_768],
    ['numeric', Number.NaN],
    ['numeric', 0.1],
  ])('refuses a number that %s does not hold: %s', (type, value) => {
    expect(() => binaryArray(type, [value])).toThrow(expect.objectContaining({ name: 'RangeError' }));
  });

  it('refuses what is too large with the code that Postgres has for it', async () => {
    const { code } = (await pool.query(`SELECT '${2n ** 63n}'::bigint`).catch((error: unknown) => error)) as { code: string };
    expect(() => binaryArray('bigint', [2n ** 63n])).toThrow(expect.objectContaining({ code }));
  });

  it.each<[BinaryElementType, unknown]>([
    ['uuid', '0190a8f0-0000-7000-8000-00000000000g'],
    ['uuid', '0190a8f0-0000-7000-8000+000000000000'],
    ['uuid', '0190a8f0-0000-7000-8000-00000000000\u0130'],
    ['uuid', '\u0130190a8f0-0000-7000-8000-000000000000'],
    ['uuid', '0190a8f000007000800000000000000'],
    ['uuid', '0190a8f0-0000-7000-80000-00000000000'],
    ['boolean', 'false'],
    ['bigint', '5'],
    ['integer', '5'],
    ['numeric', '5'],
    ['timestamptz', '2026-01-01'],
  ])('refuses what is no %s: %s', (type, value) => {
    expect(() => binaryArray(type, [value])).toThrow(expect.objectContaining({ name: 'TypeError' }));
  });
});
