import { describe, expect, it } from '@jest/globals';
import { answerOf, EVERY_PARAMETER, requestTo, statementsOf } from '../manifest-probe.fake.js';
import { xaiManifest } from './manifest.js';

describe('xAI', () => {
  it('is told the output cap as `max_completion_tokens`', () => {
    for (const client of [{ max_tokens: 50 }, { max_completion_tokens: 50 }]) {
      const { body } = requestTo(xaiManifest, client);
      expect(body).toMatchObject({ max_completion_tokens: 50 });
      expect(body).not.toHaveProperty('max_tokens');
    }
  });

  it('drops what no model of it takes, and says so', () => {
    const { body, warnings } = requestTo(xaiManifest, { ...EVERY_PARAMETER, search_parameters: { mode: 'on' } });
    for (const name of ['logit_bias', 'top_k', 'min_p', 'search_parameters']) {
      expect(body).not.toHaveProperty(name);
      expect(warnings.some((warning) => warning.startsWith(`${name}:`))).toBe(true);
    }
  });

  it('is asked for reasoning by effort, low or high', () => {
    expect(requestTo(xaiManifest, { reasoning: { effort: 'high' } }).body).toMatchObject({ reasoning_effort: 'high' });
    expect(requestTo(xaiManifest, { reasoning: { effort: 'minimal' } }).body).toMatchObject({ reasoning_effort: 'low' });
  });

  it('counts reasoning beside the completion', () => {
    const { meters } = answerOf(xaiManifest, {
      choices: [{ index: 0, message: { role: 'assistant', content: 'Yes.' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 10, completion_tokens: 3, total_tokens: 33, completion_tokens_details: { reasoning_tokens: 20 } },
    });
    expect(meters).toEqual({ input_uncached: 10, output_text: 3, reasoning: 20 });
  });

  it('shows its thoughts', () => {
    const { message } = answerOf(xaiManifest, {
      choices: [{ index: 0, message: { role: 'assistant', content: 'Yes.', reasoning_content: 'Hm.' }, finish_reason: 'stop' }],
    });
    expect(message).toMatchObject({ content: 'Yes.', reasoning: 'Hm.' });
  });

  it('says what answered and what it costs', () => {
    const usage = { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7, cost_in_usd_ticks: 37_756_000 };
    const answer = { model: 'native-model', choices: [{ index: 0, message: { role: 'assistant', content: 'Yes.' }, finish_reason: 'stop' }], usage };
    const chunks = [
      { id: 'a', model: 'native-model', choices: [{ index: 0, delta: { content: 'Yes.' }, finish_reason: 'stop' }] },
      { id: 'a', model: 'native-model', choices: [], usage },
    ];
    expect(statementsOf(xaiManifest, answer, chunks)).toEqual(Array(4).fill({ model: 'native-model', costUsd: 0.0037756 }));
  });
});
