import { describe, expect, it } from '@jest/globals';
import { limitWindow, minuteWindow, type LimitReset } from './limit-window.js';

const at = (text: string): number => Date.parse(text);

describe('limitWindow', () => {
  it.each<[LimitReset, string, string, string]>([
    ['daily', '2026-03-01T00:00:00.000Z', '2026-03-01T00:00:00Z', '2026-03-02T00:00:00Z'],
    ['daily', '2026-02-28T23:59:59.999Z', '2026-02-28T00:00:00Z', '2026-03-01T00:00:00Z'],
    ['weekly', '2026-11-22T23:59:59.999Z', '2026-11-16T00:00:00Z', '2026-11-23T00:00:00Z'],
    ['weekly', '2026-11-23T00:00:00.000Z', '2026-11-23T00:00:00Z', '2026-11-30T00:00:00Z'],
    ['monthly', '2024-02-29T12:00:00.000Z', '2024-02-01T00:00:00Z', '2024-03-01T00:00:00Z'],
    ['monthly', '2026-12-31T23:59:59.999Z', '2026-12-01T00:00:00Z', '2027-01-01T00:00:00Z'],
  ])('%s at %s begins %s and ends %s', (reset, time, start, end) => {
    expect(limitWindow(reset, at(time))).toEqual({ startMs: at(start), endMs: at(end) });
  });

  it('never ends without a reset', () => {
    expect(limitWindow('', at('2026-01-01T00:00:00Z'))).toEqual({ startMs: 0, endMs: undefined });
  });

  it('cuts minutes at whole minutes', () => {
    expect(minuteWindow(at('2026-01-01T10:20:59.999Z'))).toEqual({ startMs: at('2026-01-01T10:20:00Z'), endMs: at('2026-01-01T10:21:00Z') });
  });
});
