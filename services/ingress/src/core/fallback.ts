import type { AvailabilityReason } from '@switchyard/api';
import { errorRow, isErrorType, SwitchyardError, type ErrorType } from '@switchyard/errors';
import type { AvailabilityCode, PlanCandidate, RoutingRequest } from '@switchyard/routing';
import type { AttemptRecord } from './generation.js';

/**
 * Whether the next candidate may be tried after attempts of which the last showed the client nothing. Another endpoint of a
 * model may answer what the error table calls `mayFallBack`; another model may answer anything the first one refused.
 */
export function mayTryNext(attempts: readonly AttemptRecord[], next: PlanCandidate): boolean {
  const last = attempts.at(-1)!;
  if (last.isCommitted || last.end === 'completed' || last.end === 'client_gone') return false;
  // A variant is a model of its own here: `a/b` after `a/b:free` may take what the free one refuses.
  const ofModel = attempts.findLast(({ candidate }) => candidate.publicModel === next.publicModel);
  if (!ofModel || ofModel.end === 'session_lost' || ofModel.end === 'timed_out') return true;
  return errorRow(attemptErrorType(ofModel)).mayFallBack;
}

/** With one endpoint left, a failure that may pass is tried once more. */
export function mayRetrySame(attempt: AttemptRecord): boolean {
  if (attempt.isCommitted || attempt.end === 'completed' || attempt.end === 'client_gone') return false;
  if (attempt.end === 'session_lost') return true;
  // A 429 says when to come back, a timeout has used its patience up: neither is better a quarter of a second later.
  return attempt.end === 'failed' && attempt.error?.retryAfterMs === undefined && RETRIED_AT_ONCE.has(attemptErrorType(attempt));
}

const RETRIED_AT_ONCE: ReadonlySet<ErrorType> = new Set(['provider_unavailable', 'provider_overloaded']);

/** Why the attempt failed, by the error table; an error that it does not know counts as a provider that is away. */
export function attemptErrorType(attempt: AttemptRecord): ErrorType {
  const { error } = attempt;
  return error && isErrorType(error.errorType) ? error.errorType : 'provider_unavailable';
}

/** What the client is told when every attempt failed: the last failure, with the history and the soonest retry. */
export function failureOf(attempts: readonly AttemptRecord[], routing: RoutingRequest): SwitchyardError {
  const last = attempts.at(-1)!;
  const type = attemptErrorType(last);
  const metadata: Record<string, unknown> = { ...parseMetadata(last.error?.metadataJson), provider_name: last.candidate.endpoint.providerName };
  if (attempts.length > 1) {
    metadata['previous_errors'] = attempts.slice(0, -1).map((attempt) => ({
      provider: attempt.candidate.endpoint.providerName,
      model: attempt.candidate.publicModel,
      code: attempt.error?.upstreamStatus || errorRow(attemptErrorType(attempt)).httpStatus,
      error_type: attemptErrorType(attempt),
      message: historyMessage(attempt),
      status: attempt.upstreamStatus,
    }));
  }
  const shortage = SHORTAGES[type];
  if (shortage) metadata['availability'] = shortageOf(shortage, attempts, routing);
  const retryAfterMs = soonestRetry(attempts);
  return new SwitchyardError(type, messageOf(last), {
    metadata,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(last.error?.providerCode ? { providerCode: last.error.providerCode } : {}),
    ...(last.upstreamStatus ? { upstreamStatus: last.upstreamStatus } : {}),
  });
}

/** What the table masks in an error of its own stays masked in a history, too. */
function historyMessage(attempt: AttemptRecord): string {
  return errorRow(attemptErrorType(attempt)).messagePolicy === 'masked' ? '' : (attempt.error?.message ?? '');
}

function messageOf(attempt: AttemptRecord): string {
  if (attempt.error?.message) return attempt.error.message;
  return attempt.end === 'session_lost' ? 'The connection to the provider was lost.' : 'The provider failed.';
}

/** Failures that say: nothing is wrong with the request, come back later. */
const SHORTAGES: Readonly<Partial<Record<ErrorType, AvailabilityCode>>> = {
  rate_limit_exceeded: 'capacity_exhausted',
  provider_overloaded: 'temporarily_unavailable',
};

function shortageOf(code: AvailabilityCode, attempts: readonly AttemptRecord[], { model, models }: RoutingRequest): AvailabilityReason {
  return {
    code,
    retryable: true,
    requested_models: [...new Set([...(model === undefined ? [] : [model]), ...(models ?? [])])],
    affected_providers: [...new Set(attempts.map((attempt) => attempt.candidate.endpoint.providerName))],
  };
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
