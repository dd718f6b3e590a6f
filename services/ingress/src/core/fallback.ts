import { errorRow, isErrorType, SwitchyardError, type ErrorType } from '@switchyard/errors';
import type { common } from '@switchyard/proto';
import type { PlanCandidate } from '@switchyard/routing';
import type { AttemptRecord } from './generation.js';

/**
 * Whether the next candidate may be tried after an attempt that showed the client nothing. Another endpoint of the same
 * model may answer what the error table calls `mayFallBack`; another model may answer anything the first one refused.
 */
export function mayTryNext(attempt: AttemptRecord, next: PlanCandidate): boolean {
  if (attempt.isCommitted || attempt.end === 'completed' || attempt.end === 'client_gone') return false;
  if (attempt.end === 'session_lost' || attempt.end === 'timed_out') return true;
  if (next.model.slug !== attempt.candidate.model.slug) return true;
  return errorRow(attemptErrorType(attempt)).mayFallBack;
}

/** With one endpoint left, a failure that may pass is tried once more. */
export function mayRetrySame(attempt: AttemptRecord): boolean {
  if (attempt.isCommitted || attempt.end === 'completed' || attempt.end === 'client_gone') return false;
  if (attempt.end === 'session_lost') return true;
  // A 429 says when to come back, a timeout has used its patience up: neither is better a quarter of a second later.
  return attempt.end === 'failed' && attempt.error?.retryAfterMs === undefined && RETRIED_AT_ONCE.has(attemptErrorType(attempt));
}

const RETRIED_AT_ONCE: ReadonlySet<ErrorType> = new Set(['provider_unavailable', 'provider_overloaded']);

export function attemptErrorType(attempt: AttemptRecord): ErrorType {
  return errorTypeOf(attempt.error);
}

export function errorTypeOf(error: common.ErrorDetail | undefined): ErrorType {
  return error && isErrorType(error.errorType) ? error.errorType : 'provider_unavailable';
}

/** What the client is told when every attempt failed: the last failure, with the history and the soonest retry. */
export function failureOf(attempts: readonly AttemptRecord[]): SwitchyardError {
  const last = attempts.at(-1)!;
  const type = attemptErrorType(last);
  const metadata: Record<string, unknown> = { ...parseMetadata(last.error?.metadataJson), provider_name: last.candidate.endpoint.providerName };
  if (attempts.length > 1) {
    metadata['previous_errors'] = attempts.slice(0, -1).map((attempt) => ({
      provider: attempt.candidate.endpoint.providerName,
      model: attempt.candidate.publicModel,
      code: attempt.error?.upstreamStatus || errorRow(attemptErrorType(attempt)).httpStatus,
      error_type: attemptErrorType(attempt),
      message: attempt.error?.message ?? '',
      status: attempt.upstreamStatus,
    }));
  }
  const retryAfterMs = soonestRetry(attempts);
  return new SwitchyardError(type, messageOf(last), {
    metadata,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(last.error?.providerCode ? { providerCode: last.error.providerCode } : {}),
    ...(last.upstreamStatus ? { upstreamStatus: last.upstreamStatus } : {}),
  });
}

function messageOf(attempt: AttemptRecord): string {
  if (attempt.error?.message) return attempt.error.message;
  return attempt.end === 'session_lost' ? 'The connection to the provider was lost.' : 'The provider failed.';
}

/** `Retry-After` is the least of the attempts' own. */
function soonestRetry(attempts: readonly AttemptRecord[]): number | undefined {
  let soonestMs: number | undefined;
  for (const attempt of attempts) {
    const hintMs = attempt.error?.retryAfterMs;
    if (hintMs !== undefined) soonestMs = Math.min(soonestMs ?? Number.POSITIVE_INFINITY, Number(hintMs));
  }
  return soonestMs;
}

function parseMetadata(text: string | undefined): Record<string, unknown> {
  if (!text) return {};
  const parsed: unknown = JSON.parse(text);
  return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? { ...parsed } : {};
}
