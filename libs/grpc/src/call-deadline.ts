import { SwitchyardError } from '@switchyard/errors';

export const DEFAULT_TIMEOUT_MS = 5000;
/** When to come back to a service that does not answer. */
export const RETRY_AFTER_MS = 1000;

/** What callers get when a call took too long, over either binding. */
export function deadlineError(portName: string, timeoutMs: number, cause?: unknown): SwitchyardError {
  const target = portName.slice(0, portName.indexOf('.'));
  return new SwitchyardError('gateway_unavailable', `The ${target} service did not answer in time; try again`, {
    metadata: { port: portName, timeoutMs },
    retryAfterMs: RETRY_AFTER_MS,
    cause,
  });
}
