import { setTimeout as delay } from 'node:timers/promises';

const PAUSE_MS = 100;
const ANSWER_TIMEOUT_MS = 5000;

/** Waits until `<origin>/readyz` answers 200. @throws an error that names the checks that failed last. */
export async function untilReady(origin: string, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const problem = await whyNotReady(origin);
    if (problem === undefined) return;
    if (performance.now() > deadline) throw new Error(`${origin} was not ready within ${Math.round(timeoutMs / 1000)} s: ${problem}`);
    await delay(PAUSE_MS);
  }
}

async function whyNotReady(origin: string): Promise<string | undefined> {
  try {
    const response = await fetch(`${origin}/readyz`, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
    const body = await response.text();
    return response.ok ? undefined : body;
  } catch (error) {
    return error instanceof Error ? `${error.message} ${String(error.cause ?? '')}`.trim() : String(error);
  }
}
