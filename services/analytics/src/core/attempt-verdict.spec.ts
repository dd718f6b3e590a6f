import { describe, expect, it } from '@jest/globals';
import { common, events } from '@switchyard/proto';
import { attemptThroughput, attemptVerdict } from './attempt-verdict.js';

function failed(errorType: string, upstreamStatus: number, message = ''): events.AttemptCompleted {
  return events.AttemptCompleted.fromPartial({
    outcome: events.AttemptOutcome.UPSTREAM_FAILED,
    upstreamStatus,
    error: common.ErrorDetail.fromPartial({ errorType, message, upstreamStatus }),
  });
}

describe('attemptVerdict', () => {
  it.each([
    ['provider_unavailable', 500, '', 'failure'],
    ['timeout', 0, '', 'failure'],
    ['authentication', 401, '', 'failure'],
    ['payment_required', 402, '', 'failure'],
    ['not_found', 404, '', 'failure'],
    ['permission_denied', 403, 'Your account is suspended', 'failure'],
    ['permission_denied', 403, 'Country, region, or territory not supported', 'ignored'],
    ['content_policy_violation', 403, 'Content violates usage guidelines.', 'ignored'],
    ['content_policy_violation', 200, 'The provider refused the prompt', 'ignored'],
    ['invalid_request', 400, '', 'ignored'],
    ['context_length_exceeded', 400, '', 'ignored'],
    ['payload_too_large', 413, '', 'ignored'],
    // FastAPI's status for what Mistral, DeepInfra and vLLM find wrong with a request.
    ['unprocessable', 422, 'temperature: Input should be less than or equal to 1.5', 'ignored'],
    ['max_tokens_exceeded', 422, '', 'ignored'],
    ['context_length_exceeded', 404, '', 'ignored'],
    // An account that is used up or a key that expired is no request's fault, with whatever status a provider says so.
    ['provider_unavailable', 400, 'The provider refused the account or credential that this endpoint uses.', 'failure'],
    ['provider_unavailable', 429, 'You exceeded your current quota', 'failure'],
    ['', 422, '', 'ignored'],
    ['', 429, '', 'rate_limited'],
    ['', 502, '', 'failure'],
    ['rate_limit_exceeded', 429, '', 'rate_limited'],
    ['provider_overloaded', 529, '', 'failure'],
    ['provider_unavailable', 200, 'an error in mid-stream', 'failure'],
  ])('judges %s with status %i (%s) a %s (X12)', (errorType, status, message, verdict) => {
    expect(attemptVerdict(failed(errorType, status, message))).toBe(verdict);
  });

  it('counts neither cancelled attempts nor lost sessions', () => {
    expect(attemptVerdict(events.AttemptCompleted.fromPartial({ outcome: events.AttemptOutcome.CANCELLED }))).toBe('ignored');
    expect(attemptVerdict(events.AttemptCompleted.fromPartial({ outcome: events.AttemptOutcome.SESSION_LOST }))).toBe('ignored');
    expect(attemptVerdict(events.AttemptCompleted.fromPartial({ outcome: events.AttemptOutcome.COMPLETED, upstreamStatus: 200 }))).toBe('success');
  });
});

describe('attemptThroughput', () => {
  it('is tokens over the whole time of a completed attempt', () => {
    const attempt = { startTimeMs: 1_000n, endTimeMs: 3_000n, outputTokens: 100n };
    expect(attemptThroughput(events.AttemptCompleted.fromPartial({ ...attempt, outcome: events.AttemptOutcome.COMPLETED }))).toBe(50);
    expect(attemptThroughput(events.AttemptCompleted.fromPartial({ ...attempt, outcome: events.AttemptOutcome.CANCELLED }))).toBeUndefined();
    expect(attemptThroughput(events.AttemptCompleted.fromPartial({ ...attempt, outputTokens: 0n, outcome: events.AttemptOutcome.COMPLETED }))).toBeUndefined();
  });
});
