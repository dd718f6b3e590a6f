import { describe, expect, it } from '@jest/globals';
import { DEFAULT_REQUEST_LIMITS } from '@switchyard/api';
import type { PriceSchedule } from '@switchyard/core';
import { inputTokenBound, maximumCharge } from '../../core/reservation-bound.js';
import { completionsRoute } from './completions.route.js';

const SCHEDULE: PriceSchedule = {
  revision: 'r',
  ratesPico: { input_uncached: 100n, cache_write_5m: 125n, web_search: 1_000_000n },
  overrides: [],
  discountMillionths: 0,
};

function read(fields: object) {
  return completionsRoute.read(Buffer.from(JSON.stringify({ model: 'acme/writer', prompt: 'Once', ...fields })), {}, DEFAULT_REQUEST_LIMITS);
}

function boundOf(fields: object) {
  return read(fields).bound;
}

describe('what a legacy completion reserves', () => {
  it('covers its text alone where it asks for nothing else', () => {
    expect(maximumCharge(SCHEDULE, boundOf({}), 1_000, 0)).toBe(100_000n);
  });

  it('covers the writing of a cache', () => {
    expect(maximumCharge(SCHEDULE, boundOf({ cache_control: { type: 'ephemeral' } }), 1_000, 0)).toBe(125_000n);
  });

  it('covers searches of the web', () => {
    expect(maximumCharge(SCHEDULE, boundOf({ web_search_options: {} }), 1_000, 0)).toBeGreaterThan(1_000_000n);
  });

  it('covers what providers say of tools on their own', () => {
    const tools = [{ type: 'function', function: { name: 'f' } }];
    const asText = JSON.stringify({ tools }).length;
    expect(inputTokenBound(boundOf({ tools })) - inputTokenBound(boundOf({}))).toBeGreaterThan(asText + 500);
  });
});

describe('the length of a legacy completion', () => {
  it.each([
    [undefined, {}],
    [5, { max_tokens: 5 }],
    [5, { max_completion_tokens: 5 }],
    [5, { max_completion_tokens: 5, max_tokens: 9 }],
    [9, { max_completion_tokens: null, max_tokens: 9 }],
  ])('is at most %s tokens by either name, as in a chat', (most, fields) => {
    const { maxOutputTokens, routing } = read(fields);
    expect([maxOutputTokens, routing.maxOutputTokens]).toEqual([most, most]);
  });

  it('has to be a number of tokens', () => {
    expect(() => read({ max_completion_tokens: 0 })).toThrow(
      expect.objectContaining({ type: 'invalid_request', metadata: { param: 'max_completion_tokens' } }),
    );
  });
});

describe('the tier of a legacy completion', () => {
  it('is the one that it asks for, as in a chat', () => {
    expect(read({ service_tier: 'flex' }).routing.serviceTier).toBe('flex');
    expect(read({}).routing.serviceTier).toBeUndefined();
  });
});
