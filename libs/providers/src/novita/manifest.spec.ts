import { describe, expect, it } from '@jest/globals';
import { answerOf, EVERY_PARAMETER, requestTo } from '../manifest-probe.fake.js';
import { novitaManifest } from './manifest.js';

describe('Novita', () => {
  it('is told the output cap as `max_tokens`', () => {
    for (const client of [{ max_tokens: 50 }, { max_completion_tokens: 50 }]) {
      const { body } = requestTo(novitaManifest, client);
      expect(body).toMatchObject({ max_tokens: 50 });
      expect(body).not.toHaveProperty('max_completion_tokens');
    }
  });

  it('is asked for reasoning by a switch', () => {
    expect(requestTo(novitaManifest, { reasoning: { effort: 'high' } }).body).toMatchObject({ enable_thinking: true });
    expect(requestTo(novitaManifest, { reasoning: { enabled: false } }).body).toMatchObject({ enable_thinking: false });
  });

  it('gets its thoughts back', () => {
    const { body } = requestTo(novitaManifest, {
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Yes.', reasoning: 'Hm.', reasoning_details: [{ type: 'reasoning.text', text: 'Hm.', index: 0 }] },
        { role: 'user', content: 'Why?' },
      ],
    });
    expect(body['messages']).toMatchObject([
      { role: 'user' },
      { role: 'assistant', content: 'Yes.', reasoning_details: [{ type: 'reasoning.text', text: 'Hm.' }] },
      { role: 'user' },
    ]);
  });

  it('has thoughts inside its content taken out', () => {
    const { message } = answerOf(novitaManifest, {
      choices: [{ index: 0, message: { role: 'assistant', content: '<think>Hm.</think>Yes.' }, finish_reason: 'stop' }],
    });
    expect(message).toMatchObject({ content: 'Yes.', reasoning: 'Hm.' });
  });

  it('drops what it does not know, and says so', () => {
    const { body, warnings } = requestTo(novitaManifest, EVERY_PARAMETER);
    for (const name of ['top_a', 'parallel_tool_calls']) {
      expect(body).not.toHaveProperty(name);
      expect(warnings.some((warning) => warning.startsWith(`${name}:`))).toBe(true);
    }
  });
});
