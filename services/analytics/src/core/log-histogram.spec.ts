import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { bucketOf, percentilesOf } from './log-histogram.js';

function histogramOf(values: readonly number[]): Map<number, number> {
  const histogram = new Map<number, number>();
  for (const value of values) histogram.set(bucketOf(value), (histogram.get(bucketOf(value)) ?? 0) + 1);
  return histogram;
}

describe('percentilesOf', () => {
  it('is within 3 % of the nearest-rank percentile, and ascends', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0.05, max: 600_000, noNaN: true }), { minLength: 1, maxLength: 200 }), (values) => {
        const sorted = [...values].sort((left, right) => left - right);
        const result = percentilesOf(histogramOf(values));
        for (const [name, share] of [
          ['p50', 0.5],
          ['p75', 0.75],
          ['p90', 0.9],
          ['p99', 0.99],
        ] as const) {
          const exact = sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
          expect(Math.abs((result?.[name] ?? Number.NaN) / exact - 1)).toBeLessThan(0.03);
        }
        expect(result?.p99).toBeGreaterThanOrEqual(result?.p50 ?? Number.NaN);
      }),
    );
  });

  it('says nothing without samples and survives zero', () => {
    expect(percentilesOf(new Map())).toBeUndefined();
    expect(percentilesOf(histogramOf([0]))).toEqual({ p50: 0, p75: 0, p90: 0, p99: 0 });
  });
});
