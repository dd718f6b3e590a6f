import { describe, expect, it } from '@jest/globals';
import { requestTo } from '../manifest-probe.fake.js';
import { leptonManifest } from './manifest.js';

describe('Lepton', () => {
  it('is told the output cap as `max_tokens`', () => {
    for (const client of [{ max_tokens: 50 }, { max_completion_tokens: 50 }]) {
      const { body } = requestTo(leptonManifest, client);
      expect(body).toMatchObject({ max_tokens: 50 });
      expect(body).not.toHaveProperty('max_completion_tokens');
    }
  });

  it('is asked for reasoning through the chat template', () => {
    expect(requestTo(leptonManifest, { reasoning: { effort: 'high' } }).body).toMatchObject({ chat_template_kwargs: { enable_thinking: true } });
    expect(requestTo(leptonManifest, { reasoning: { enabled: false } }).body).toMatchObject({ chat_template_kwargs: { enable_thinking: false } });
  });

  it('has no address of its own: every deployment has one', () => {
    expect(leptonManifest.baseUrl).toBeUndefined();
  });
});
