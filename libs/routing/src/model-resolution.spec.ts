import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { resolveModel, suggestModels } from './model-resolution.js';
import { modelRecord, tableOf } from './testing/table-fixtures.js';

const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '-', '1'), minLength: 1, maxLength: 12 });
const slug = fc.tuple(word, word).map(([author, name]) => `${author}/${name}`);

describe('resolveModel', () => {
  it('takes any name of a model with the day of its release, however that is written, and no other day', () => {
    const dated = tableOf([modelRecord('acme/writer-4.5', { permaslug: 'acme/writer-4.5-20250929', aliases: ['acme/writer-4-5', 'writer-4-5'] })], []);
    for (const name of ['acme/writer-4.5-2025-09-29', 'acme/writer-4.5-20250929', 'acme/writer-4-5-20250929', 'writer-4-5-2025-09-29', 'writer-4-5-20250929']) {
      expect([name, resolveModel(dated, name, 0)]).toEqual([name, expect.objectContaining({ kind: 'found' })]);
    }
    expect(resolveModel(dated, 'writer-4-5-2025-09-30', 0)).toMatchObject({ kind: 'unknown' });
    expect(resolveModel(dated, '-2025-09-29', 0)).toMatchObject({ kind: 'unknown' });
  });

  it('takes the day that a client names where the catalogue knows none, or the month alone; but no family has a day, and not every number is one', () => {
    const dayless = { permaslug: 'acme/writer-4.5', aliases: ['acme/writer-4-5', '~acme/writer-latest', 'acme/writer'] };
    const table = tableOf([modelRecord('acme/writer-4.5', dayless), modelRecord('acme/poet-2', { permaslug: 'acme/poet-2-202509' })], []);
    for (const [name, slug] of [
      ['acme/writer-4-5-20250929', 'acme/writer-4.5'],
      ['writer-4.5-2025-09-29', 'acme/writer-4.5'],
      ['acme/poet-2-20250929', 'acme/poet-2'],
    ] as const) {
      expect([name, resolveModel(table, name, 0)]).toEqual([
        name,
        expect.objectContaining({ kind: 'found', target: expect.objectContaining({ model: table.models.get(slug) }) }),
      ]);
    }
    for (const name of [
      'acme/poet-2-20251001',
      'acme/writer-20250929',
      '~acme/writer-latest-20250929',
      'acme/writer-4.5-20251329',
      'acme/writer-4.5-12345678',
    ]) {
      expect([name, resolveModel(table, name, 0)]).toEqual([name, expect.objectContaining({ kind: 'unknown' })]);
    }
  });

  const ended = { expireTimeSeconds: 1n };
  const table = tableOf(
    [
      modelRecord('acme/poet-3', { ...ended, successorSlug: 'acme/poet-2', aliases: ['~acme/poet-latest', 'acme/poet', 'acme/poet-three'] }),
      modelRecord('acme/poet-2', { ...ended, successorSlug: 'acme/poet-1' }),
      modelRecord('acme/poet-1'),
      modelRecord('acme/bard-2', { ...ended, successorSlug: 'acme/bard-1', aliases: ['~acme/bard-latest'] }),
      modelRecord('acme/bard-1', { ...ended, successorSlug: 'acme/bard-2' }),
    ],
    [],
  );
  const NOW_MS = 2_000_000;

  it.each(['~acme/poet-latest', 'acme/poet', 'ACME/poet:nitro'])('goes on from a model that ended to the first successor that has not for %s', (name) => {
    expect(resolveModel(table, name, NOW_MS)).toMatchObject({ kind: 'found', target: { model: { slug: 'acme/poet-1' } } });
    expect(resolveModel(table, name, 0)).toMatchObject({ kind: 'found', target: { model: { slug: 'acme/poet-3' } } });
  });

  it.each([
    ['acme/poet-3', 'acme/poet-3'],
    ['acme/poet-three', 'acme/poet-3'],
    ['~acme/bard-latest', 'acme/bard-2'],
  ])('gives nobody who names one model another, nor one that ended: %s', (name, slug) => {
    expect(resolveModel(table, name, NOW_MS)).toMatchObject({ kind: 'expired', model: { slug } });
  });
});

describe('suggestModels', () => {
  it('names the three closest by edit distance, whole or without the author, and none that is far', () => {
    fc.assert(
      fc.property(fc.uniqueArray(slug, { maxLength: 12 }), fc.oneof(slug, word, fc.constant('')), (slugs, wanted) => {
        const table = tableOf(
          slugs.map((name) => modelRecord(name)),
          [],
        );
        expect(suggestModels(table, wanted)).toEqual(closestOf(slugs, wanted));
      }),
      { numRuns: 300 },
    );
  });

  it('looks for the same name once, however often it is sent', () => {
    const table = tableOf([modelRecord('acme/writer')], []);
    const suggestions = suggestModels(table, 'acme/writter');
    expect(suggestions).toEqual(['acme/writer']);
    expect(suggestModels(table, 'acme/writter')).toBe(suggestions);
    expect(suggestModels(tableOf([modelRecord('acme/poet')], []), 'acme/writter')).toEqual([]);
  });
});

function closestOf(slugs: readonly string[], wanted: string): string[] {
  const limit = Math.max(2, Math.floor(wanted.length * 0.4));
  const tailOf = (name: string): string => name.slice(name.indexOf('/') + 1);
  const distanceOf = (name: string): number => Math.min(distance(wanted, name), distance(tailOf(wanted), tailOf(name)) + (wanted.includes('/') ? 1 : 0));
  return slugs
    .map((name) => ({ name, edits: distanceOf(name) }))
    .filter(({ edits }) => edits <= limit)
    .sort((left, right) => left.edits - right.edits || (left.name < right.name ? -1 : 1))
    .slice(0, 3)
    .map(({ name }) => name);
}

function distance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (const [index, letter] of [...left].entries()) {
    const next = [index + 1];
    for (const [column, other] of [...right].entries()) {
      next.push(Math.min(row[column]! + Number(letter !== other), row[column + 1]! + 1, next[column]! + 1));
    }
    row = next;
  }
  return row[right.length]!;
}
