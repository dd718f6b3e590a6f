import { describe, expect, it } from '@jest/globals';
import { EVERY_PARAMETER, probe, requestTo } from '../manifest-probe.fake.js';
import { thinksOnlyWhereItMay } from '../strict-thinking.fake.js';
import { moonshotManifest } from './manifest.js';

describe('Moonshot AI', () => {
  it('is told the output cap as `max_completion_tokens`', () => {
    for (const client of [{ max_tokens: 50 }, { max_completion_tokens: 50 }]) {
      const { body } = requestTo(moonshotManifest, client);
      expect(body).toMatchObject({ max_completion_tokens: 50 });
      expect(body).not.toHaveProperty('max_tokens');
    }
  });

  it('is asked for reasoning by the type of thinking', () => {
    expect(requestTo(moonshotManifest, { reasoning: { effort: 'high' } }).body).toMatchObject({ thinking: { type: 'enabled' } });
    expect(requestTo(moonshotManifest, { reasoning: { enabled: false } }).body).toMatchObject({ thinking: { type: 'disabled' } });
    // Both together are refused.
    expect(requestTo(moonshotManifest, { reasoning: { effort: 'high' } }).body).not.toHaveProperty('reasoning_effort');
  });

  it('is asked by effort where the endpoint says so', () => {
    const traits = { reasoning_style: 'effort', reasoning_efforts: 'low,high,max' };
    const { body } = requestTo(moonshotManifest, { reasoning: { effort: 'medium' } }, { traits });
    expect(body).toMatchObject({ reasoning_effort: 'high' });
    expect(body).not.toHaveProperty('thinking');
  });

  thinksOnlyWhereItMay(moonshotManifest);

  it('gets its thoughts back', () => {
    const { body } = requestTo(moonshotManifest, {
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Yes.', reasoning: 'Hm.', reasoning_details: [{ type: 'reasoning.text', text: 'Hm.', index: 0 }] },
        { role: 'user', content: 'Why?' },
      ],
    });
    expect(body['messages']).toMatchObject([{ role: 'user' }, { role: 'assistant', content: 'Yes.', reasoning_content: 'Hm.' }, { role: 'user' }]);
  });

  it('continues a trailing assistant message that is marked as partial', () => {
    const { body } = requestTo(moonshotManifest, {
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Well,' },
      ],
    });
    expect(body).toMatchObject({ messages: [{ role: 'user' }, { role: 'assistant', content: 'Well,', partial: true }] });
  });

  it('never sees the address of a picture: the worker fetches it', () => {
    const body = { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://pictures.example/a.png' } }] }] };
    const exchange = probe(moonshotManifest, body);
    expect(exchange.mediaUrls).toEqual(['https://pictures.example/a.png']);
    const request = exchange.buildRequest(new Map([['https://pictures.example/a.png', { mediaType: 'image/png', data: 'aGk=' }]]));
    expect(request.body).toContain('data:image/png;base64,aGk=');
    expect(request.body).not.toContain('pictures.example');
  });

  it('drops what it does not know, and says so', () => {
    const { body, warnings } = requestTo(moonshotManifest, EVERY_PARAMETER);
    for (const name of ['top_k', 'min_p', 'logit_bias']) {
      expect(body).not.toHaveProperty(name);
      expect(warnings.some((warning) => warning.startsWith(`${name}:`))).toBe(true);
    }
  });
});
