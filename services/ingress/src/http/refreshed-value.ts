import type { Clock } from '@switchyard/core';

/**
 * A value read from elsewhere when somebody asks and it is too old: one reading for all who wait. While it cannot be
 * read, the last one keeps serving.
 */
export class RefreshedValue<Value> {
  private last: { readonly value: Value; readonly readAtMs: number } | undefined;
  private reading: Promise<Value> | undefined;

  constructor(
    private readonly read: () => Promise<Value>,
    private readonly clock: Clock,
    private readonly maxAgeMs: number,
  ) {}

  async get(): Promise<Value> {
    const { last } = this;
    if (last && this.clock.monotonicMs() - last.readAtMs < this.maxAgeMs) return last.value;
    this.reading ??= this.refresh().finally(() => (this.reading = undefined));
    if (!last) return this.reading;
    return this.reading.catch(() => last.value);
  }

  private async refresh(): Promise<Value> {
    const value = await this.read();
    this.last = { value, readAtMs: this.clock.monotonicMs() };
    return value;
  }
}
