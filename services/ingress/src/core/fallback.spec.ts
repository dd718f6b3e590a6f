import { describe, expect, it } from '@jest/globals';
import type { ErrorType } from '@switchyard/errors';
import type { PlanCandidate } from '@switchyard/routing';
import { mayTryNext } from './fallback.js';
import type { AttemptRecord } from './generation.js';

const candidateOf = (slug: string, publicModel: string): PlanCandidate => ({ model: { slug }, publicModel }) as unknown as PlanCandidate;
const failed = (candidate: PlanCandidate, errorType: ErrorType): AttemptRecord =>
  ({ candidate, end: 'failed', isCommitted: false, error: { errorType } }) as unknown as AttemptRecord;

describe('the next candidate', () => {
  const standard = candidateOf('acme/writer', 'acme/writer');
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
});
