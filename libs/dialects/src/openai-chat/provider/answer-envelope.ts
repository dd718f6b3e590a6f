import {
  asArray,
  asNumber,
  asObject,
  asObjects,
  asString,
  isJsonObject,
  type FinishReason,
  type JsonObject,
  type JsonValue,
  type Meters,
} from '@switchyard/core';
import type { DialectManifest } from '../../dialect-manifest.js';
import type { UpstreamFailure } from '../../provider-dialect.js';
import { classifyFailure, errorParts, retryAfterInText } from '../../upstream-error.js';
import { normaliseFinishReason } from '../finish-reason.js';
import { openaiMeters } from './meters.js';

/** An error inside an answer that began with success: `{error}`, `{object: "error"}`, or a choice that ended in one. */
export function failureInside(body: JsonObject, manifest: DialectManifest): UpstreamFailure | undefined {
  const hasError = isJsonObject(body['error']) || (typeof body['error'] === 'string' && body['error'] !== '');
  if (hasError || body['object'] === 'error') {
    const { codes, message, error } = errorParts(body);
    const status = asNumber(error['code']) ?? 0;
    return classifyFailure(
      { status: status >= 400 && status < 600 ? status : 0, codes, message, retryAfterMs: retryAfterInText(message) },
      manifest.openaiChat?.errorCodes,
    );
  }
  const choice = asObject(asArray(body['choices'])?.[0]);
  const native = asString(choice?.['finish_reason']);
  if (!choice || native === undefined || normaliseFinishReason(native) !== 'error') return undefined;
  const { codes, message, error } = errorParts({ error: choice['error'] ?? {} });
  return classifyFailure({ status: asNumber(error['code']) ?? 0, codes: codes.length > 0 ? codes : [native], message }, manifest.openaiChat?.errorCodes);
}

/** Usage wherever this chunk or body keeps it; undefined when it has none. */
export function metersInside(body: JsonObject, manifest: DialectManifest): Meters | undefined {
  const usage = asObject(body['usage']) ?? asObject(asObject(body['x_groq'])?.['usage']);
  if (!usage || (asNumber(usage['prompt_tokens']) === undefined && asNumber(usage['completion_tokens']) === undefined)) return undefined;
  return openaiMeters(usage, manifest.openaiChat?.reasoningBesideCompletion);
}

const USD_TICKS = 10_000_000_000;

/** What the provider says the answer costs, in USD; undefined where it does not. */
export function costInside(body: JsonObject, manifest: DialectManifest): number | undefined {
  const { statedCost } = manifest.openaiChat ?? {};
  const usage = statedCost === undefined ? undefined : asObject(body['usage']);
  const amount = asNumber(usage?.[statedCost === 'usd' ? 'cost' : 'cost_in_usd_ticks']);
  if (amount === undefined || !(amount >= 0)) return undefined;
  return statedCost === 'usd' ? amount : amount / USD_TICKS;
}

export interface ChoiceEnd {
  readonly finishReason: FinishReason;
  readonly nativeFinishReason: string;
}

/** Normalises `finish_reason` in place and keeps the provider's own word beside it. */
export function normaliseEnd(choice: JsonObject): ChoiceEnd | undefined {
  const own = asString(choice['finish_reason']);
  if (own === undefined || own === '') {
    choice['finish_reason'] = null;
    choice['native_finish_reason'] ??= null;
    return undefined;
  }
  const nativeFinishReason = asString(choice['native_finish_reason']) ?? own;
  const finishReason = normaliseFinishReason(own);
  choice['finish_reason'] = finishReason;
  choice['native_finish_reason'] = nativeFinishReason;
  return { finishReason, nativeFinishReason };
}

const NONE: readonly JsonValue[] = [];

/** Perplexity's `search_results` and `citations` in the shape that every web search has here. */
export function citationAnnotations(body: JsonObject): readonly JsonValue[] {
  if (body['search_results'] === undefined && body['citations'] === undefined) return NONE;
  const results = asObjects(body['search_results']);
  const found = results.length > 0 ? results : (asArray(body['citations']) ?? []).filter((url) => typeof url === 'string').map((url): JsonObject => ({ url }));
  return found
    .filter((result) => typeof result['url'] === 'string')
    .map((result) => ({
      type: 'url_citation',
      url_citation: { url: result['url']!, title: asString(result['title']) ?? result['url']!, start_index: 0, end_index: 0 },
    }));
}
