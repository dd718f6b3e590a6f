import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { divideHalfEven, picoToUsd, picoToUsdNumber, usdToPico } from './money.js';

describe('picoToUsdNumber', () => {
  it.each([0n, 1n, -1n, 3n, 700_000n, 1_230_000n, 333_333_333_333n, 1_000_000_000_001n, 9_007_199_254_740_991n, -9_007_199_254_740_993n, 10n ** 24n + 7n])(
    'is the number nearest to the exact decimal: %d pico',
    (amountPico) => {
      expect(picoToUsdNumber(amountPico)).toBe(Number(picoToUsd(amountPico)));
    },
  );
});

describe('picoToUsd and usdToPico', () => {
  it.each([
    ['0', 0n],
    ['0.00000123', 1_230_000n],
    ['-0.000000000001', -1n],
    ['12', 12_000_000_000_000n],
    ['-3.5', -3_500_000_000_000n],
  ])('write and read %s', (text, amountPico) => {
    expect([picoToUsd(amountPico), usdToPico(text)]).toEqual([text, amountPico]);
  });

  it('are each other’s reverse for every amount', () => {
    fc.assert(fc.property(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), (amountPico) => expect(usdToPico(picoToUsd(amountPico))).toBe(amountPico)));
  });
});

describe('usdToPico', () => {
  it.each([
    ['2.5e-06', 2_500_000n],
    ['1E2', 100_000_000_000_000n],
    ['+.5', 500_000_000_000n],
    ['7.', 7_000_000_000_000n],
    [' 1 ', 1_000_000_000_000n],
  ])('reads %j', (text, amountPico) => {
    expect(usdToPico(text)).toBe(amountPico);
  });

  it.each([
    ['0.0000000000005', 0n],
    ['0.0000000000015', 2n],
    ['0.0000000000025', 2n],
    ['-0.0000000000015', -2n],
    ['0.00000000000149', 1n],
    ['0.00000000000051', 1n],
  ])('rounds what is below a pico to the nearest, and halves to even: %s', (text, amountPico) => {
    expect(usdToPico(text)).toBe(amountPico);
  });

  it.each(['', ' ', '.', '-', 'e5', '1,5', '1.2.3', '0x1', 'NaN', 'Infinity', '1e99999'])('refuses %j', (text) => {
    expect(() => usdToPico(text)).toThrow(RangeError);
  });
});

describe('divideHalfEven', () => {
  it('rounds to the nearest, and halves to even', () => {
    expect([1n, 2n, 3n, 5n, 6n, 7n].map((dividend) => divideHalfEven(dividend, 4n))).toEqual([0n, 0n, 1n, 1n, 2n, 2n]);
  });
});
