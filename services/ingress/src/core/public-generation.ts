import type { PublicActivityRow, PublicGeneration } from '@switchyard/api';
import { completionTokenCount, picoToUsdNumber, promptTokenCount, type Meter, type Meters } from '@switchyard/core';
import { events, NAME_OF_END, type analytics } from '@switchyard/proto';
import { isoTime, numberOf } from './public-values.js';

/** A generation's event as its accounting record. */
export function publicGeneration(event: events.GenerationCompleted): PublicGeneration {
  const meters = (event.usage?.meters ?? {}) as Meters;
  const costUsd = picoToUsdNumber(event.chargePico);
  return {
    id: event.generationId,
    upstream_id: event.upstreamId || null,
    total_cost: costUsd,
    usage: costUsd,
    cache_discount: cacheDiscount(event, meters),
    upstream_inference_cost: null,
    created_at: isoTime(event.acceptTimeMs),
    model: event.model || event.modelRequested,
    app_id: null,
    streamed: event.streamed,
    cancelled: event.end === events.GenerationEnd.CLIENT_ABORTED,
    provider_name: event.providerName || null,
    latency: numberOf(event.firstTokenMs),
    moderation_latency: null,
    generation_time: numberOf(event.generationTimeMs),
    finish_reason: event.finishReason || null,
    native_finish_reason: event.nativeFinishReason || null,
    ...tokenFields(meters),
    num_media_prompt: meters.input_image ?? null,
    num_input_audio_prompt: null,
    num_media_completion: null,
    num_search_results: meters.web_search ?? null,
    num_fetches: null,
    origin: event.httpReferer,
    is_byok: false,
    data_region: 'global',
    http_referer: event.httpReferer || null,
    user_agent: event.userAgent || null,
    api_type: event.apiType === 'embeddings' ? 'embeddings' : 'completions',
    router: null,
    preset_id: null,
    external_user: event.user || null,
    service_tier: event.serviceTier || null,
    web_search_engine: null,
    workspace_id: event.workspaceId || null,
    provider_responses: event.attempts.map(providerResponse),
    session_id: event.sessionId || null,
    request_id: event.requestId || null,
    response_cache_source_id: null,
    status: NAME_OF_END[event.end] ?? 'gateway_failed',
    error_type: event.errorType || null,
    api_key_hash: event.keyHash,
    app_title: event.appTitle || null,
    app_categories: event.appCategories,
    metadata: event.metadata,
    trace: traceOf(event.traceJson),
    flags: event.flags,
  };
}

export function publicActivityRow(row: analytics.ActivityRow): PublicActivityRow {
  return {
    date: row.date,
    model: row.model,
    model_permaslug: row.modelPermaslug,
    endpoint_id: row.endpointId,
    provider_name: row.providerName,
    usage: picoToUsdNumber(row.usagePico),
    byok_usage_inference: picoToUsdNumber(row.byokUsagePico),
    requests: Number(row.requestCount),
    prompt_tokens: Number(row.promptTokenCount),
    completion_tokens: Number(row.completionTokenCount),
    reasoning_tokens: Number(row.reasoningTokenCount),
    ...(row.workspaceId === '' ? {} : { workspace_id: row.workspaceId }),
  };
}

function tokenFields(meters: Meters) {
  const prompt = promptTokenCount(meters);
  const completion = completionTokenCount(meters);
  return {
    tokens_prompt: prompt,
    tokens_completion: completion,
    native_tokens_prompt: prompt,
    native_tokens_completion: completion,
    native_tokens_completion_images: meters.output_image_tokens ?? 0,
    native_tokens_reasoning: meters.reasoning ?? 0,
    native_tokens_cached: (meters.cache_read ?? 0) + (meters.cache_read_audio ?? 0),
  };
}

/** And what they would have been without a cache. */
const CACHE_METERS: readonly (readonly [meter: Meter, plain: Meter])[] = [
  ['cache_read', 'input_uncached'],
  ['cache_write_5m', 'input_uncached'],
  ['cache_write_1h', 'input_uncached'],
  ['cache_read_audio', 'input_audio'],
];

/** What caching saved against the plain prompt prices, USD; negative where writing cost more. Null when no cache was used, or beside nothing of its kind whose price would tell. */
function cacheDiscount(event: events.GenerationCompleted, meters: Meters): number | null {
  const prices: Readonly<Record<string, bigint | undefined>> = event.unitPricesPico;
  const saved = CACHE_METERS.flatMap(([meter, plain]) => {
    const [count, price] = [meters[meter] ?? 0, prices[plain]];
    return count === 0 || price === undefined ? [] : [(price - (prices[meter] ?? price)) * BigInt(count)];
  });
  if (saved.length === 0) return null;
  return picoToUsdNumber((saved.reduce((sum, amount) => sum + amount, 0n) * BigInt(1_000_000 - event.discountMillionths)) / 1_000_000n);
}

function providerResponse(attempt: events.AttemptSummary) {
  return {
    status: attempt.status === 0 ? null : attempt.status,
    endpoint_id: attempt.endpointId,
    ...(attempt.upstreamId ? { id: attempt.upstreamId } : {}),
    is_byok: false,
    latency: Number(attempt.latencyMs),
    model_permaslug: attempt.modelPermaslug,
    provider_name: attempt.providerName,
  };
}

function traceOf(json: string): Record<string, unknown> | null {
  if (json === '') return null;
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
