import { errorRow, isErrorType } from '@switchyard/errors';
import { events } from '@switchyard/proto';

/** How an attempt counts toward its endpoint's uptime. `ignored`: it says nothing about the endpoint. */
export type AttemptVerdict = 'success' | 'failure' | 'rate_limited' | 'ignored';

const GEOGRAPHIC = /region|country|countries|location|territor|geograph/i;

/**
 * Uptime leaves out what the request itself caused (400, 413, refused content whatever its status), rate limits, refusals by geography, and attempts that the
 * client or a broken session of our own ended.
 */
export function attemptVerdict(attempt: events.AttemptCompleted): AttemptVerdict {
  if (attempt.outcome === events.AttemptOutcome.COMPLETED) return 'success';
  if (attempt.outcome !== events.AttemptOutcome.UPSTREAM_FAILED) return 'ignored';
  const errorType = attempt.error?.errorType ?? '';
  const status = attempt.upstreamStatus || attempt.error?.upstreamStatus || (isErrorType(errorType) ? errorRow(errorType).httpStatus : 0);
  if (status === 429 || errorType === 'rate_limit_exceeded') return 'rate_limited';
  if (status === 400 || status === 413 || errorType === 'content_policy_violation' || errorType === 'refusal') return 'ignored';
  if (status === 403 && GEOGRAPHIC.test(`${attempt.error?.providerCode ?? ''} ${attempt.error?.message ?? ''}`)) return 'ignored';
  return 'failure';
}

/** Output tokens per second over the whole attempt; undefined when it gave none. */
export function attemptThroughput(attempt: events.AttemptCompleted): number | undefined {
  const durationMs = Number(attempt.endTimeMs - attempt.startTimeMs);
  const outputTokens = Number(attempt.outputTokens);
  return outputTokens > 0 && durationMs > 0 && attempt.outcome === events.AttemptOutcome.COMPLETED ? (outputTokens * 1000) / durationMs : undefined;
}
