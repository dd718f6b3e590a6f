import { resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { needsKafka } from './needs-kafka.mjs';
import { readTable, unknownTests, unmetPromises, writeTable } from './parity-table.mjs';
import { scanSource, titlePattern } from './scan-titles.mjs';

const page = [
  '# Parity',
  '',
  '| Row | Promise | Tests |',
  '| --- | --- | --- |',
  '| A01 | Answers | |',
  '| A02 | Streams | `gone` in `test/e2e/old.spec.ts` |',
  '',
].join('\n');
const source = `
  describe.each(['all', 'split'])('platform as %s', () => {
    it('answers [A01]', () => {});
    describe('streams [A02 A03]', () => {
      it.each([1, 2])('with $count chunks', () => {});
    });
    it(\`ends at \${marker} [A01]\`, () => {});
    it('names no row', () => {});
  });
`;
const found = scanSource('test/e2e/chat.spec.ts', source);

describe('scanning titles', () => {
  it('finds rows in the titles of tests and of the groups around them', () => {
    expect(found.map(({ title, rows }) => [title, rows])).toEqual([
      ['platform as * answers [A01]', ['A01']],
      ['platform as * streams [A02 A03] with * chunks', ['A02', 'A03']],
      ['platform as * ends at * [A01]', ['A01']],
    ]);
  });

  it('matches what a loop filled in', () => {
    expect(titlePattern('platform as * ends at * [A01]').test('platform as split ends at [DONE] [A01]')).toBe(true);
    expect(titlePattern('platform as * ends at * [A01]').test('platform as split ends at [DONE] [A02]')).toBe(false);
  });
});

describe('the parity table', () => {
  const table = readTable(writeTable(page, found));

  it('gets its tests from the titles, and loses those that are gone', () => {
    expect(table.map(({ row, tests }) => [row, tests.map(({ title }) => title)])).toEqual([
      ['A01', ['platform as * answers [A01]', 'platform as * ends at * [A01]']],
      ['A02', ['platform as * streams [A02 A03] with * chunks']],
    ]);
  });

  it('is the same when written again', () => {
    expect(writeTable(writeTable(page, found), found)).toBe(writeTable(page, found));
  });

  const file = 'test/e2e/chat.spec.ts';
  const results = [
    { file, title: 'platform as all answers [A01]', status: 'passed' },
    { file, title: 'platform as split ends at [DONE] [A01]', status: 'passed' },
    { file, title: 'platform as all streams [A02 A03] with 1 chunks', status: 'passed' },
  ];

  it('is met when every named test passed', () => {
    expect(unmetPromises(table, results, titlePattern)).toEqual([]);
  });

  it.each([
    ['a failed test', results.map((result, index) => (index === 0 ? { ...result, status: 'failed' } : result)), 'A01: failed'],
    ['a skipped test', results.map((result, index) => (index === 2 ? { ...result, status: 'pending' } : result)), 'A02: pending'],
    ['a test that did not run', results.slice(1), 'A01: did not run'],
    ['a test of that name in another file', results.map((result) => ({ ...result, file: 'test/compat/other.spec.ts' })), 'A01: did not run'],
  ])('is not met by %s', (_what, changed, problem) => {
    expect(unmetPromises(table, changed, titlePattern).join('\n')).toContain(problem);
  });

  it('is not met by a row without tests', () => {
    expect(unmetPromises(readTable(page), results, titlePattern)).toContain('A01: no test names it');
  });
});

describe('tests that are left out without Kafka', () => {
  const root = resolve(import.meta.dirname, '../..');

  it.each([
    ['test/chaos/src/chaos.kafka.spec.ts', true],
    ['test/race/limits.suite.ts', true],
    ['test/e2e/money.suite.ts', false],
    ['test/chaos/src/verdict.spec.ts', false],
  ])('%s: %s', (file, isLeftOut) => {
    expect(needsKafka(root, file)).toBe(isLeftOut);
  });
});

describe('tests that a promise names', () => {
  const page = '| S1 | Keeps | `keeps what it got` in `libs/spool.spec.ts` |\n| S2 | Gives | `gives it back` in `libs/spool.spec.ts` |\n| S3 | Cuts | |';
  const everyTest = scanSource('libs/spool.spec.ts', `describe('a spool', () => { it('keeps what it got', () => {}); });`, { everyTest: true });

  it('must exist, and there must be some', () => {
    expect(unknownTests(readTable(page), everyTest)).toEqual(['S2: no such test: libs/spool.spec.ts: gives it back', 'S3: names no test']);
  });

  it('may be left out only where the machine lacks what they need', () => {
    const table = readTable('| S1 | Keeps | `keeps` in `test/e2e/a.kafka.spec.ts` |');
    expect(unmetPromises(table, [], titlePattern)).toHaveLength(1);
    expect(unmetPromises(table, [], titlePattern, (name) => name.endsWith('.kafka.spec.ts'))).toEqual([]);
  });
});
