import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BriefMap } from './brief-map.js';

describe('a map of values that stay briefly', () => {
  it('holds what a plain map would, in the same order', () => {
    const step = fc.record({ key: fc.integer({ min: 0, max: 7 }), action: fc.constantFrom('set', 'set', 'delete', 'clear') });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const [brief, plain] = [new BriefMap<number, { at: number }>(), new Map<number, { at: number }>()];
        for (const [at, { key, action }] of steps.entries()) {
          if (action === 'clear') [brief, plain].forEach((map) => map.clear());
          else if (action === 'set') [brief, plain].forEach((map) => map.set(key, { at }));
          else {
            expect(brief.delete(key)).toEqual(plain.get(key));
            plain.delete(key);
          }
          expect([...brief.entries()]).toEqual([...plain]);
          expect([...brief.values()]).toEqual([...plain.values()]);
          expect([brief.size, brief.has(key), brief.get(key)]).toEqual([plain.size, plain.has(key), plain.get(key)]);
        }
      }),
    );
  });

  it('passes over what is deleted while it is walked through', () => {
    const map = new BriefMap<string, { name: string }>();
    for (const name of ['a', 'b', 'c']) map.set(name, { name });
    const seen: string[] = [];
    for (const [name] of map.entries()) {
      seen.push(name);
      map.delete('b');
    }
    expect(seen).toEqual(['a', 'c']);
  });
});
