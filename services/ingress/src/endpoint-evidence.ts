import { errorRow } from '@switchyard/errors';
import type { BreakerPass, CircuitBreakers } from '@switchyard/routing';
import { attemptErrorType } from './core/fallback.js';
import type { AttemptRecord } from './core/generation.js';

/** Tells the endpoint's breaker how an attempt ended; what was not the endpoint's doing only frees the probe. */
export function recordEvidence(breakers: CircuitBreakers, attempt: AttemptRecord, pass: BreakerPass, nowMs: number): void {
  const { endpointId } = attempt.candidate.endpoint;
  if (attempt.end === 'completed') return breakers.recordSuccess(endpointId, pass, nowMs);
  // The worker finds out who is late. That our own guard had to end it tells of a worker or a process that stood still.
  if (attempt.end !== 'failed') return breakers.release(endpointId, pass);
  const type = attemptErrorType(attempt);
  if (type === 'rate_limit_exceeded') {
    const retryAfterMs = attempt.error?.retryAfterMs;
    return breakers.recordFailure(endpointId, pass, nowMs, {
      kind: 'rate_limited',
      ...(retryAfterMs === undefined ? {} : { retryAfterMs: Number(retryAfterMs) }),
    });
  }
  if (errorRow(type).blame !== 'upstream') return breakers.release(endpointId, pass);
  breakers.recordFailure(endpointId, pass, nowMs, { kind: type === 'timeout' ? 'timed_out' : 'failed' });
}
