import { describe, expect, it } from '@jest/globals';
import { answerOf, requestTo } from '../manifest-probe.fake.js';
import { googleManifest } from './manifest.js';

describe('Google AI Studio', () => {
  it('is authenticated to by its own header', () => {
    expect(googleManifest.authentication).toEqual({ kind: 'header', name: 'x-goog-api-key' });
    expect(googleManifest.credentialVariables).toEqual(['GEMINI_API_KEY', 'GOOGLE_API_KEY']);
  });

  it('has the model and the way of answering in its path', () => {
    expect(requestTo(googleManifest).path).toBe('/models/native-model:generateContent');
    expect(requestTo(googleManifest, {}, { stream: true }).path).toBe('/models/native-model:streamGenerateContent?alt=sse');
  });

  it('gets contents and a generation config', () => {
    const { body } = requestTo(googleManifest, { max_tokens: 50, temperature: 0.5 });
    expect(body).toMatchObject({ contents: [{ role: 'user', parts: [{ text: 'Hi' }] }], generationConfig: { maxOutputTokens: 50, temperature: 0.5 } });
  });

  it('counts thoughts beside the answer', () => {
    const { meters } = answerOf(googleManifest, {
      candidates: [{ content: { role: 'model', parts: [{ text: 'Yes.' }] }, finishReason: 'STOP' }],
      usageMetadata: { promptTokenCount: 10, cachedContentTokenCount: 4, candidatesTokenCount: 2, thoughtsTokenCount: 5, totalTokenCount: 17 },
    });
    expect(meters).toEqual({ input_uncached: 6, cache_read: 4, output_text: 2, reasoning: 5 });
  });
});
