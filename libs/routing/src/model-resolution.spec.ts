import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { admitsModel, resolveModel, suggestModels } from './model-resolution.js';
import { endpointRecord, modelRecord, tableOf } from './testing/table-fixtures.js';

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

  describe('of a model with snapshots', () => {
    const snapshots = { '2024-08-06': 'writer-2024-08-06', '2024-11-20': 'writer-2024-11-20' };
    const pinned = tableOf(
      [modelRecord('acme/writer', { permaslug: 'acme/writer-20240513', aliases: ['acme/w', 'acme/scribe', '~acme/scribe-latest'] })],
      [
        endpointRecord('acme/writer', 'acme', { snapshots }),
        endpointRecord('acme/writer', 'cloud', { snapshots: { '20241120': 'deployment-7', '2025-01-01': 'next' }, hasCredential: false }),
        endpointRecord('acme/writer', 'other'),
      ],
    );

    it.each(['acme/writer-2024-11-20', 'writer-2024-11-20', 'acme/w-20241120', 'ACME/writer-2024-11-20:nitro'])(
      'finds the snapshot that %s names, at the endpoints that serve it and by their ids for it',
      (name) => {
        const resolution = resolveModel(pinned, name, 0);
        expect(resolution).toMatchObject({ kind: 'found', target: { model: { slug: 'acme/writer-2024-11-20', permaslug: 'acme/writer-2024-11-20' } } });
        const { model } = (resolution as Extract<typeof resolution, { kind: 'found' }>).target;
        expect(model.record).toMatchObject({ slug: 'acme/writer-2024-11-20', name: 'acme/writer (2024-11-20)' });
        expect(model.endpoints.map(({ endpointId, providerModelId, record }) => [endpointId, providerModelId, record.providerModelId])).toEqual([
          ['acme/writer-2024-11-20@acme', 'writer-2024-11-20', 'writer-2024-11-20'],
          ['acme/writer-2024-11-20@cloud', 'deployment-7', 'deployment-7'],
        ]);
      },
    );

    it('finds the model that the catalogue has of that name by itself', () => {
      const own = tableOf(
        [modelRecord('acme/writer', { aliases: ['acme/w'] }), modelRecord('acme/writer-2024-11-20')],
        [endpointRecord('acme/writer', 'acme', { snapshots }), endpointRecord('acme/writer-2024-11-20', 'acme', { priceUsd: 7 })],
      );
      for (const name of ['acme/writer-2024-11-20', 'acme/w-20241120']) {
        expect([name, resolveModel(own, name, 0)]).toMatchObject([name, { kind: 'found', target: { model: own.models.get('acme/writer-2024-11-20') } }]);
      }
    });

    it('knows no other day, and none of a family', () => {
      for (const name of ['acme/writer-2024-11-21', 'acme/scribe-2024-11-20', '~acme/scribe-latest-2024-11-20']) {
        expect([name, resolveModel(pinned, name, 0).kind]).toEqual([name, 'unknown']);
      }
    });

    it('names the model itself where no endpoint that serves the snapshot is in service, and says so', () => {
      for (const name of ['acme/writer-2025-01-01', 'acme/w-20250101']) {
        const target = { model: pinned.models.get('acme/writer'), unserved: { slug: 'acme/writer-2025-01-01' } };
        expect([name, resolveModel(pinned, name, 0)]).toEqual([
          name,
          { kind: 'found', target: expect.objectContaining({ ...target, unserved: expect.objectContaining(target.unserved) }) },
        ]);
      }
      for (const name of ['acme/writer', 'acme/writer-20240513']) {
        const resolution = resolveModel(pinned, name, 0);
        expect(resolution).toMatchObject({ kind: 'found', target: { model: { slug: 'acme/writer' } } });
        expect((resolution as Extract<typeof resolution, { kind: 'found' }>).target.unserved).toBeUndefined();
      }
    });

    it('admits it where the model is admitted', () => {
      const snapshot = pinned.models.get('acme/writer')!.snapshots.get('20241120')!;
      for (const pattern of ['acme/writer', 'acme/*', '*', 'acme/writer-2024-11-20', 'acme/w'])
        expect([pattern, admitsModel(pinned, [pattern], snapshot, '')]).toEqual([pattern, true]);
      expect(admitsModel(pinned, ['acme/poet', 'other/*'], snapshot, '')).toBe(false);
    });
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
