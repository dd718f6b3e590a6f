import { describe, expect, it } from '@jest/globals';
import { DEFAULT_REQUEST_LIMITS } from '@switchyard/api';
import { chatCompletionsRoute } from './chat-completions.route.js';

describe('POST /chat/completions', () => {
  it.each([
    [{ reasoning: { effort: 'low' } }, true],
    [{ reasoning: { enabled: true } }, true],
    [{ reasoning: { max_tokens: 2_000, enabled: null } }, true],
    [{ reasoning_effort: 'high' }, true],
    [{ reasoning: { enabled: false } }, false],
    [{ reasoning: { max_tokens: 0 } }, false],
    [{ reasoning: null }, false],
    [{}, false],
  ])('with %j has a routing request that reasons: %s', (given, reasoning) => {
    const body = Buffer.from(JSON.stringify({ model: 'acme/writer', messages: [{ role: 'user', content: 'hi' }], ...given }));
    expect(chatCompletionsRoute.read(body, {}, DEFAULT_REQUEST_LIMITS).routing.uses.reasoning).toBe(reasoning);
  });
});
