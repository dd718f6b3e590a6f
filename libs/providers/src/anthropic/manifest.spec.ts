import { describe, expect, it } from '@jest/globals';
import { answerOf, requestTo } from '../manifest-probe.fake.js';
import { anthropicManifest } from './manifest.js';

describe('Anthropic', () => {
  it('is told the version of its API and authenticated to by its own header', () => {
    expect(anthropicManifest.headers).toEqual({ 'anthropic-version': '2023-06-01' });
    expect(anthropicManifest.authentication).toEqual({ kind: 'header', name: 'x-api-key' });
  });

  it('gets Messages requests, always with an output cap', () => {
    const { path, body } = requestTo(anthropicManifest, {
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hi' },
      ],
    });
    expect(path).toBe('/messages');
    expect(body).toMatchObject({ model: 'native-model', max_tokens: expect.any(Number), messages: [{ role: 'user' }] });
    expect(JSON.stringify(body['system'])).toContain('Be brief.');
    expect(requestTo(anthropicManifest, { max_completion_tokens: 50 }).body).toMatchObject({ max_tokens: 50 });
  });

  it('counts the prompt without its cached parts', () => {
    const { meters } = answerOf(anthropicManifest, {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      content: [{ type: 'text', text: 'Yes.' }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 3, cache_read_input_tokens: 100, cache_creation_input_tokens: 20, output_tokens: 4 },
    });
    expect(meters).toEqual({ input_uncached: 3, cache_read: 100, cache_write_5m: 20, output_text: 4 });
  });
});
