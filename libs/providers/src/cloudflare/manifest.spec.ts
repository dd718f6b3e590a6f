import { describe, expect, it } from '@jest/globals';
import { EVERY_PARAMETER, probe, requestTo } from '../manifest-probe.fake.js';
import { cloudflareManifest } from './manifest.js';

describe('Cloudflare', () => {
  it('is told the output cap as `max_tokens`', () => {
    for (const client of [{ max_tokens: 50 }, { max_completion_tokens: 50 }]) {
      const { body } = requestTo(cloudflareManifest, client);
      expect(body).toMatchObject({ max_tokens: 50 });
      expect(body).not.toHaveProperty('max_completion_tokens');
    }
  });

  it('is asked for reasoning by effort', () => {
    expect(requestTo(cloudflareManifest, { reasoning: { effort: 'high' } }).body).toMatchObject({ reasoning_effort: 'high' });
    expect(requestTo(cloudflareManifest, { reasoning: { effort: 'low' } }).body).toMatchObject({ reasoning_effort: 'low' });
  });

  it('drops what it does not know, and says so', () => {
    const { body, warnings } = requestTo(cloudflareManifest, EVERY_PARAMETER);
    for (const name of ['top_a', 'min_p', 'logit_bias']) {
      expect(body).not.toHaveProperty(name);
      expect(warnings.some((warning) => warning.startsWith(`${name}:`))).toBe(true);
    }
  });

  it('tells its errors in the envelope of all its APIs', () => {
    const message = "AiError: This model's maximum context length is 8192 tokens.";
    const body = Buffer.from(JSON.stringify({ result: null, success: false, errors: [{ message, code: 5021 }], messages: [] }));
    expect(probe(cloudflareManifest).readError(400, {}, body, 0)).toMatchObject({ errorType: 'context_length_exceeded', message, providerCode: '5021' });
  });

  it('has the account in its address', () => {
    expect(cloudflareManifest.baseUrl).toContain('/accounts/{CLOUDFLARE_ACCOUNT_ID}/ai/v1');
  });
});
