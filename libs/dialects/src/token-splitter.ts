import type { Meters } from '@switchyard/core';

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

/** Meters without those that are zero. */
export function nonZero(meters: Meters): Meters {
  return Object.fromEntries(Object.entries(meters).filter(([, count]) => count > 0));
}
