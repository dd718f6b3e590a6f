import { describe, expect, it } from '@jest/globals';
import type { ErrorType } from '@switchyard/errors';
import type { PlanCandidate } from '@switchyard/routing';
import { mayRetrySame, mayTryNext } from './fallback.js';
import type { AttemptEndKind, AttemptRecord } from './generation.js';

const candidateOf = (slug: string, publicModel: string): PlanCandidate => ({ model: { slug }, publicModel }) as unknown as PlanCandidate;
const failed = (candidate: PlanCandidate, errorType: ErrorType): AttemptRecord =>
  ({ candidate, end: 'failed', isCommitted: false, error: { errorType } }) as unknown as AttemptRecord;

const standard = candidateOf('acme/writer', 'acme/writer');

/** After these nothing else may be tried: the client has content, all of it, or is gone. */
const FINAL: readonly [string, AttemptRecord][] = [
  ['that showed content', { ...failed(standard, 'provider_unavailable'), isCommitted: true }],
  ...(['completed', 'client_gone'] as const).map((end): [string, AttemptRecord] => [`that is ${end}`, ended(end)]),
];

function ended(end: AttemptEndKind): AttemptRecord {
  return { candidate: standard, end, isCommitted: false } as unknown as AttemptRecord;
}

describe('the next candidate', () => {
  const free = candidateOf('acme/writer', 'acme/writer:free');

  it('may be another endpoint of the same model after what is not the fault of the request, or beyond the limits of the first alone', () => {
    for (const errorType of ['rate_limit_exceeded', 'context_length_exceeded', 'payload_too_large'] as const)
      expect(mayTryNext([failed(standard, errorType)], standard)).toBe(true);
    expect(mayTryNext([failed(standard, 'invalid_request')], standard)).toBe(false);
  });

  it('may be another model after anything, and so may the paid variant after the free one (R22)', () => {
    expect(mayTryNext([failed(standard, 'invalid_request')], candidateOf('acme/poet', 'acme/poet'))).toBe(true);
    expect(mayTryNext([failed(free, 'invalid_request')], standard)).toBe(true);
    expect(mayTryNext([failed(free, 'invalid_request')], free)).toBe(false);
  });

  it('is no further endpoint of a model that refused the request, also where another model was asked in between', () => {
    const attempts = [failed(standard, 'invalid_request'), failed(free, 'provider_unavailable')];
    expect([standard, free].map((next) => mayTryNext(attempts, next))).toEqual([false, true]);
  });

  it('may be another endpoint of the same model after a lost session and after a time that ran out', () => {
    for (const end of ['session_lost', 'timed_out'] as const) expect(mayTryNext([ended(end)], standard)).toBe(true);
  });

  it.each(FINAL)('is none after an attempt %s', (_what, attempt) => {
    expect(mayTryNext([attempt], standard)).toBe(false);
  });
});

describe('the last candidate', () => {
  it('is tried once more after a failure that may pass in a moment', () => {
    for (const errorType of ['provider_unavailable', 'provider_overloaded'] as const) expect(mayRetrySame(failed(standard, errorType))).toBe(true);
    expect(mayRetrySame(ended('session_lost'))).toBe(true);
  });

  it('is not tried at once where it said when to come back, used its time up, or would answer the same again', () => {
    const overloaded = failed(standard, 'provider_overloaded');
    expect(mayRetrySame({ ...overloaded, error: { ...overloaded.error!, retryAfterMs: 1_000n } })).toBe(false);
    for (const errorType of ['rate_limit_exceeded', 'invalid_request'] as const) expect(mayRetrySame(failed(standard, errorType))).toBe(false);
    expect(mayRetrySame(ended('timed_out'))).toBe(false);
  });

  it.each(FINAL)('is not tried again after an attempt %s', (_what, attempt) => {
    expect(mayRetrySame(attempt)).toBe(false);
  });
});
