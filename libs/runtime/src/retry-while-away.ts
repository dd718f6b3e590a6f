import { setTimeout as delay } from 'node:timers/promises';
import { SwitchyardError } from '@switchyard/errors';
import type { Logger } from '@switchyard/telemetry';
import { isDatabaseAway, reasonOf } from './schema-gate.js';

const PAUSE_MS = 500;

/**
 * Repeats an action while its database is away, for a bounded time. Other errors are thrown at once.
 * @throws SwitchyardError `gateway_unavailable` when the time is over
 */
export async function retryWhileAway<Result>(action: () => Promise<Result>, options: { timeoutMs: number; logger: Logger }): Promise<Result> {
  const deadline = performance.now() + options.timeoutMs;
  for (let isFirst = true; ; isFirst = false) {
    try {
      return await action();
    } catch (error) {
      if (!isDatabaseAway(error)) throw error;
      if (performance.now() + PAUSE_MS > deadline)
        throw new SwitchyardError('gateway_unavailable', `The database cannot be reached: ${reasonOf(error)}`, { cause: error });
      if (isFirst) options.logger.warn('Waiting for the database', { error });
    }
    await delay(PAUSE_MS);
  }
}
