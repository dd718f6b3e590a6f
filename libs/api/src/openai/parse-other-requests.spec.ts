import { describe, expect, it } from '@jest/globals';
import { DEFAULT_REQUEST_LIMITS } from '../request-limits.js';
import { parseEmbeddingsRequest } from './parse-other-requests.js';

const inputOf = (input: unknown) => parseEmbeddingsRequest(JSON.stringify({ model: 'm', input })).request.input;

describe('parseEmbeddingsRequest', () => {
  it.each([
    ['token ids', [1, 2, 3]],
    ['a batch of token ids', [[1, 2], [3]]],
    ['texts', ['a', 'b']],
    ['contents', [{ content: [{ type: 'text', text: 'a' }] }]],
  ])('takes %s as they are', (_kind, input) => expect(inputOf(input)).toEqual(input));

  it.each([
    ['a fraction among token ids', [1, 2.5]],
    ['a negative token id', [[1], [-1]]],
    ['an empty list', []],
    ['an empty list in a batch', [[1], []]],
    ['texts among token ids', [1, 'a']],
    ['more inputs than a batch may have', Array.from({ length: 2_049 }, () => [1])],
  ])('refuses %s', (_kind, input) => expect(() => inputOf(input)).toThrow(expect.objectContaining({ type: 'invalid_request' })));

  it('judges millions of token ids in no time worth mention: nobody else is served meanwhile', () => {
    const bytes = Buffer.from(`{"model":"m","input":[${'1,'.repeat(8_000_000)}1]}`);
    const { user: before } = process.cpuUsage();
    parseEmbeddingsRequest(bytes);
    // A schema takes ten times as long.
    expect(process.cpuUsage().user - before).toBeLessThan(5_000_000);
  });

  it('bounds the content parts of all inputs together', () => {
    const input = [{ content: [{ type: 'file', file: {} }] }, { content: [{ type: 'file', file: {} }] }];
    const parse = (maxContentPartCount: number) =>
      parseEmbeddingsRequest(JSON.stringify({ model: 'm', input }), { ...DEFAULT_REQUEST_LIMITS, maxContentPartCount });
    expect(parse(2).request.input).toEqual(input);
    expect(() => parse(1)).toThrow('input: 2 entries in content of all together, at most 1 are accepted');
  });
});
