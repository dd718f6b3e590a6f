import type { Clock } from '@switchyard/core';

/**
 * A value read from elsewhere when somebody asks and it is too old: one reading for all who wait. While it cannot be
 * read, the last one keeps serving, and the next try waits as long as a fresh value would last.
 */
export class RefreshedValue<Value> {
  private last: { readonly value: Value } | undefined;
  private readAgainAtMs = 0;
  private reading: Promise<Value> | undefined;

  constructor(
    private readonly read: () => Promise<Value>,
    private readonly clock: Clock,
    private readonly maxAgeMs: number,
  ) {}

  async get(): Promise<Value> {
    const { last } = this;
    if (last && this.clock.monotonicMs() < this.readAgainAtMs) return last.value;
    this.reading ??= this.refresh().finally(() => (this.reading = undefined));
    return last ? this.reading.catch(() => last.value) : this.reading;
  }

  private async refresh(): Promise<Value> {
    try {
      const value = await this.read();
      this.last = { value };
      return value;
    } finally {
      this.readAgainAtMs = this.clock.monotonicMs() + this.maxAgeMs;
    }
  }
}
