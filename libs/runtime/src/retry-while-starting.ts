import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@switchyard/telemetry';

/** Errors of a server that is not there yet: refused or broken connections, names not known yet, Postgres `57P03 cannot_connect_now`. */
const STARTING_CODES: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', '57P03']);
const PAUSE_MS = 500;

/** Repeats an action while its server starts, for a bounded time. Other errors are thrown at once. */
export async function retryWhileStarting<Result>(action: () => Promise<Result>, options: { timeoutMs: number; logger: Logger }): Promise<Result> {
  const deadline = performance.now() + options.timeoutMs;
  for (let isFirst = true; ; isFirst = false) {
    try {
      return await action();
    } catch (error) {
      if (!isStarting(error) || performance.now() + PAUSE_MS > deadline) throw error;
      if (isFirst) options.logger.warn('Waiting for the database', { error });
    }
    await delay(PAUSE_MS);
  }
}

function isStarting(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isStarting);
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && STARTING_CODES.has(code);
}
