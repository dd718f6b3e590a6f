import { completionTokenCount, promptTokenCount, type ApiType, type JsonObject, type JsonValue } from '@switchyard/core';
import type { AnswerIdentity, AnswerTail, UsageView } from '../../client-dialect.js';

/** `usage` of chat, completions and embeddings. */
function renderUsage(usage: UsageView, apiType: ApiType): JsonObject {
  const { meters } = usage;
  const promptTokens = promptTokenCount(meters);
  const completionTokens = completionTokenCount(meters);
  const cost: JsonObject = {
    cost: usage.cost,
    is_byok: usage.isByok,
    cost_details: {
      upstream_inference_cost: usage.upstreamInferenceCost,
      upstream_inference_prompt_cost: usage.upstreamInferencePromptCost,
      upstream_inference_completions_cost: usage.upstreamInferenceCompletionsCost,
    },
  };
  if (apiType === 'embeddings') return { prompt_tokens: promptTokens, total_tokens: promptTokens + completionTokens, ...cost };
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    ...cost,
    prompt_tokens_details: {
      cached_tokens: (meters.cache_read ?? 0) + (meters.cache_read_audio ?? 0),
      cache_write_tokens: (meters.cache_write_5m ?? 0) + (meters.cache_write_1h ?? 0),
      audio_tokens: (meters.input_audio ?? 0) + (meters.cache_read_audio ?? 0),
      video_tokens: 0,
    },
    completion_tokens_details: {
      reasoning_tokens: meters.reasoning ?? 0,
      audio_tokens: meters.output_audio ?? 0,
      image_tokens: meters.output_image_tokens ?? 0,
    },
    ...(meters.web_search ? { server_tool_use_details: { web_search_requests: meters.web_search } } : {}),
  };
}

function tailFields(tail: AnswerTail | undefined): JsonObject {
  return {
    ...(tail?.serviceTier === undefined ? {} : { service_tier: tail.serviceTier }),
    ...(tail?.warnings === undefined || tail.warnings.length === 0 ? {} : { warnings: [...tail.warnings] }),
  };
}

function head(identity: AnswerIdentity, apiType: 'chat' | 'completions'): JsonObject {
  const object = apiType === 'chat' ? 'chat.completion.chunk' : 'text_completion';
  return { id: identity.generationId, provider: identity.providerName, model: identity.model, object, created: identity.created };
}

/** An empty choice rather than none: many clients read `choices[0]` of every chunk. Its role was said: some join what comes twice. */
function emptyChoice(apiType: 'chat' | 'completions'): JsonObject {
  const content: JsonObject = apiType === 'chat' ? { delta: { content: '' } } : { text: '' };
  return { index: 0, ...content, finish_reason: null, native_finish_reason: null, logprobs: null };
}

function event(value: JsonValue): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

export function renderUsageChunk(usage: UsageView, identity: AnswerIdentity, apiType: 'chat' | 'completions', tail?: AnswerTail): string {
  return event({ ...head(identity, apiType), choices: [emptyChoice(apiType)], usage: renderUsage(usage, apiType), ...tailFields(tail) });
}

export function renderWholeTail(usage: UsageView, apiType: ApiType, tail?: AnswerTail): string {
  return `,${JSON.stringify({ usage: renderUsage(usage, apiType), ...tailFields(tail) }).slice(1)}`;
}

export function renderDebugChunk(upstreamBody: string, identity: AnswerIdentity): string {
  return event({ ...head(identity, 'chat'), choices: [], debug: { echo_upstream_body: parsedOr(upstreamBody) } });
}

function parsedOr(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return text;
  }
}
