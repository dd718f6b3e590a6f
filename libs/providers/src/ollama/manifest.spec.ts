import { describe, expect, it } from '@jest/globals';
import { answerOf, EVERY_PARAMETER, probe, requestTo } from '../manifest-probe.fake.js';
import { ollamaManifest } from './manifest.js';

describe('Ollama', () => {
  it('is told the output cap as `max_tokens`', () => {
    for (const client of [{ max_tokens: 50 }, { max_completion_tokens: 50 }]) {
      const { body } = requestTo(ollamaManifest, client);
      expect(body).toMatchObject({ max_tokens: 50 });
      expect(body).not.toHaveProperty('max_completion_tokens');
    }
  });

  it('is asked for reasoning by effort', () => {
    expect(requestTo(ollamaManifest, { reasoning: { effort: 'high' } }).body).toMatchObject({ reasoning_effort: 'high' });
    expect(requestTo(ollamaManifest, { reasoning: { effort: 'low' } }).body).toMatchObject({ reasoning_effort: 'low' });
    expect(requestTo(ollamaManifest, { reasoning: { effort: 'none' } }).body).toMatchObject({ reasoning_effort: 'none' });
  });

  it('never sees the address of a picture: the worker fetches it', () => {
    const body = { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://pictures.example/a.png' } }] }] };
    const exchange = probe(ollamaManifest, body);
    expect(exchange.mediaUrls).toEqual(['https://pictures.example/a.png']);
    const request = exchange.buildRequest(new Map([['https://pictures.example/a.png', { mediaType: 'image/png', data: 'aGk=' }]]));
    expect(request.body).toContain('data:image/png;base64,aGk=');
    expect(request.body).not.toContain('pictures.example');
  });

  it('drops what it would ignore, and says so', () => {
    const { body, warnings } = requestTo(ollamaManifest, EVERY_PARAMETER);
    for (const name of ['top_k', 'min_p', 'logit_bias', 'parallel_tool_calls']) {
      expect(body).not.toHaveProperty(name);
      expect(warnings.some((warning) => warning.startsWith(`${name}:`))).toBe(true);
    }
  });

  it('shows its thoughts', () => {
    const { message } = answerOf(ollamaManifest, {
      choices: [{ index: 0, message: { role: 'assistant', content: 'Yes.', reasoning: 'Hm.' }, finish_reason: 'stop' }],
    });
    expect(message).toMatchObject({ content: 'Yes.', reasoning: 'Hm.' });
  });
});
