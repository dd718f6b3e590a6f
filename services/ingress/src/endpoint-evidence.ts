import { errorRow } from '@switchyard/errors';
import type { billing } from '@switchyard/proto';
import type { BreakerPass, CircuitBreakers, DeadlineSettings, RoutingPolicy } from '@switchyard/routing';
import { attemptErrorType } from './core/fallback.js';
import type { AttemptRecord } from './core/generation.js';

/** What the key and its account add to a routing request. */
export function keyPolicyOf(key: billing.Key): RoutingPolicy {
  const { account } = key;
  return {
    ...(key.allowedModels.length > 0 ? { allowedModels: key.allowedModels } : {}),
    ...(account && account.allowedProviders.length > 0 ? { allowedProviders: account.allowedProviders } : {}),
    ...(account && account.ignoredProviders.length > 0 ? { ignoredProviders: account.ignoredProviders } : {}),
    ...(account?.zdr ? { zdr: true } : {}),
  };
}

/** What a decision made elsewhere has to know to come out as this process's own would. */
export function describedPolicyOf(
  key: billing.Key,
  breakers: Pick<CircuitBreakers, 'states'>,
  deadlines: Partial<DeadlineSettings>,
  nowMs: number,
): Record<string, unknown> {
  return { ...keyPolicyOf(key), deadlines, breakers: breakers.states(nowMs) };
}

/** The key's policy, with this process's own evidence. */
export function routingPolicyOf(key: billing.Key, breakers: CircuitBreakers, deadlines: Partial<DeadlineSettings>): RoutingPolicy {
  return { breakers, deadlines, ...keyPolicyOf(key) };
}

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
