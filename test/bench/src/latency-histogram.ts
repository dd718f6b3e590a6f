const FINE_LIMIT_MS = 100;
const FINE_PER_MS = 1_000;
const COARSE_LIMIT_MS = 100_000;

/** Counts of durations: to the microsecond below 100 ms, to the millisecond up to 100 s. Its size does not grow with what it counts. */
export class LatencyHistogram {
  private fine = new Uint32Array(FINE_LIMIT_MS * FINE_PER_MS);
  private coarse = new Uint32Array(COARSE_LIMIT_MS);
  private counted = 0;
  private longestMs = 0;

  get count(): number {
    return this.counted;
  }

  /** Milliseconds; 0 before the first. */
  get maxMs(): number {
    return this.longestMs;
  }

  record(durationMs: number): void {
    this.counted++;
    if (durationMs > this.longestMs) this.longestMs = durationMs;
    if (durationMs < FINE_LIMIT_MS) this.fine[(durationMs * FINE_PER_MS) | 0]!++;
    else this.coarse[Math.min(COARSE_LIMIT_MS - 1, durationMs | 0)]!++;
  }

  /** Milliseconds; not a number before the first. `share` is 0.99 for the 99th percentile. */
  percentileMs(share: number): number {
    if (this.counted === 0) return Number.NaN;
    let left = Math.max(1, Math.ceil(this.counted * share));
    for (let index = 0; index < this.fine.length; index++) if ((left -= this.fine[index]!) <= 0) return (index + 0.5) / FINE_PER_MS;
    for (let index = 0; index < this.coarse.length; index++) if ((left -= this.coarse[index]!) <= 0) return index + 0.5;
    return this.longestMs;
  }

  reset(): void {
    this.fine.fill(0);
    this.coarse.fill(0);
    this.counted = 0;
    this.longestMs = 0;
  }
}
