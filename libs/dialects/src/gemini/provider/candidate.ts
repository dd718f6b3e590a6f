import { asArray, asNumber, asObject, asObjects, asString, type FinishReason, type JsonObject } from '@switchyard/core';
import type { UpstreamFailure } from '../../provider-dialect.js';
import { classifyFailure, errorParts, retryAfterInText } from '../../upstream-error.js';

/** https://ai.google.dev/api/generate-content#FinishReason */
const FINISH_REASONS: Readonly<Record<string, FinishReason>> = {
  FINISH_REASON_UNSPECIFIED: 'stop',
  STOP: 'stop',
  MAX_TOKENS: 'length',
  SAFETY: 'content_filter',
  RECITATION: 'content_filter',
  LANGUAGE: 'content_filter',
  BLOCKLIST: 'content_filter',
  PROHIBITED_CONTENT: 'content_filter',
  SPII: 'content_filter',
  IMAGE_SAFETY: 'content_filter',
  IMAGE_PROHIBITED_CONTENT: 'content_filter',
  IMAGE_RECITATION: 'content_filter',
  MODEL_ARMOR: 'content_filter',
  OTHER: 'error',
  IMAGE_OTHER: 'error',
  NO_IMAGE: 'error',
  MALFORMED_FUNCTION_CALL: 'error',
  MALFORMED_RESPONSE: 'error',
  UNEXPECTED_TOOL_CALL: 'error',
  TOO_MANY_TOOL_CALLS: 'error',
  MISSING_THOUGHT_SIGNATURE: 'error',
};

export function finishReasonOf(native: string, hasToolCalls: boolean): FinishReason {
  const mapped = FINISH_REASONS[native] ?? 'stop';
  return mapped === 'stop' && hasToolCalls ? 'tool_calls' : mapped;
}

/** The failure that a body of success holds: an error, a blocked prompt, or a candidate that ended in one. */
export function failureInside(body: JsonObject): UpstreamFailure | undefined {
  if (body['error'] !== undefined) return geminiFailure(body, 0);
  const candidate = asObject(asArray(body['candidates'])?.[0]);
  const blockReason = asString(asObject(body['promptFeedback'])?.['blockReason']);
  if (!candidate && blockReason !== undefined)
    return {
      errorType: 'content_policy_violation',
      message: 'The provider refused the prompt under its content policy.',
      providerCode: blockReason,
      upstreamStatus: 200,
    };
  const native = asString(candidate?.['finishReason']);
  if (native === undefined || FINISH_REASONS[native] !== 'error') return undefined;
  return classifyFailure({ status: 0, codes: [native], message: asString(candidate?.['finishMessage']) ?? `The model stopped with ${native}.` });
}

/** `{error: {code, message, status, details}}`, alone or in an array. */
export function geminiFailure(body: JsonObject | undefined, status: number, headerRetryMs?: number): UpstreamFailure {
  const { codes, message, error } = errorParts(body);
  const details = asObjects(error['details']);
  const reasons = details.map((detail) => asString(detail['reason'])).filter((reason) => reason !== undefined);
  const delay = details.map((detail) => asString(detail['retryDelay'])).find((text) => text !== undefined);
  const seconds = delay === undefined ? Number.NaN : Number.parseFloat(delay);
  const retryAfterMs = headerRetryMs ?? (Number.isFinite(seconds) ? Math.ceil(seconds * 1000) : status === 429 ? retryAfterInText(message) : undefined);
  const stated = asNumber(error['code']) ?? 0;
  return classifyFailure({
    status: status === 0 && stated >= 400 ? stated : status,
    codes: [...codes.filter((code) => code !== 'INVALID_ARGUMENT'), ...reasons],
    message,
    retryAfterMs,
  });
}

/** Web pages that grounded the answer, in the shape every web search has here. */
export function groundingAnnotations(candidate: JsonObject): JsonObject[] {
  const grounding = asObject(candidate['groundingMetadata']);
  const annotations: JsonObject[] = [];
  for (const chunk of asObjects(grounding?.['groundingChunks'])) {
    const web = asObject(chunk['web']);
    const url = asString(web?.['uri']);
    if (url !== undefined)
      annotations.push({ type: 'url_citation', url_citation: { url, title: asString(web?.['title']) ?? url, start_index: 0, end_index: 0 } });
  }
  return annotations;
}

/** What the candidate tells of its tokens, as OpenAI writes it; undefined where it tells nothing. */
export function logprobsOf(candidate: JsonObject): JsonObject | undefined {
  const result = asObject(candidate['logprobsResult']);
  const chosen = asObjects(result?.['chosenCandidates']);
  if (chosen.length === 0) return undefined;
  const alternatives = asObjects(result?.['topCandidates']);
  const content = chosen.map((token, position) => ({
    ...tokenLogprob(token),
    top_logprobs: asObjects(alternatives[position]?.['candidates']).map(tokenLogprob),
  }));
  return { content, refusal: null };
}

/** A token may be half a letter, which the API shows as a stand-in: its bytes are not known. */
function tokenLogprob(candidate: JsonObject): JsonObject {
  return { token: asString(candidate['token']) ?? '', logprob: asNumber(candidate['logProbability']) ?? 0, bytes: null };
}
