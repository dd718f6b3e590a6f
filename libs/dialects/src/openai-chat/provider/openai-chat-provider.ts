import type { CanonicalChatRequest, ContentPart } from '@switchyard/core';
import type { DialectManifest, OpenaiChatDeviations } from '../../dialect-manifest.js';
import type { BuildOptions, ProviderDialect, UpstreamFailure, UpstreamRequest } from '../../provider-dialect.js';
import { classifyFailure, errorParts, parseJsonBody, retryAfterInText, retryAfterMs, type ResponseHeaders } from '../../upstream-error.js';
import { bodyOfCanonical, embeddingBodyOfCanonical } from './canonical-body.js';
import { editRequest, type EditedRequest } from './edit-request.js';
import { joinMessages } from './message-bytes.js';
import { openaiMeters } from './meters.js';
import { parseChatResponse, parseEmbeddingResponse } from './parse-response.js';
import { OpenaiChatStreamParser } from './stream-parser.js';

const JSON_HEADERS = { 'content-type': 'application/json' };
const WHOLE_HEADERS = { ...JSON_HEADERS, accept: 'application/json' };
const STREAM_HEADERS = { ...JSON_HEADERS, accept: 'text/event-stream' };

/** OpenAI's chat completions and embeddings, and the many APIs that follow them. */
export const openaiChatProvider: ProviderDialect = {
  name: 'openai-chat',
  mediaUrlsToFetch: (request, manifest) => (manifest.openaiChat?.imageSource === 'base64' ? imageUrls(request) : []),
  buildRequest: (request, endpoint, manifest, options) =>
    chatRequest(editRequest(bodyOfCanonical(request), endpoint, deviationsOf(manifest), options), options),
  parseResponse: parseChatResponse,
  createStreamParser: (manifest) => new OpenaiChatStreamParser(manifest),
  parseError: parseOpenaiError,
  meters: (usage, manifest) => openaiMeters(usage, manifest.openaiChat?.reasoningBesideCompletion),
  embeddings: {
    buildRequest: (request, endpoint, manifest) => {
      const body = embeddingBodyOfCanonical(request, endpoint.providerModelId);
      const warnings: string[] = [];
      for (const name of deviationsOf(manifest).refusedParameters ?? []) {
        if (body[name] === undefined) continue;
        delete body[name];
        if (name !== 'encoding_format') warnings.push(`${name}: the provider refuses it; it was dropped.`);
      }
      return { method: 'POST', path: '/embeddings', headers: JSON_HEADERS, body: JSON.stringify(body), warnings };
    },
    parseResponse: parseEmbeddingResponse,
  },
};

export function deviationsOf(manifest: DialectManifest): OpenaiChatDeviations {
  return manifest.openaiChat ?? {};
}

export function chatRequest(edited: EditedRequest, options: BuildOptions): UpstreamRequest {
  return {
    method: 'POST',
    path: '/chat/completions',
    headers: options.stream ? STREAM_HEADERS : WHOLE_HEADERS,
    body: edited.messages ? joinMessages(edited.body, edited.messages) : JSON.stringify(edited.body),
    warnings: edited.warnings,
  };
}

function parseOpenaiError(status: number, headers: ResponseHeaders, body: string, manifest: DialectManifest, nowMs: number): UpstreamFailure {
  const { codes, message } = errorParts(parseJsonBody(body));
  return classifyFailure(
    { status, codes, message, retryAfterMs: retryAfterMs(headers, nowMs) ?? (status === 429 ? retryAfterInText(message) : undefined) },
    manifest.openaiChat?.errorCodes,
  );
}

/** Pictures that a request names by http(s) address. */
function imageUrls(request: CanonicalChatRequest): string[] {
  const urls = new Set<string>();
  const visit = (part: ContentPart): void => {
    if (part.kind === 'image' && part.source.kind === 'url' && /^https?:/i.test(part.source.url)) urls.add(part.source.url);
  };
  for (const message of request.messages) {
    for (const part of message.parts) {
      if (part.kind === 'tool-result') part.content.forEach(visit);
      else if (part.kind !== 'tool-call' && part.kind !== 'reasoning') visit(part);
    }
  }
  return [...urls];
}
