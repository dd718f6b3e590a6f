import { parseOrRefuse } from '../invalid-request.js';
import { parseJsonObject, type JsonObject } from '../parse-json-object.js';
import { DEFAULT_REQUEST_LIMITS, type RequestLimits } from '../request-limits.js';
import { completionsRequestSchema, type CompletionsRequest } from './completions-request.js';
import { embeddingsRequestSchema, type EmbeddingsRequest } from './embeddings-request.js';

/** @throws SwitchyardError `invalid_request`, its `metadata.param` naming the field */
export function parseCompletionsRequest(
  bytes: Uint8Array | string,
  limits: RequestLimits = DEFAULT_REQUEST_LIMITS,
): { body: JsonObject; request: CompletionsRequest } {
  const body = parseJsonObject(bytes, limits.maxNestingDepth);
  return { body, request: parseOrRefuse(completionsRequestSchema, body) };
}

/** @throws SwitchyardError `invalid_request`, its `metadata.param` naming the field */
export function parseEmbeddingsRequest(
  bytes: Uint8Array | string,
  limits: RequestLimits = DEFAULT_REQUEST_LIMITS,
): { body: JsonObject; request: EmbeddingsRequest } {
  const body = parseJsonObject(bytes, limits.maxNestingDepth);
  return { body, request: parseOrRefuse(embeddingsRequestSchema, body) };
}
