import { setTimeout as delay } from 'node:timers/promises';

/** Resolves after the time, or at once when the signal aborts. */
export async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  await delay(delayMs, undefined, { signal }).catch(() => undefined);
}
