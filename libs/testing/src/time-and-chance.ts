import type { Clock, RandomSource } from '@switchyard/core';

export interface ManualClock extends Clock {
  /** Moves wall and monotonic time. */
  advance(durationMs: number): void;
  /** Sets wall time only, as an operator or NTP would. */
  setNow(nowMs: number): void;
}

/** Starts at the given wall time (default 2026-01-01T00:00:00Z) and moves only when told. */
export function manualClock(startMs = Date.UTC(2026, 0, 1)): ManualClock {
  let wallMs = startMs;
  let elapsedMs = 0;
  return {
    nowMs: () => wallMs,
    monotonicMs: () => elapsedMs,
    advance(durationMs) {
      wallMs += durationMs;
      elapsedMs += durationMs;
    },
    setNow(nowMs) {
      wallMs = nowMs;
    },
  };
}

/** The machine's clock, for tests against real parts. */
export function realClock(): Clock {
  return { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
}

/** The same numbers for the same seed (mulberry32). */
export function seededRandom(seed: number): RandomSource {
  let state = seed >>> 0;
  const nextFloat = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  return { nextFloat, bytes: (length) => Uint8Array.from({ length }, () => Math.floor(nextFloat() * 256)) };
}
