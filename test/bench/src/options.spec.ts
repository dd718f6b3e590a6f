import { describe, expect, it } from '@jest/globals';
import { readOptions, ROWS } from './options.js';

describe('the options of the bench', () => {
  it('measures every row unless told otherwise', () => {
    expect([...readOptions([]).rows]).toEqual([...ROWS]);
    expect(readOptions([])).toMatchObject({ seconds: 10, minutes: 1, warmUpSeconds: 30, command: 'npm run bench' });
  });

  it('leaves out what needs Kafka, and what needs a registry', () => {
    const { rows } = readOptions(['--no-split', '--no-portkey']);
    expect([...rows].filter((row) => row.startsWith('split') || row === 'portkey')).toEqual([]);
    expect(rows.has('all-sustained')).toBe(true);
  });

  it('measures the rows that are named, in their own order', () => {
    const { rows, command } = readOptions(['--rows=decision,bare', '--minutes=10']);
    expect(rows).toEqual(new Set(['bare', 'decision']));
    expect(command).toBe('npm run bench -- --rows=decision,bare --minutes=10');
  });

  it('repeats a disturbed run unless told not to', () => {
    expect(readOptions([]).runsOnce).toBe(false);
    expect(readOptions(['--once']).runsOnce).toBe(true);
  });

  it.each([
    [['--rows=bear'], 'There is no row "bear"'],
    [['--seconds=0'], '--seconds must be a number above 0'],
    [['--minutes=ten'], '--minutes must be a number above 0'],
  ])('refuses %s', (commandArguments, words) => {
    expect(() => readOptions(commandArguments)).toThrow(words);
  });
});
