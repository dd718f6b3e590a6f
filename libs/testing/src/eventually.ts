import { setTimeout as delay } from 'node:timers/promises';

export interface EventuallyOptions {
  /** Default 10 000. */
  readonly timeoutMs?: number;
  /** Pause between tries; default 10. */
  readonly intervalMs?: number;
}

/** Repeats the assertion until it stops throwing, and returns its value; after the time the last failure is thrown. */
export async function eventually<Result>(assertion: () => Result | Promise<Result>, options: EventuallyOptions = {}): Promise<Result> {
  const { timeoutMs = 10_000, intervalMs = 10 } = options;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await assertion();
    } catch (failure) {
      if (performance.now() >= deadline) throw failure;
    }
    await delay(intervalMs);
  }
}
