import { asNumber, type JsonValue, type Meters } from '@switchyard/core';

/** Takes shares out of a total, so that overlapping or wrong details can never make the sum differ from it. */
export class TokenSplitter {
  constructor(private rest: number) {}

  take(count: number | undefined): number {
    const taken = Math.min(Math.max(0, Math.floor(count ?? 0)), this.rest);
    this.rest -= taken;
    return taken;
  }

  get remainder(): number {
    return this.rest;
  }
}

/** A count of tokens as a provider wrote it; what is none counts nothing. */
export function tokenCount(value: JsonValue | undefined): number {
  return Math.max(0, asNumber(value) ?? 0);
}

/** More than any provider counts in one answer, and as much as the wire carries. */
const MAX_COUNT = 0xffff_ffff;

/** Counts as they may be priced: whole, bounded, without those that are zero. Money is computed from them, so nothing that a provider sends may get past. */
export function wholeCounts(counts: Meters): Meters {
  const whole: Meters = {};
  for (const name in counts) {
    const meter = name as keyof Meters;
    const count = counts[meter]!;
    if (count >= 1) whole[meter] = Math.min(Math.floor(count), MAX_COUNT);
  }
  return whole;
}
