import { describe, expect, it } from '@jest/globals';
import { answerOf, EVERY_PARAMETER, requestTo } from '../manifest-probe.fake.js';
import { sambanovaManifest } from './manifest.js';

describe('SambaNova', () => {
  it('is told the output cap as `max_tokens`', () => {
    for (const client of [{ max_tokens: 50 }, { max_completion_tokens: 50 }]) {
      const { body } = requestTo(sambanovaManifest, client);
      expect(body).toMatchObject({ max_tokens: 50 });
      expect(body).not.toHaveProperty('max_completion_tokens');
    }
  });

  it('is asked for reasoning through the chat template', () => {
    expect(requestTo(sambanovaManifest, { reasoning: { effort: 'high' } }).body).toMatchObject({ chat_template_kwargs: { enable_thinking: true } });
    expect(requestTo(sambanovaManifest, { reasoning: { enabled: false } }).body).toMatchObject({ chat_template_kwargs: { enable_thinking: false } });
  });

  it('has thoughts inside its content taken out', () => {
    const { message } = answerOf(sambanovaManifest, {
      choices: [{ index: 0, message: { role: 'assistant', content: '<think>Hm.</think>Yes.' }, finish_reason: 'stop' }],
    });
    expect(message).toMatchObject({ content: 'Yes.', reasoning: 'Hm.' });
  });

  it('is not sent what it would ignore in silence', () => {
    const { body, warnings } = requestTo(sambanovaManifest, EVERY_PARAMETER);
    for (const name of ['logprobs', 'presence_penalty', 'frequency_penalty', 'logit_bias']) {
      expect(body).not.toHaveProperty(name);
      expect(warnings.some((warning) => warning.startsWith(`${name}:`))).toBe(true);
    }
  });
});
