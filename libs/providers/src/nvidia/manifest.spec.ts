import { describe, expect, it } from '@jest/globals';
import { answerOf, EVERY_PARAMETER, requestTo } from '../manifest-probe.fake.js';
import { nvidiaManifest } from './manifest.js';

describe('NVIDIA', () => {
  it('is told the output cap as `max_tokens`', () => {
    for (const client of [{ max_tokens: 50 }, { max_completion_tokens: 50 }]) {
      const { body } = requestTo(nvidiaManifest, client);
      expect(body).toMatchObject({ max_tokens: 50 });
      expect(body).not.toHaveProperty('max_completion_tokens');
    }
  });

  it('is asked for reasoning through the chat template', () => {
    expect(requestTo(nvidiaManifest, { reasoning: { effort: 'high' } }).body).toMatchObject({ chat_template_kwargs: { enable_thinking: true } });
    expect(requestTo(nvidiaManifest, { reasoning: { enabled: false } }).body).toMatchObject({ chat_template_kwargs: { enable_thinking: false } });
  });

  it('has thoughts inside its content taken out', () => {
    const { message } = answerOf(nvidiaManifest, {
      choices: [{ index: 0, message: { role: 'assistant', content: '<think>Hm.</think>Yes.' }, finish_reason: 'stop' }],
    });
    expect(message).toMatchObject({ content: 'Yes.', reasoning: 'Hm.' });
  });

  it('shows thoughts that come apart', () => {
    const { message } = answerOf(nvidiaManifest, {
      choices: [{ index: 0, message: { role: 'assistant', content: 'Yes.', reasoning_content: 'Hm.' }, finish_reason: 'stop' }],
    });
    expect(message).toMatchObject({ content: 'Yes.', reasoning: 'Hm.' });
  });

  it('drops what it does not know, and says so', () => {
    const { body, warnings } = requestTo(nvidiaManifest, EVERY_PARAMETER);
    for (const name of ['top_a', 'verbosity', 'prediction']) {
      expect(body).not.toHaveProperty(name);
      expect(warnings.some((warning) => warning.startsWith(`${name}:`))).toBe(true);
    }
  });
});
