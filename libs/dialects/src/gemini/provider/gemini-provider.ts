import { isJsonObject } from '@switchyard/core';
import type { ProviderDialect } from '../../provider-dialect.js';
import { parseJsonBody, retryAfterMs } from '../../upstream-error.js';
import { urlsToFetch } from './build-contents.js';
import { buildGeminiEmbeddings, buildGeminiRequest } from './build-request.js';
import { geminiFailure } from './candidate.js';
import { geminiMeters } from './meters.js';
import { parseGeminiEmbeddings, parseGeminiResponse } from './parse-response.js';
import { GeminiStreamParser } from './stream-parser.js';

/** Google's generateContent (https://ai.google.dev/api/generate-content). */
export const geminiProvider: ProviderDialect = {
  name: 'gemini',
  mediaUrlsToFetch: (request) => urlsToFetch(request.messages),
  buildRequest: (request, endpoint, _manifest, options) => buildGeminiRequest(request, endpoint, options),
  parseResponse: (body) => parseGeminiResponse(body),
  createStreamParser: () => new GeminiStreamParser(),
  parseError: (status, headers, text, _manifest, nowMs) => {
    const body = parseJsonBody(text);
    const root = Array.isArray(body) ? body[0] : body;
    return geminiFailure(isJsonObject(root) ? root : undefined, status, retryAfterMs(headers, nowMs));
  },
  meters: (usage) => geminiMeters(usage),
  embeddings: { buildRequest: buildGeminiEmbeddings, parseResponse: (body) => parseGeminiEmbeddings(body) },
};
