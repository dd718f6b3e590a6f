import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Clock, RandomSource } from '@switchyard/core';

/** The machine's clocks; the offset shifts wall time only. */
export function systemClock(offsetMs = 0): Clock {
  return { nowMs: () => Date.now() + offsetMs, monotonicMs: () => performance.now() };
}

const POOL_BYTES = 4096;

/** The machine's cryptographic randomness, drawn in larger pieces so that an id costs no system call. */
export function systemRandom(): RandomSource {
  let pool = randomBytes(POOL_BYTES);
  let position = 0;
  const take = (length: number): Uint8Array => {
    if (length > POOL_BYTES / 4) return randomBytes(length);
    if (position + length > POOL_BYTES) {
      pool = randomBytes(POOL_BYTES);
      position = 0;
    }
    const bytes = pool.subarray(position, position + length);
    position += length;
    return bytes;
  };
  return {
    bytes: take,
    nextFloat: () => {
      const bytes = take(7);
      // 53 bits, as many as a double holds.
      const high = (bytes[0]! & 0x1f) * 2 ** 48 + bytes[1]! * 2 ** 40 + bytes[2]! * 2 ** 32;
      return (high + bytes[3]! * 2 ** 24 + bytes[4]! * 2 ** 16 + bytes[5]! * 2 ** 8 + bytes[6]!) / 2 ** 53;
    },
  };
}
