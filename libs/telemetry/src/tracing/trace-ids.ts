import type { RandomSource } from '@switchyard/core';

/** 32 lower-case hex characters, not all zero. */
export function newTraceId(random: RandomSource): string {
  return hexOf(random.bytes(16));
}

/** 16 lower-case hex characters, not all zero. */
export function newSpanId(random: RandomSource): string {
  return hexOf(random.bytes(8));
}

/** The randomness of a trace id, uniform in [0, 1): its last 52 bits. */
export function chanceOf(traceId: string): number {
  return Number.parseInt(traceId.slice(-13), 16) / 2 ** 52;
}

function hexOf(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
  // All zeros mean: no id.
  return /[^0]/.test(hex) ? hex : `${hex.slice(1)}1`;
}
