import { parseOrRefuse } from '../invalid-request.js';
import { parseJsonObject, type JsonObject } from '../parse-json-object.js';
import { DEFAULT_REQUEST_LIMITS, MAX_INPUTS, type RequestLimits } from '../request-limits.js';
import { completionsRequestSchema, type CompletionsRequest } from './completions-request.js';
import { embeddingsRequestSchema, type EmbeddingsRequest } from './embeddings-request.js';
import { refuseTooMany, refuseTooManyWithin } from './refuse-too-many.js';

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
  const { input } = body;
  // Millions of token ids would keep a schema busy for seconds.
  if (isTokens(input)) return { body, request: { ...parseOrRefuse(embeddingsRequestSchema, { ...body, input: ONE_TOKEN }), input } };
  refuseTooMany('input', input, MAX_INPUTS);
  refuseTooManyWithin('input', input, 'content', limits.maxContentPartCount);
  if (!isTokenBatch(input)) return { body, request: parseOrRefuse(embeddingsRequestSchema, body) };
  return { body, request: { ...parseOrRefuse(embeddingsRequestSchema, { ...body, input: [ONE_TOKEN] }), input } };
}

/** Stands in for what has been found valid. */
const ONE_TOKEN = [0];
const MOST_TOKEN = Number.MAX_SAFE_INTEGER;

function isTokens(input: unknown): input is number[] {
  return Array.isArray(input) && input.length > 0 && input.every((token) => typeof token === 'number' && token >= 0 && token <= MOST_TOKEN && token % 1 === 0);
}

function isTokenBatch(input: unknown): input is number[][] {
  return Array.isArray(input) && input.length > 0 && input.every(isTokens);
}
