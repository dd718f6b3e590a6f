import { describe, expect, it } from '@jest/globals';
import { manualClock } from '@switchyard/testing';
import { RefreshedValue } from './refreshed-value.js';

describe('RefreshedValue', () => {
  it('reads once for all who wait, and again when it is too old', async () => {
    const clock = manualClock();
    let readings = 0;
    const value = new RefreshedValue(() => Promise.resolve(++readings), clock, 1_000);
    expect(await Promise.all([value.get(), value.get()])).toEqual([1, 1]);
    clock.advance(999);
    expect(await value.get()).toBe(1);
    clock.advance(1);
    expect(await value.get()).toBe(2);
  });

  it('serves the last value while there is no new one, without asking each time', async () => {
    const clock = manualClock();
    let isAway = false;
    let readings = 0;
    const read = (): Promise<number> => (++readings, isAway ? Promise.reject(new Error('away')) : Promise.resolve(readings));
    const value = new RefreshedValue(read, clock, 1_000);
    await value.get();
    isAway = true;
    clock.advance(1_000);
    expect([await value.get(), await value.get(), await value.get()]).toEqual([1, 1, 1]);
    expect(readings).toBe(2);
    isAway = false;
    clock.advance(1_000);
    expect(await value.get()).toBe(3);
  });

  it('fails while there never was one', async () => {
    const value = new RefreshedValue(() => Promise.reject(new Error('away')), manualClock(), 1_000);
    await expect(value.get()).rejects.toThrow('away');
  });
});
