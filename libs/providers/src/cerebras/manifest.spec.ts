import { describe, expect, it } from '@jest/globals';
import { answerOf, EVERY_PARAMETER, requestTo } from '../manifest-probe.fake.js';
import { cerebrasManifest } from './manifest.js';

describe('Cerebras', () => {
  it('is told the output cap as `max_completion_tokens`', () => {
    for (const client of [{ max_tokens: 50 }, { max_completion_tokens: 50 }]) {
      const { body } = requestTo(cerebrasManifest, client);
      expect(body).toMatchObject({ max_completion_tokens: 50 });
      expect(body).not.toHaveProperty('max_tokens');
    }
  });

  it('drops what it answers with 400, and says so', () => {
    const { body, warnings } = requestTo(cerebrasManifest, { ...EVERY_PARAMETER, prompt_cache_key: 'k' });
    for (const name of ['frequency_penalty', 'presence_penalty', 'logit_bias', 'prompt_cache_key']) {
      expect(body).not.toHaveProperty(name);
      expect(warnings.some((warning) => warning.startsWith(`${name}:`))).toBe(true);
    }
  });

  it('is asked for reasoning by effort', () => {
    expect(requestTo(cerebrasManifest, { reasoning: { effort: 'high' } }).body).toMatchObject({ reasoning_effort: 'high' });
    expect(requestTo(cerebrasManifest, { reasoning: { effort: 'low' } }).body).toMatchObject({ reasoning_effort: 'low' });
  });

  it('shows its thoughts', () => {
    const { message } = answerOf(cerebrasManifest, {
      choices: [{ index: 0, message: { role: 'assistant', content: 'Yes.', reasoning: 'Hm.' }, finish_reason: 'stop' }],
    });
    expect(message).toMatchObject({ content: 'Yes.', reasoning: 'Hm.' });
  });
});
