import { describe, expect, it } from '@jest/globals';
import { seededRandom } from '@switchyard/testing';
import { companionEventId, eventIdTimeMs, newEventId } from './ids.js';

const clock = { nowMs: () => 1_767_225_600_123, monotonicMs: () => 0 };

describe('event ids', () => {
  it('tell when they were made, with and without dashes', () => {
    const id = newEventId(clock, seededRandom(1));
    expect(eventIdTimeMs(id)).toBe(1_767_225_600_123);
    expect(eventIdTimeMs(id.replaceAll('-', '').toUpperCase())).toBe(1_767_225_600_123);
  });

  it.each(['', 'gen-1767225600-00000000000000000000', '019b7600-0000-4000-8000-000000000001', '019b7600-0000-7000-8000-00000000000x'])(
    'are nothing else: %j',
    (text) => {
      expect(eventIdTimeMs(text)).toBeUndefined();
    },
  );

  it('have one companion each, of the same time', () => {
    const id = newEventId(clock, seededRandom(2));
    const companion = companionEventId(id);
    expect(companion).not.toBe(id);
    expect(companionEventId(id)).toBe(companion);
    expect(eventIdTimeMs(companion)).toBe(1_767_225_600_123);
  });
});
