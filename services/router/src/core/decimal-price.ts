import { usdToPico, type PicoUsd } from '@switchyard/core';

/** USD per million units → pico-USD per unit, rounded half-even once. @throws RangeError when the text is no decimal number. */
export function perMillionToPico(text: string): PicoUsd {
  return usdToPico(shifted(text, -6));
}

/** USD per thousand units → pico-USD per unit. */
export function perThousandToPico(text: string): PicoUsd {
  return usdToPico(shifted(text, -3));
}

/** Decimal text times a decimal factor, exact: prices of mirrored endpoints. */
export function multiplyPico(ratePico: PicoUsd, factor: number): PicoUsd {
  const factorPico = usdToPico(String(factor));
  const product = ratePico * factorPico;
  const one = 1_000_000_000_000n;
  const quotient = product / one;
  const twice = (product % one) * 2n;
  return twice > one || (twice === one && quotient % 2n === 1n) ? quotient + 1n : quotient;
}

function shifted(text: string, places: number): string {
  const match = /^(.*?)(?:[eE]([+-]?\d{1,3}))?$/.exec(text.trim())!;
  return `${match[1]}e${Number(match[2] ?? 0) + places}`;
}
