import { describe, expect, it } from '@jest/globals';
import { acceptedOf, probe, requestTo } from '../manifest-probe.fake.js';
import { vllmManifest } from './manifest.js';

describe('vLLM', () => {
  it('is told the output cap as `max_tokens`', () => {
    for (const client of [{ max_tokens: 50 }, { max_completion_tokens: 50 }]) {
      const { body } = requestTo(vllmManifest, client);
      expect(body).toMatchObject({ max_tokens: 50 });
      expect(body).not.toHaveProperty('max_completion_tokens');
    }
  });

  it('is asked for reasoning through the chat template', () => {
    expect(requestTo(vllmManifest, { reasoning: { effort: 'high' } }).body).toMatchObject({ chat_template_kwargs: { enable_thinking: true } });
    expect(requestTo(vllmManifest, { reasoning: { enabled: false } }).body).toMatchObject({ chat_template_kwargs: { enable_thinking: false } });
  });

  it('continues a trailing assistant message', () => {
    const { body } = requestTo(vllmManifest, {
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Well,' },
      ],
    });
    expect(body).toMatchObject({ continue_final_message: true, add_generation_prompt: false });
  });

  it('never sees the address of a picture: the worker fetches it', () => {
    const body = { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://pictures.example/a.png' } }] }] };
    const exchange = probe(vllmManifest, body);
    expect(exchange.mediaUrls).toEqual(['https://pictures.example/a.png']);
    const request = exchange.buildRequest(new Map([['https://pictures.example/a.png', { mediaType: 'image/png', data: 'aGk=' }]]));
    expect(request.body).toContain('data:image/png;base64,aGk=');
    expect(request.body).not.toContain('pictures.example');
  });

  it('takes every sampling parameter', () => {
    expect(acceptedOf(vllmManifest, { top_k: 1, min_p: 0.1, repetition_penalty: 1.1, logit_bias: { '1': 1 }, seed: 3 })).toEqual([
      'top_k',
      'min_p',
      'repetition_penalty',
      'logit_bias',
      'seed',
    ]);
  });

  it('may be called without a credential', () => {
    expect(vllmManifest).toMatchObject({ baseUrl: undefined, isCredentialOptional: true });
  });
});
