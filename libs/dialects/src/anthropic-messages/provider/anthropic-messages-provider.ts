import type { ProviderDialect } from '../../provider-dialect.js';
import { classifyFailure, errorParts, parseJsonBody, retryAfterMs } from '../../upstream-error.js';
import { buildAnthropicRequest } from './build-request.js';
import { anthropicMeters } from './meters.js';
import { parseAnthropicResponse } from './parse-response.js';
import { AnthropicStreamParser } from './stream-parser.js';

/** Anthropic's Messages API (https://platform.claude.com/docs/en/api/messages). */
export const anthropicMessagesProvider: ProviderDialect = {
  name: 'anthropic-messages',
  // It fetches pictures and documents by address itself.
  mediaUrlsToFetch: () => [],
  buildRequest: (request, endpoint, _manifest, options) => buildAnthropicRequest(request, endpoint, options),
  parseResponse: (body) => parseAnthropicResponse(body),
  createStreamParser: () => new AnthropicStreamParser(),
  parseError: (status, headers, body, _manifest, nowMs) => {
    const { codes, message } = errorParts(parseJsonBody(body));
    return classifyFailure({ status, codes, message, retryAfterMs: retryAfterMs(headers, nowMs) });
  },
  meters: (usage) => anthropicMeters(usage),
};
