import { describe, expect, it } from '@jest/globals';
import { answerOf, EVERY_PARAMETER, probe, requestTo, streamOf } from '../manifest-probe.fake.js';
import { groqManifest } from './manifest.js';

describe('Groq', () => {
  it('is told the output cap as `max_completion_tokens`', () => {
    for (const client of [{ max_tokens: 50 }, { max_completion_tokens: 50 }]) {
      const { body } = requestTo(groqManifest, client);
      expect(body).toMatchObject({ max_completion_tokens: 50 });
      expect(body).not.toHaveProperty('max_tokens');
    }
  });

  it('drops what it answers with 400, and says so', () => {
    const { body, warnings } = requestTo(groqManifest, { ...EVERY_PARAMETER, prompt_cache_key: 'k' });
    for (const name of ['logprobs', 'top_logprobs', 'logit_bias', 'top_k', 'min_p', 'prompt_cache_key']) {
      expect(body).not.toHaveProperty(name);
      expect(warnings.some((warning) => warning.startsWith(`${name}:`))).toBe(true);
    }
  });

  it('gets the names of speakers inside their text', () => {
    const { body } = requestTo(groqManifest, { messages: [{ role: 'user', name: 'Ann', content: 'Hi' }] });
    expect(JSON.stringify(body['messages'])).toContain('Ann');
    expect(JSON.stringify(body['messages'])).not.toContain('"name"');
  });

  it('is asked for reasoning by effort', () => {
    expect(requestTo(groqManifest, { reasoning: { effort: 'high' } }).body).toMatchObject({ reasoning_effort: 'high' });
    expect(requestTo(groqManifest, { reasoning: { effort: 'low' } }).body).toMatchObject({ reasoning_effort: 'low' });
  });

  it('has thoughts inside its content taken out', () => {
    const { message } = answerOf(groqManifest, {
      choices: [{ index: 0, message: { role: 'assistant', content: '<think>Hm.</think>Yes.' }, finish_reason: 'stop' }],
    });
    expect(message).toMatchObject({ content: 'Yes.', reasoning: 'Hm.' });
  });

  it.each(['tool_use_failed', 'json_validate_failed', 'model_decommissioned', 'model_terms_required'])(
    'says with status 400, too, that its model failed or is not there: another endpoint may answer after %s',
    (code) => {
      const body = { error: { message: 'Failed to call a function. Please adjust your prompt.', type: 'invalid_request_error', code, failed_generation: '{' } };
      expect(probe(groqManifest).readError(400, {}, Buffer.from(JSON.stringify(body)), 0)).toMatchObject({ errorType: 'provider_unavailable' });
    },
  );

  it('reports usage of a stream in its own field, too', () => {
    const { meters } = streamOf(groqManifest, [
      { choices: [{ index: 0, delta: { role: 'assistant', content: 'Yes.' }, finish_reason: null }] },
      {
        choices: [{ index: 0, delta: {}, finish_reason: 'stop' }],
        x_groq: { id: 'req_1', usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 } },
      },
    ]);
    expect(meters).toEqual({ input_uncached: 5, output_text: 2 });
  });
});
