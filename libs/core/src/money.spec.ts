import { describe, expect, it } from '@jest/globals';
import { picoToUsd, picoToUsdNumber } from './money.js';

describe('picoToUsdNumber', () => {
  it.each([0n, 1n, -1n, 3n, 700_000n, 1_230_000n, 333_333_333_333n, 1_000_000_000_001n, 9_007_199_254_740_991n, -9_007_199_254_740_993n, 10n ** 24n + 7n])(
    'is the number nearest to the exact decimal: %d pico',
    (amountPico) => {
      expect(picoToUsdNumber(amountPico)).toBe(Number(picoToUsd(amountPico)));
    },
  );
});
