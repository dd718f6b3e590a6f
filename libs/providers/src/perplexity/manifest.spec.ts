import { describe, expect, it } from '@jest/globals';
import { acceptedOf, answerOf, EVERY_PARAMETER, requestTo, streamOf } from '../manifest-probe.fake.js';
import { perplexityManifest } from './manifest.js';

describe('Perplexity', () => {
  it('is told the output cap as `max_tokens`', () => {
    for (const client of [{ max_tokens: 50 }, { max_completion_tokens: 50 }]) {
      const { body } = requestTo(perplexityManifest, client);
      expect(body).toMatchObject({ max_tokens: 50 });
      expect(body).not.toHaveProperty('max_completion_tokens');
    }
  });

  it('drops tools and what else it does not know, and says so', () => {
    const { body, warnings } = requestTo(perplexityManifest, EVERY_PARAMETER);
    for (const name of ['tools', 'tool_choice', 'seed', 'logit_bias']) {
      expect(body).not.toHaveProperty(name);
      expect(warnings.some((warning) => warning.startsWith(`${name}:`))).toBe(true);
    }
  });

  it('is not asked for usage in streams, and sends it all the same', () => {
    expect(requestTo(perplexityManifest, {}, { stream: true }).body).not.toHaveProperty('stream_options');
    const { meters, outcome } = streamOf(perplexityManifest, [
      {
        choices: [{ index: 0, delta: { role: 'assistant', content: 'Yes.' }, finish_reason: 'stop' }],
        usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 },
      },
    ]);
    expect({ meters, outcome }).toEqual({ meters: { input_uncached: 5, output_text: 2 }, outcome: 'finished' });
  });

  it('is asked for reasoning by effort', () => {
    expect(requestTo(perplexityManifest, { reasoning: { effort: 'high' } }).body).toMatchObject({ reasoning_effort: 'high' });
    expect(requestTo(perplexityManifest, { reasoning: { effort: 'low' } }).body).toMatchObject({ reasoning_effort: 'low' });
  });

  it('has thoughts inside its content taken out', () => {
    const { message } = answerOf(perplexityManifest, {
      choices: [{ index: 0, message: { role: 'assistant', content: '<think>Hm.</think>Yes.' }, finish_reason: 'stop' }],
    });
    expect(message).toMatchObject({ content: 'Yes.', reasoning: 'Hm.' });
  });

  it('keeps its own search parameters', () => {
    expect(acceptedOf(perplexityManifest, { search_mode: 'academic', search_domain_filter: ['example.org'] })).toEqual(['search_mode', 'search_domain_filter']);
  });
});
