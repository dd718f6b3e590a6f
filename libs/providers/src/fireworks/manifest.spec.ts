import { describe, expect, it } from '@jest/globals';
import { EVERY_PARAMETER, requestTo, streamOf } from '../manifest-probe.fake.js';
import { fireworksManifest } from './manifest.js';

describe('Fireworks', () => {
  it('is told the output cap as `max_tokens`', () => {
    for (const client of [{ max_tokens: 50 }, { max_completion_tokens: 50 }]) {
      const { body } = requestTo(fireworksManifest, client);
      expect(body).toMatchObject({ max_tokens: 50 });
      expect(body).not.toHaveProperty('max_completion_tokens');
    }
  });

  it('is asked for reasoning by effort', () => {
    expect(requestTo(fireworksManifest, { reasoning: { effort: 'high' } }).body).toMatchObject({ reasoning_effort: 'high' });
    expect(requestTo(fireworksManifest, { reasoning: { effort: 'low' } }).body).toMatchObject({ reasoning_effort: 'low' });
    expect(requestTo(fireworksManifest, { reasoning: { effort: 'none' } }).body).toMatchObject({ reasoning_effort: 'none' });
  });

  it('is not asked for usage in streams, and sends it all the same', () => {
    expect(requestTo(fireworksManifest, {}, { stream: true }).body).not.toHaveProperty('stream_options');
    const { meters, outcome } = streamOf(fireworksManifest, [
      {
        choices: [{ index: 0, delta: { role: 'assistant', content: 'Yes.' }, finish_reason: 'stop' }],
        usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 },
      },
    ]);
    expect({ meters, outcome }).toEqual({ meters: { input_uncached: 5, output_text: 2 }, outcome: 'finished' });
  });

  it('drops extra fields, which it answers with 400', () => {
    const { body, warnings } = requestTo(fireworksManifest, EVERY_PARAMETER);
    for (const name of ['top_a', 'verbosity']) {
      expect(body).not.toHaveProperty(name);
      expect(warnings.some((warning) => warning.startsWith(`${name}:`))).toBe(true);
    }
  });

  it('is told to answer a prompt that is too long with an error', () => {
    expect(requestTo(fireworksManifest).body).toMatchObject({ context_length_exceeded_behavior: 'error' });
    expect(requestTo(fireworksManifest, { context_length_exceeded_behavior: 'truncate' }).body).toMatchObject({ context_length_exceeded_behavior: 'truncate' });
  });
});
