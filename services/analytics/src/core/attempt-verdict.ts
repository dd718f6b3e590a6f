import { errorRow, isErrorType } from '@switchyard/errors';
import { events } from '@switchyard/proto';

/** How an attempt counts toward its endpoint's uptime. `ignored`: it says nothing about the endpoint. */
export type AttemptVerdict = 'success' | 'failure' | 'rate_limited' | 'ignored';

const GEOGRAPHIC = /region|country|countries|location|territor|geograph/i;

/** Statuses that the request itself caused. */
const REQUEST_STATUSES: ReadonlySet<number> = new Set([400, 413, 422]);

/**
 * Uptime leaves out what the request itself caused (400, 413, 422, refused content whatever its status), rate limits, refusals by geography, and attempts that
 * the client or a broken session of our own ended. What the error table blames on the provider counts whatever its status: some say with 400 or 429 that an
 * account is used up.
 */
export function attemptVerdict(attempt: events.AttemptCompleted): AttemptVerdict {
  if (attempt.outcome === events.AttemptOutcome.COMPLETED) return 'success';
  if (attempt.outcome !== events.AttemptOutcome.UPSTREAM_FAILED) return 'ignored';
  const errorType = attempt.error?.errorType ?? '';
  const row = isErrorType(errorType) ? errorRow(errorType) : undefined;
  const status = attempt.upstreamStatus || attempt.error?.upstreamStatus || (row?.httpStatus ?? 0);
  if (status === 403 && GEOGRAPHIC.test(`${attempt.error?.providerCode ?? ''} ${attempt.error?.message ?? ''}`)) return 'ignored';
  if (row?.blame === 'upstream') return 'failure';
  if (status === 429 || errorType === 'rate_limit_exceeded') return 'rate_limited';
  return REQUEST_STATUSES.has(status) || REQUEST_STATUSES.has(row?.httpStatus ?? 0) ? 'ignored' : 'failure';
}

/** Output tokens per second over the whole attempt; undefined when it gave none. */
export function attemptThroughput(attempt: events.AttemptCompleted): number | undefined {
  const durationMs = Number(attempt.endTimeMs - attempt.startTimeMs);
  const outputTokens = Number(attempt.outputTokens);
  return outputTokens > 0 && durationMs > 0 && attempt.outcome === events.AttemptOutcome.COMPLETED ? (outputTokens * 1000) / durationMs : undefined;
}
