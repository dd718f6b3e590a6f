import type {
  CacheBreakpoint,
  CanonicalChatRequest,
  CanonicalEmbeddingRequest,
  CanonicalMessage,
  ContentPart,
  JsonObject,
  JsonValue,
  MessagePart,
  ReasoningRequest,
  ResponseFormat,
  ToolDefinition,
} from '@switchyard/core';
import { mediaUrlOf } from '../../media.js';
import { imageSignatureId, reasoningDetail, signatureDetail } from '../client/render-response.js';

/** A canonical request as a body of OpenRouter's shape; `editRequest` then makes it the endpoint's. */
export function bodyOfCanonical(request: CanonicalChatRequest): JsonObject {
  const { sampling } = request;
  return defined({
    ...request.extra,
    messages: request.messages.flatMap(messagesOf),
    tools: request.tools.length === 0 ? undefined : request.tools.map(toolOf),
    tool_choice:
      request.toolChoice === undefined
        ? undefined
        : request.toolChoice.kind === 'tool'
          ? { type: 'function', function: { name: request.toolChoice.name } }
          : request.toolChoice.kind,
    parallel_tool_calls: request.parallelToolCalls,
    max_tokens: request.maxOutputTokens,
    temperature: sampling.temperature,
    top_p: sampling.topP,
    top_k: sampling.topK,
    top_a: sampling.topA,
    min_p: sampling.minP,
    frequency_penalty: sampling.frequencyPenalty,
    presence_penalty: sampling.presencePenalty,
    repetition_penalty: sampling.repetitionPenalty,
    seed: sampling.seed,
    logit_bias: sampling.logitBias,
    logprobs: sampling.logprobs,
    top_logprobs: sampling.topLogprobs,
    stop: request.stop.length === 0 ? undefined : [...request.stop],
    response_format: request.responseFormat && responseFormatOf(request.responseFormat),
    reasoning: request.reasoning && reasoningOf(request.reasoning),
    verbosity: request.verbosity,
    cache_control: request.cacheBreakpoint && cacheControl(request.cacheBreakpoint),
    prompt_cache_key: request.promptCacheKey,
    modalities: request.modalities.length === 0 ? undefined : [...request.modalities],
    image_config: request.imageOutput,
    audio: request.audioOutput,
    prediction: request.prediction,
    service_tier: request.serviceTier,
    user: request.user,
    metadata: request.metadata,
  });
}

function defined(fields: Readonly<Record<string, JsonValue | undefined>>): JsonObject {
  const result: JsonObject = {};
  for (const [key, value] of Object.entries(fields)) if (value !== undefined) result[key] = value;
  return result;
}

function cacheControl(breakpoint: CacheBreakpoint): JsonObject {
  return { type: 'ephemeral', ...(breakpoint.ttl === undefined ? {} : { ttl: breakpoint.ttl }) };
}

function reasoningOf(reasoning: ReasoningRequest): JsonObject {
  return defined({
    effort: reasoning.effort,
    max_tokens: reasoning.maxTokens,
    enabled: reasoning.enabled,
    exclude: reasoning.exclude,
    summary: reasoning.summary,
  });
}

function toolOf(tool: ToolDefinition): JsonObject {
  return defined({
    type: 'function',
    function: defined({ name: tool.name, description: tool.description, parameters: tool.parameters, strict: tool.strict }),
    cache_control: tool.cacheBreakpoint && cacheControl(tool.cacheBreakpoint),
  });
}

function responseFormatOf(format: ResponseFormat): JsonObject {
  switch (format.kind) {
    case 'text':
      return { type: 'text' };
    case 'json-object':
      return { type: 'json_object' };
    case 'json-schema':
      return {
        type: 'json_schema',
        json_schema: defined({ name: format.name, description: format.description, schema: format.schema, strict: format.strict }),
      };
    case 'grammar':
      return { type: 'grammar', grammar: format.grammar };
  }
}

/** A canonical `tool` message may hold several results; OpenAI wants a message each. */
function messagesOf(message: CanonicalMessage): JsonObject[] {
  const results = message.parts.filter((part) => part.kind === 'tool-result');
  const rest = message.parts.filter((part) => part.kind !== 'tool-result');
  const messages: JsonObject[] = results.map((part) => ({ role: 'tool', tool_call_id: part.toolCallId, content: contentOf(part.content) ?? '' }));
  if (rest.length > 0 || results.length === 0) messages.push(messageOf(message, rest));
  return messages;
}

function messageOf(message: CanonicalMessage, parts: readonly MessagePart[]): JsonObject {
  const content = parts.filter((part): part is ContentPart => part.kind !== 'tool-call' && part.kind !== 'reasoning' && part.kind !== 'tool-result');
  const calls = parts.filter((part) => part.kind === 'tool-call');
  const details: JsonObject[] = [];
  let imageCount = 0;
  for (const part of parts) {
    const imageId = part.kind === 'image' ? imageSignatureId(imageCount++) : null;
    if (part.kind === 'reasoning') details.push(reasoningDetail(part));
    else if ((part.kind === 'text' || part.kind === 'image' || part.kind === 'tool-call') && part.signature)
      details.push(signatureDetail(part.signature, part.kind === 'tool-call' ? part.id : imageId, details.length));
  }
  return defined({
    role: message.role === 'tool' ? 'user' : message.role,
    content: contentOf(content) ?? (calls.length > 0 ? null : ''),
    name: message.name,
    tool_calls:
      calls.length === 0 ? undefined : calls.map((call) => ({ id: call.id, type: 'function', function: { name: call.name, arguments: call.arguments } })),
    reasoning_details: details.length === 0 ? undefined : details,
  });
}

function contentOf(parts: readonly ContentPart[]): JsonValue | undefined {
  if (parts.length === 0) return undefined;
  const [only] = parts;
  if (parts.length === 1 && only?.kind === 'text' && !only.cacheBreakpoint) return only.text;
  return parts.map((part) => ({ ...partOf(part), ...(part.cacheBreakpoint ? { cache_control: cacheControl(part.cacheBreakpoint) } : {}) }));
}

function partOf(part: ContentPart): JsonObject {
  switch (part.kind) {
    case 'text':
      return { type: 'text', text: part.text };
    case 'refusal':
      return { type: 'refusal', refusal: part.text };
    case 'image':
      return { type: 'image_url', image_url: defined({ url: mediaUrlOf(part.source) ?? '', detail: part.detail }) };
    case 'audio':
      return {
        type: 'input_audio',
        input_audio: { data: part.source.kind === 'base64' ? part.source.data : (mediaUrlOf(part.source) ?? ''), format: part.format },
      };
    case 'video':
      return { type: 'video_url', video_url: { url: mediaUrlOf(part.source) ?? '' } };
    case 'file':
      return {
        type: 'file',
        file: defined(part.source.kind === 'file-id' ? { file_id: part.source.fileId } : { file_data: mediaUrlOf(part.source) ?? '', filename: part.filename }),
      };
  }
}

export function embeddingBodyOfCanonical(request: CanonicalEmbeddingRequest, providerModelId: string): JsonObject {
  const inputs: JsonValue[] = request.inputs.map((input) => (input.kind === 'text' ? input.text : [...input.tokens]));
  const [only] = inputs;
  return defined({
    ...request.extra,
    model: providerModelId,
    input: inputs.length === 1 && only !== undefined ? only : inputs,
    dimensions: request.dimensions,
    encoding_format: request.encodingFormat,
    input_type: request.inputType,
    user: request.user,
  });
}
