import { describe, expect, it } from '@jest/globals';
import { answerOf, EVERY_PARAMETER, probe, requestTo } from '../manifest-probe.fake.js';
import { qwenManifest } from './manifest.js';

describe('Alibaba Qwen', () => {
  it('is told the output cap as `max_tokens`', () => {
    for (const client of [{ max_tokens: 50 }, { max_completion_tokens: 50 }]) {
      const { body } = requestTo(qwenManifest, client);
      expect(body).toMatchObject({ max_tokens: 50 });
      expect(body).not.toHaveProperty('max_completion_tokens');
    }
  });

  it('is asked for reasoning by a switch and a budget', () => {
    expect(requestTo(qwenManifest, { reasoning: { max_tokens: 2000 } }).body).toMatchObject({ enable_thinking: true, thinking_budget: 2000 });
    expect(requestTo(qwenManifest, { reasoning: { enabled: false } }).body).toMatchObject({ enable_thinking: false });
  });

  it('continues a trailing assistant message that is marked as partial', () => {
    const { body } = requestTo(qwenManifest, {
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Well,' },
      ],
    });
    expect(body).toMatchObject({ messages: [{ role: 'user' }, { role: 'assistant', content: 'Well,', partial: true }] });
  });

  it('keeps cache marks', () => {
    const content = [{ type: 'text', text: 'Long.', cache_control: { type: 'ephemeral' } }];
    expect(requestTo(qwenManifest, { messages: [{ role: 'user', content }] }).body['messages']).toEqual([{ role: 'user', content }]);
  });

  it('counts what marks wrote to the cache, which costs more, apart', () => {
    const { meters } = answerOf(qwenManifest, {
      choices: [{ index: 0, message: { role: 'assistant', content: 'Yes.' }, finish_reason: 'stop' }],
      usage: {
        prompt_tokens: 2000,
        completion_tokens: 3,
        total_tokens: 2003,
        prompt_tokens_details: {
          cached_tokens: 0,
          cache_creation_input_tokens: 1500,
          cache_creation: { ephemeral_5m_input_tokens: 1500 },
          cache_type: 'ephemeral',
        },
      },
    });
    expect(meters).toEqual({ input_uncached: 500, cache_write_5m: 1500, output_text: 3 });
  });

  it.each([
    ['Arrearage', 'Access denied, please make sure your account is in good standing.', 'provider_unavailable'],
    ['data_inspection_failed', 'Input text data may contain inappropriate content.', 'content_policy_violation'],
    ['DataInspectionFailed', 'Output data may contain inappropriate content.', 'content_policy_violation'],
  ])('says with status 400, too, what is not the fault of the request: %s', (code, message, errorType) => {
    const body = Buffer.from(JSON.stringify({ error: { code, type: code, param: null, message } }));
    expect(probe(qwenManifest).readError(400, {}, body, 0)).toMatchObject({ errorType });
  });

  it('is asked for usage in streams', () => {
    expect(requestTo(qwenManifest, {}, { stream: true }).body).toMatchObject({ stream_options: { include_usage: true } });
  });

  it('drops what it does not know, and says so', () => {
    const { body, warnings } = requestTo(qwenManifest, EVERY_PARAMETER);
    for (const name of ['top_a', 'min_p', 'logit_bias']) {
      expect(body).not.toHaveProperty(name);
      expect(warnings.some((warning) => warning.startsWith(`${name}:`))).toBe(true);
    }
  });
});
