import { describe, expect, it } from '@jest/globals';
import { acceptedOf, requestTo, statementsOf, streamOf } from '../manifest-probe.fake.js';
import { openrouterManifest } from './manifest.js';

describe('OpenRouter', () => {
  it('is told the output cap as `max_tokens`', () => {
    for (const client of [{ max_tokens: 50 }, { max_completion_tokens: 50 }]) {
      const { body } = requestTo(openrouterManifest, client);
      expect(body).toMatchObject({ max_tokens: 50 });
      expect(body).not.toHaveProperty('max_completion_tokens');
    }
  });

  it('gets the reasoning object as it is', () => {
    expect(requestTo(openrouterManifest, { reasoning: { effort: 'xhigh', exclude: true } }).body).toMatchObject({
      reasoning: { effort: 'xhigh', exclude: true },
    });
  });

  it('gets its thoughts back unchanged', () => {
    const { body } = requestTo(openrouterManifest, {
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Yes.', reasoning: 'Hm.', reasoning_details: [{ type: 'reasoning.text', text: 'Hm.', index: 0 }] },
        { role: 'user', content: 'Why?' },
      ],
    });
    expect(body['messages']).toMatchObject([
      { role: 'user' },
      { role: 'assistant', reasoning_details: [{ type: 'reasoning.text', text: 'Hm.', index: 0 }] },
      { role: 'user' },
    ]);
  });

  it('is not asked for usage in streams, and sends it all the same', () => {
    expect(requestTo(openrouterManifest, {}, { stream: true }).body).not.toHaveProperty('stream_options');
    const { meters, outcome } = streamOf(openrouterManifest, [
      {
        choices: [{ index: 0, delta: { role: 'assistant', content: 'Yes.' }, finish_reason: 'stop' }],
        usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 },
      },
    ]);
    expect({ meters, outcome }).toEqual({ meters: { input_uncached: 5, output_text: 2 }, outcome: 'finished' });
  });

  it('keeps cache marks, names, developer messages and every sampling parameter', () => {
    const messages = [
      { role: 'developer', content: [{ type: 'text', text: 'Long.', cache_control: { type: 'ephemeral' } }] },
      { role: 'user', name: 'Ann', content: 'Hi' },
    ];
    expect(requestTo(openrouterManifest, { messages }).body['messages']).toEqual(messages);
    expect(acceptedOf(openrouterManifest, { top_k: 1, top_a: 0.1, min_p: 0.1, verbosity: 'low' })).toEqual(['top_k', 'top_a', 'min_p', 'verbosity']);
  });

  it('says what answered and what it costs', () => {
    const usage = { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7, cost: 0.00125 };
    const answer = { model: 'native-model', choices: [{ index: 0, message: { role: 'assistant', content: 'Yes.' }, finish_reason: 'stop' }], usage };
    const chunks = [
      { id: 'a', model: 'native-model', choices: [{ index: 0, delta: { content: 'Yes.' }, finish_reason: 'stop' }] },
      { id: 'a', model: 'native-model', choices: [], usage },
    ];
    expect(statementsOf(openrouterManifest, answer, chunks)).toEqual(Array(4).fill({ model: 'native-model', costUsd: 0.00125 }));
  });
});
