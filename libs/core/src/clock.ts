/** Time as a dependency: pure code and tests never read the machine's clock themselves. */
export interface Clock {
  /** Wall time, unix milliseconds. */
  nowMs(): number;
  /** Milliseconds that only grow, for durations and deadlines. */
  monotonicMs(): number;
}

/** Randomness as a dependency. */
export interface RandomSource {
  /** Uniform in [0, 1). */
  nextFloat(): number;
  /** Cryptographically strong bytes. */
  bytes(length: number): Uint8Array;
}
