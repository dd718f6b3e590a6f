import { describe, expect, it } from '@jest/globals';
import { COMPLETION_METERS, completionTokenCount, METERS, PROMPT_METERS, promptTokenCount, type Meter, type Meters } from './usage.js';

describe('token counts', () => {
  const power = (meter: Meter) => 2 ** METERS.indexOf(meter);
  const sum = (meters: readonly Meter[]) => meters.reduce((total, meter) => total + power(meter), 0);
  const all: Meters = Object.fromEntries(METERS.map((meter) => [meter, power(meter)]));

  it('add up each meter of their side once, and no other', () => {
    expect(promptTokenCount(all)).toBe(sum(PROMPT_METERS));
    expect(completionTokenCount(all)).toBe(sum(COMPLETION_METERS));
  });

  it('are zero for absent meters', () => {
    expect([promptTokenCount({}), completionTokenCount({ input_uncached: 3 })]).toEqual([0, 0]);
  });
});
