import { describe, expect, it } from '@jest/globals';
import { classifyFailure, errorParts, retryAfterInText, retryAfterMs } from './upstream-error.js';

const failure = (status: number, message = '', code = '') => classifyFailure({ status, message, codes: code === '' ? [] : [code] });

describe('classifyFailure', () => {
  it.each([
    [400, '', '', 'invalid_request'],
    [400, "This model's maximum context length is 8192 tokens", '', 'context_length_exceeded'],
    [400, 'prompt is too long: 210011 tokens > 200000 maximum', 'invalid_request_error', 'context_length_exceeded'],
    [400, 'max_tokens: 99999 is too large', '', 'max_tokens_exceeded'],
    [400, 'The response was filtered due to the prompt triggering our content management policy.', 'content_filter', 'content_policy_violation'],
    [400, 'Your credit balance is too low to access the API.', 'invalid_request_error', 'provider_unavailable'],
    [
      400,
      'You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.',
      'invalid_request_error',
      'provider_unavailable',
    ],
    [400, 'API key expired. Please renew the API key.', 'API_KEY_INVALID', 'provider_unavailable'],
    [400, 'This organization has been disabled.', 'invalid_request_error', 'provider_unavailable'],
    [400, 'Incorrect API key provided: xa***12. You can obtain an API key elsewhere.', 'Client specified an invalid argument', 'provider_unavailable'],
    [400, 'Content Exists Risk', 'invalid_request_error', 'content_policy_violation'],
    [401, 'invalid x-api-key', 'authentication_error', 'provider_unavailable'],
    [402, 'Insufficient Balance', '', 'provider_unavailable'],
    [403, 'Country not supported', '', 'provider_unavailable'],
    [403, 'Your input was flagged by moderation', '', 'content_policy_violation'],
    [403, 'Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO', 'permission-denied', 'content_policy_violation'],
    [404, 'model not found', 'model_not_found', 'provider_unavailable'],
    [408, '', '', 'timeout'],
    [413, '', 'request_too_large', 'payload_too_large'],
    [422, 'temperature: too hot', '', 'unprocessable'],
    [429, '', '', 'rate_limit_exceeded'],
    [429, 'You exceeded your current quota, please check your plan and billing details.', 'insufficient_quota', 'provider_unavailable'],
    [429, 'Slow down', 'server_error', 'rate_limit_exceeded'],
    [503, '', 'api_error', 'provider_overloaded'],
    [504, '', 'internal', 'timeout'],
    [500, 'Service overloaded, try later', '', 'provider_overloaded'],
    [500, '', '', 'provider_unavailable'],
    [503, '', '', 'provider_overloaded'],
    [504, '', '', 'timeout'],
    [529, '', 'overloaded_error', 'provider_overloaded'],
    [418, '', '', 'unmapped'],
    [0, '', '', 'provider_unavailable'],
  ])('places %i "%s" %s as %s', (status, message, code, errorType) => {
    expect(failure(status, message, code)).toMatchObject({ errorType, upstreamStatus: status });
  });

  it('lets a manifest name its provider’s own codes', () => {
    expect(classifyFailure({ status: 400, codes: ['1301'], message: 'x' }, { 1301: 'content_policy_violation' }).errorType).toBe('content_policy_violation');
  });

  it('does not repeat what a provider says of the operator’s credential, nor endless messages', () => {
    expect(failure(401, 'Incorrect API key provided: sk-live-1234').message).not.toContain('sk-live');
    expect(failure(400, 'API key not valid. Key: AIza123').message).not.toContain('AIza');
    expect(failure(400, 'Incorrect API key provided: xa***12.').message).not.toContain('xa');
    expect(failure(400, 'API key expired. Please renew the API key.').message).not.toContain('key');
    expect(failure(400, 'You have reached your specified API usage limits.').message).not.toContain('limits');
    expect(failure(400, 'x'.repeat(10_000)).message.length).toBeLessThan(1000);
  });
});

describe('retry hints', () => {
  it.each([
    [{ 'retry-after': '7' }, 7000],
    [{ 'retry-after': '0.5' }, 500],
    [{ 'retry-after-ms': '120', 'retry-after': '9' }, 120],
    [{ 'retry-after': 'Thu, 01 Jan 1970 00:01:30 GMT' }, 30_000],
    [{ 'retry-after': ['3', '9'] }, 3000],
    [{ 'retry-after': 'soon' }, undefined],
    [{}, undefined],
  ])('reads %j', (headers, expected) => {
    expect(retryAfterMs(headers, 60_000)).toBe(expected);
  });

  it.each([
    ['Please try again in 7.66s.', 7660],
    ['Please try again in 1m30.5s.', 90_500],
    ['Please try again in 850ms.', 850],
    ['Please retry in 34.4s', 34_400],
    ['Please try again later.', undefined],
    ['Please try again in ...', undefined],
    ['Please try again in 1.2.3s', undefined],
  ])('reads "%s"', (text, expected) => {
    expect(retryAfterInText(text)).toBe(expected);
  });
});

describe('what a failure tells of retries and status', () => {
  it.each([
    [Number.NaN, undefined],
    [-5_000, 0],
    [Number.POSITIVE_INFINITY, 86_400_000],
    [7_000, 7_000],
  ])('is a time that can be waited for: %d', (retryAfterMs, expected) => {
    expect(classifyFailure({ status: 429, codes: [], message: '', retryAfterMs }).retryAfterMs).toBe(expected);
  });

  it('is a whole number of a status', () => {
    expect(classifyFailure({ status: 429.5, codes: [], message: '' }).upstreamStatus).toBe(0);
  });
});

describe('errorParts', () => {
  it.each([
    [{ error: { message: 'a', code: 'c', type: 't' } }, 'a', ['c', 't']],
    [{ error: 'plain' }, 'plain', []],
    [[{ error: { message: 'listed', code: 429, status: 'RESOURCE_EXHAUSTED' } }], 'listed', ['RESOURCE_EXHAUSTED']],
    [{ detail: [{ msg: 'field required' }, { msg: 'too long' }] }, 'field required; too long', []],
    [{ detail: 'Not Found' }, 'Not Found', []],
    [{ detail: { error: 'Model is not available' } }, 'Model is not available', []],
    [{ object: 'error', message: 'vllm', code: 400 }, 'vllm', []],
    [{ object: 'error', message: { detail: [{ loc: ['body', 'x'], msg: 'no' }] }, type: 'invalid_request_error' }, 'no (body.x)', ['invalid_request_error']],
    [{ object: 'Error', message: [{ loc: ['body', 'tools'], msg: 'no' }] }, 'no (body.tools)', []],
    [{ success: false, errors: [{ message: 'AiError: no', code: 5006 }], messages: [] }, 'AiError: no', ['5006']],
    ['text', '', []],
    [undefined, '', []],
  ])('reads %j', (body, message, codes) => {
    expect(errorParts(body)).toMatchObject({ message, codes });
  });
});
