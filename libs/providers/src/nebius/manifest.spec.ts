import { describe, expect, it } from '@jest/globals';
import { answerOf, EVERY_PARAMETER, requestTo } from '../manifest-probe.fake.js';
import { nebiusManifest } from './manifest.js';

describe('Nebius', () => {
  it('is told the output cap as `max_tokens`', () => {
    for (const client of [{ max_tokens: 50 }, { max_completion_tokens: 50 }]) {
      const { body } = requestTo(nebiusManifest, client);
      expect(body).toMatchObject({ max_tokens: 50 });
      expect(body).not.toHaveProperty('max_completion_tokens');
    }
  });

  it('is asked for reasoning by effort', () => {
    expect(requestTo(nebiusManifest, { reasoning: { effort: 'high' } }).body).toMatchObject({ reasoning_effort: 'high' });
    expect(requestTo(nebiusManifest, { reasoning: { effort: 'low' } }).body).toMatchObject({ reasoning_effort: 'low' });
  });

  it('drops what it does not know, and says so', () => {
    const { body, warnings } = requestTo(nebiusManifest, EVERY_PARAMETER);
    for (const name of ['top_a', 'verbosity', 'prediction']) {
      expect(body).not.toHaveProperty(name);
      expect(warnings.some((warning) => warning.startsWith(`${name}:`))).toBe(true);
    }
  });

  it('shows its thoughts', () => {
    const { message } = answerOf(nebiusManifest, {
      choices: [{ index: 0, message: { role: 'assistant', content: 'Yes.', reasoning_content: 'Hm.' }, finish_reason: 'stop' }],
    });
    expect(message).toMatchObject({ content: 'Yes.', reasoning: 'Hm.' });
  });
});
