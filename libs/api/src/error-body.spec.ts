import { describe, expect, it } from '@jest/globals';
import { BadRequestResponseError$inboundSchema } from '@openrouter/sdk/models/errors/badrequestresponseerror.js';
import { ChatStreamChunk$inboundSchema } from '@openrouter/sdk/models/chatstreamchunk.js';
import { ERROR_TABLE, isErrorType, SwitchyardError, type ErrorType } from '@switchyard/errors';
import { isMasked, renderError, renderStreamError } from './error-body.js';
import { errorEnvelopeSchema, PUBLIC_ERROR_TYPES } from './openrouter/error-envelope.js';

const ALL_TYPES = Object.keys(ERROR_TABLE).filter(isErrorType);
const CHUNK = { id: 'gen-1-x', model: 'a/b', created: 1, provider: 'P' };

function readableBySdk(body: object): boolean {
  const transport = { request$: new Request('http://127.0.0.1'), response$: new Response(), body$: '' };
  return BadRequestResponseError$inboundSchema.safeParse({ ...body, ...transport }).success;
}

describe('renderError', () => {
  it.each(ALL_TYPES)('gives %s an envelope that official clients read', (type: ErrorType) => {
    const { status, body } = renderError(new SwitchyardError(type, 'What went wrong', { providerCode: 'upstream_code' }));
    expect(status).toBe(ERROR_TABLE[type].httpStatus);
    expect(errorEnvelopeSchema.parse(body).error.code).toBe(status);
    expect(readableBySdk(body)).toBe(true);
    if (isMasked(new SwitchyardError(type, ''))) expect(JSON.stringify(body)).not.toMatch(/What went wrong|upstream_code/);
    else expect(PUBLIC_ERROR_TYPES).toContain(body.error.metadata?.error_type);
  });

  it('masks exceptions nobody expected (E12)', () => {
    expect(renderError(new Error('password=hunter2'))).toEqual({
      status: 500,
      headers: {},
      body: { error: { code: 500, message: 'Internal Server Error', type: 'server_error', param: null } },
    });
  });

  it('tells the field, the attempts before, and when to come back', () => {
    const error = new SwitchyardError('provider_overloaded', 'All providers are busy', {
      retryAfterMs: 1_200,
      metadata: { param: 'model', previous_errors: [{ provider: 'Azure', code: 429, status: 429 }], provider_name: 'Azure' },
    });
    expect(renderError(error)).toEqual({
      status: 503,
      headers: { 'retry-after': '2' },
      body: {
        error: {
          code: 503,
          message: 'All providers are busy',
          type: 'server_error',
          param: 'model',
          metadata: { error_type: 'provider_overloaded', previous_errors: [{ provider: 'Azure', code: 429, status: 429 }], provider_name: 'Azure' },
        },
      },
    });
  });

  it('names no provider where the gateway itself refused a field, and keeps the attempts before', () => {
    const previous_errors = [{ provider: 'Azure', code: 429, status: 429 }];
    const refused = new SwitchyardError('invalid_request', 'suffix must be left out', {
      metadata: { param: 'suffix', previous_errors, provider_name: 'Azure' },
    });
    expect(renderError(refused).body.error).toMatchObject({ param: 'suffix', metadata: { error_type: 'invalid_request', previous_errors } });
    expect(renderError(refused).body.error.metadata).not.toHaveProperty('provider_name');
    const upstream = new SwitchyardError('invalid_request', 'No', { metadata: { provider_name: 'Azure' } });
    expect(renderError(upstream).body.error).toMatchObject({ param: null, metadata: { provider_name: 'Azure' } });
  });

  it('sends rate limit headers on the gateway’s own 429 alone (E07)', () => {
    const own = renderError(
      new SwitchyardError('rate_limit_exceeded', 'Rate limit exceeded: free-models-per-day', {
        metadata: { rate_limit: { limit: 50, remaining: 0, resetTimeMs: 1_700_000_000_000 } },
      }),
    );
    expect(own.headers).toEqual({ 'x-ratelimit-limit': '50', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1700000000000' });
    expect(own.body.error.metadata?.headers).toEqual({ 'X-RateLimit-Limit': '50', 'X-RateLimit-Remaining': '0', 'X-RateLimit-Reset': '1700000000000' });
    const upstream = renderError(new SwitchyardError('rate_limit_exceeded', 'a/b is temporarily rate-limited upstream', { retryAfterMs: 3_000 }));
    expect(upstream.headers).toEqual({ 'retry-after': '3' });
    expect(upstream.body.error.metadata).toEqual({ error_type: 'rate_limit_exceeded' });
  });

  it('explains unavailability beside the code (E05)', () => {
    const availability = {
      code: 'constraint_filtered',
      retryable: false,
      requested_models: ['a/b'],
      excluded_by: ['max_price'],
      constraint: { field: 'max_price' },
    } as const;
    const { body } = renderError(new SwitchyardError('not_found', 'No endpoints found', { metadata: { availability } }));
    expect(errorEnvelopeSchema.parse(body).error).toMatchObject({ code: 404, error_type: 'not_found', http_status: 404, availability });
    expect(body.error.availability?.docs_url).toBe('/api/v1/openapi.json');
    expect(readableBySdk(body)).toBe(true);
  });
});

describe('renderStreamError', () => {
  it.each(ALL_TYPES)('makes of %s a chunk that the official client yields (C13)', (type: ErrorType) => {
    const event = renderStreamError(new SwitchyardError(type, 'cut', { metadata: { provider_name: 'P', raw: 'x' } }), CHUNK);
    expect(event).toMatch(/^data: .*\n\n$/);
    const chunk = ChatStreamChunk$inboundSchema.parse(JSON.parse(event.slice(6)));
    expect(chunk).toMatchObject({ id: 'gen-1-x', error: { code: ERROR_TABLE[type].httpStatus }, choices: [{ finishReason: 'error' }] });
  });

  it('masks an unknown exception', () => {
    expect(renderStreamError(new Error('secret'), CHUNK)).not.toContain('secret');
  });
});
