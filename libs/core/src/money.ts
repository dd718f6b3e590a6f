/**
 * Money is an integer count of pico-USD (1e-12 USD) in a bigint, everywhere. Decimal strings cross the wire; a JSON
 * number appears only where a published API demands one.
 */
export type PicoUsd = bigint;

export const PICO_PER_USD = 1_000_000_000_000n;
const FRACTION_DIGITS = 12;

/** Plain decimal USD without exponent or trailing zeros: 1_230_000n → `0.00000123`. */
export function picoToUsd(amountPico: PicoUsd): string {
  const sign = amountPico < 0n ? '-' : '';
  const absolute = amountPico < 0n ? -amountPico : amountPico;
  const whole = absolute / PICO_PER_USD;
  const fraction = (absolute % PICO_PER_USD).toString().padStart(FRACTION_DIGITS, '0').replace(/0+$/, '');
  return fraction === '' ? `${sign}${whole}` : `${sign}${whole}.${fraction}`;
}

/**
 * Parses plain or exponent decimal USD (`"0.0000025"`, `"2.5e-06"`). Digits below a pico are rounded half-even.
 * @throws RangeError when the text is not a decimal number.
 */
export function usdToPico(text: string): PicoUsd {
  const match = /^\s*([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?\s*$/.exec(text);
  const digits = match ? `${match[2] ?? ''}${match[3] ?? ''}` : '';
  if (!match || digits === '') throw new RangeError(`"${text}" is not a decimal amount`);
  const exponent = Number(match[4] ?? 0) + FRACTION_DIGITS - (match[3]?.length ?? 0);
  const absolute = exponent >= 0 ? BigInt(digits) * 10n ** BigInt(exponent) : divideHalfEven(BigInt(digits), 10n ** BigInt(-exponent));
  return match[1] === '-' ? -absolute : absolute;
}

/** The number that a JSON API shows; never used in arithmetic. */
export function picoToUsdNumber(amountPico: PicoUsd): number {
  // Both sides of the division are exact up to here, so its one rounding is that of the decimal text.
  if (amountPico <= MAX_EXACT_PICO && amountPico >= -MAX_EXACT_PICO) return Number(amountPico) / 1e12;
  return Number(picoToUsd(amountPico));
}

const MAX_EXACT_PICO = BigInt(Number.MAX_SAFE_INTEGER);

/** `dividend ÷ divisor` rounded half to even. Both must not be negative, the divisor positive. */
export function divideHalfEven(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  const twice = (dividend % divisor) * 2n;
  if (twice < divisor) return quotient;
  if (twice > divisor) return quotient + 1n;
  return quotient % 2n === 0n ? quotient : quotient + 1n;
}
