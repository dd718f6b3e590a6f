import { describe, expect, it } from '@jest/globals';
import { acceptedOf, answerOf, EVERY_PARAMETER, requestTo } from '../manifest-probe.fake.js';
import { togetherManifest } from './manifest.js';

describe('Together', () => {
  it('is told the output cap as `max_tokens`', () => {
    for (const client of [{ max_tokens: 50 }, { max_completion_tokens: 50 }]) {
      const { body } = requestTo(togetherManifest, client);
      expect(body).toMatchObject({ max_tokens: 50 });
      expect(body).not.toHaveProperty('max_completion_tokens');
    }
  });

  it('is asked for reasoning by a switch', () => {
    expect(requestTo(togetherManifest, { reasoning: { effort: 'high' } }).body).toMatchObject({ reasoning: { enabled: true } });
    expect(requestTo(togetherManifest, { reasoning: { enabled: false } }).body).toMatchObject({ reasoning: { enabled: false } });
  });

  it('drops what it does not know, and says so', () => {
    const { body, warnings } = requestTo(togetherManifest, EVERY_PARAMETER);
    for (const name of ['top_a', 'verbosity', 'prediction']) {
      expect(body).not.toHaveProperty(name);
      expect(warnings.some((warning) => warning.startsWith(`${name}:`))).toBe(true);
    }
  });

  it('keeps the sampling parameters of open weights', () => {
    expect(acceptedOf(togetherManifest, { top_k: 40, min_p: 0.1, repetition_penalty: 1.1, logit_bias: { '1': 1 } })).toEqual([
      'top_k',
      'min_p',
      'repetition_penalty',
      'logit_bias',
    ]);
  });

  it('shows its thoughts', () => {
    const { message } = answerOf(togetherManifest, {
      choices: [{ index: 0, message: { role: 'assistant', content: 'Yes.', reasoning: 'Hm.' }, finish_reason: 'stop' }],
    });
    expect(message).toMatchObject({ content: 'Yes.', reasoning: 'Hm.' });
  });
});
