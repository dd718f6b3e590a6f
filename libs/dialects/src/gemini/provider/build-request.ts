import {
  asObjects,
  asString,
  type CanonicalChatRequest,
  type CanonicalEmbeddingRequest,
  type JsonObject,
  type JsonValue,
  type ResponseFormat,
  type ToolDefinition,
} from '@switchyard/core';
import { SwitchyardError } from '@switchyard/errors';
import type { EndpointFacts } from '../../dialect-manifest.js';
import type { BuildOptions, UpstreamRequest } from '../../provider-dialect.js';
import { buildContents } from './build-contents.js';
import { isBeforeGemini3, thinkingConfig, thinkingStyleOf } from './thinking.js';

export function buildGeminiRequest(request: CanonicalChatRequest, endpoint: EndpointFacts, options: BuildOptions): UpstreamRequest {
  const warnings: string[] = [];
  const trait = endpoint.traits['reasoning_style'];
  const style = trait === 'budget' || trait === 'level' ? trait : thinkingStyleOf(endpoint.providerModelId);
  const isOld = isBeforeGemini3(endpoint.providerModelId);
  const { systemInstruction, contents } = buildContents(request.messages, {
    media: options.media,
    demandsSignatures: style === 'level',
    takesResultMedia: !isOld,
    warnings,
  });
  const formatInWords = isOld && request.tools.length > 0 ? formatInstruction(request.responseFormat, warnings) : undefined;
  const instructions = [...asObjects(systemInstruction?.['parts']), ...(formatInWords === undefined ? [] : [{ text: formatInWords }])];
  const generationConfig = generationConfigOf(
    formatInWords === undefined ? request : { ...request, responseFormat: undefined },
    endpoint,
    options,
    style,
    warnings,
  );
  const toolConfig = request.tools.length === 0 ? undefined : toolConfigOf(request, warnings);
  const body: JsonObject = {
    contents,
    ...(instructions.length === 0 ? {} : { systemInstruction: { parts: instructions } }),
    ...(request.tools.length === 0 ? {} : { tools: [{ functionDeclarations: request.tools.map(declarationOf) }] }),
    ...(toolConfig === undefined ? {} : { toolConfig }),
    ...(Object.keys(generationConfig).length === 0 ? {} : { generationConfig }),
  };
  warnOfTheRest(request, warnings);
  const method = options.stream ? 'streamGenerateContent?alt=sse' : 'generateContent';
  return {
    method: 'POST',
    path: `${modelPath(endpoint)}:${method}`,
    headers: { 'content-type': 'application/json', accept: options.stream ? 'text/event-stream' : 'application/json' },
    body: JSON.stringify(body),
    warnings,
  };
}

function modelPath({ providerModelId }: EndpointFacts): string {
  return `/models/${encodeURIComponent(providerModelId.replace(/^models\//, ''))}`;
}

function declarationOf({ name, description, parameters = {} }: ToolDefinition): JsonObject {
  return {
    name,
    ...(description === undefined ? {} : { description }),
    ...(Object.keys(parameters).length === 0 ? {} : { parametersJsonSchema: parameters }),
  };
}

function toolConfigOf(request: CanonicalChatRequest, warnings: string[]): JsonObject | undefined {
  if (request.parallelToolCalls === false) warnings.push('parallel_tool_calls: the Gemini API cannot switch them off; it was dropped.');
  switch (request.toolChoice?.kind) {
    case undefined:
      return undefined;
    case 'auto':
      return { functionCallingConfig: { mode: 'AUTO' } };
    case 'none':
      return { functionCallingConfig: { mode: 'NONE' } };
    case 'required':
      return { functionCallingConfig: { mode: 'ANY' } };
    case 'tool':
      return { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: [request.toolChoice.name] } };
  }
}

function generationConfigOf(
  request: CanonicalChatRequest,
  endpoint: EndpointFacts,
  options: BuildOptions,
  style: 'budget' | 'level',
  warnings: string[],
): JsonObject {
  const { sampling } = request;
  const wanted = options.maxOutputTokens ?? request.maxOutputTokens;
  const outputCap = wanted !== undefined && endpoint.maxCompletionTokens !== undefined ? Math.min(wanted, endpoint.maxCompletionTokens) : wanted;
  const config: Record<string, JsonValue | undefined> = {
    maxOutputTokens: outputCap,
    temperature: sampling.temperature,
    topP: sampling.topP,
    topK: sampling.topK,
    seed: sampling.seed,
    presencePenalty: sampling.presencePenalty,
    frequencyPenalty: sampling.frequencyPenalty,
    stopSequences: request.stop.length === 0 ? undefined : [...request.stop],
    responseLogprobs: sampling.logprobs,
    logprobs: sampling.topLogprobs,
    thinkingConfig: thinkingConfig(request, endpoint, style, outputCap, warnings),
    ...responseFormatOf(request, warnings),
    ...modalitiesOf(request),
  };
  const taken: JsonObject = {};
  for (const [name, value] of Object.entries(config)) if (value !== undefined) taken[name] = value;
  return dropOutOfRange(dropUnlisted(taken, endpoint, warnings), warnings);
}

const LISTED_AS: Readonly<Record<string, string>> = {
  temperature: 'temperature',
  topP: 'top_p',
  topK: 'top_k',
  seed: 'seed',
  presencePenalty: 'presence_penalty',
  frequencyPenalty: 'frequency_penalty',
  stopSequences: 'stop',
  responseLogprobs: 'logprobs',
  logprobs: 'top_logprobs',
};

function dropUnlisted(config: JsonObject, endpoint: EndpointFacts, warnings: string[]): JsonObject {
  if (endpoint.supportedParameters.length === 0) return config;
  for (const [name, listed] of Object.entries(LISTED_AS)) {
    if (config[name] === undefined || endpoint.supportedParameters.includes(listed)) continue;
    delete config[name];
    warnings.push(`${listed}: this endpoint does not take it; it was dropped.`);
  }
  return config;
}

const MIN_INT32 = -(2 ** 31);
const MAX_INT32 = 2 ** 31 - 1;

/** Where generateContent takes less than clients may send (https://ai.google.dev/api/generate-content). A `topK` of 0 or -1 means "off": an absent one. */
const RANGES: Readonly<Record<string, { readonly says: string; readonly holds: (value: number) => boolean }>> = {
  topK: { says: 'at least 1, in 32 bits', holds: (value) => value >= 1 && value <= MAX_INT32 },
  seed: { says: 'an integer of 32 bits', holds: (value) => value >= MIN_INT32 && value <= MAX_INT32 },
  presencePenalty: { says: 'less than 2', holds: (value) => value < 2 },
  frequencyPenalty: { says: 'less than 2', holds: (value) => value < 2 },
};

function dropOutOfRange(config: JsonObject, warnings: string[]): JsonObject {
  for (const [name, range] of Object.entries(RANGES)) {
    const value = config[name];
    if (typeof value !== 'number' || range.holds(value)) continue;
    delete config[name];
    warnings.push(`${LISTED_AS[name]}: the Gemini API takes ${range.says}; it was dropped.`);
  }
  return config;
}

/** Before Gemini 3 the API refuses JSON mode beside tools: "Function calling with a response mime type: 'application/json' is unsupported". */
function formatInstruction(format: ResponseFormat | undefined, warnings: string[]): string | undefined {
  if (format?.kind !== 'json-object' && format?.kind !== 'json-schema') return undefined;
  warnings.push('response_format: the model takes none beside tools; it was put into an instruction.');
  return format.kind === 'json-object'
    ? 'Give the final answer as one JSON object and nothing else.'
    : `Give the final answer as one JSON object and nothing else. It has to validate against this JSON Schema:\n${JSON.stringify(format.schema)}`;
}

function responseFormatOf(request: CanonicalChatRequest, warnings: string[]): JsonObject {
  switch (request.responseFormat?.kind) {
    case undefined:
    case 'text':
      return {};
    case 'json-object':
      return { responseMimeType: 'application/json' };
    case 'json-schema':
      return { responseMimeType: 'application/json', responseJsonSchema: request.responseFormat.schema };
    case 'grammar':
      warnings.push('response_format: the provider takes no grammar; it was dropped.');
      return {};
  }
}

function modalitiesOf(request: CanonicalChatRequest): JsonObject {
  if (request.modalities.every((name) => name === 'text')) return {};
  const imageConfig: JsonObject = {};
  const aspectRatio = asString(request.imageOutput?.['aspect_ratio']);
  const imageSize = asString(request.imageOutput?.['image_size']);
  if (aspectRatio !== undefined) imageConfig['aspectRatio'] = aspectRatio;
  if (imageSize !== undefined) imageConfig['imageSize'] = imageSize;
  const voice = asString(request.audioOutput?.['voice']);
  return {
    responseModalities: request.modalities.map((name) => name.toUpperCase()),
    ...(Object.keys(imageConfig).length === 0 ? {} : { imageConfig }),
    ...(voice === undefined ? {} : { speechConfig: { voiceConfig: { prebuiltVoiceConfig: { voiceName: voice } } } }),
  };
}

/** Everything that generateContent has no place for. */
function warnOfTheRest(request: CanonicalChatRequest, warnings: string[]): void {
  const { sampling } = request;
  const lost = {
    repetition_penalty: sampling.repetitionPenalty,
    min_p: sampling.minP,
    top_a: sampling.topA,
    logit_bias: sampling.logitBias,
    prediction: request.prediction,
    verbosity: request.verbosity,
    ...request.extra,
  };
  for (const [name, value] of Object.entries(lost))
    if (value !== undefined && value !== null) warnings.push(`${name}: the Gemini API has no such parameter; it was dropped.`);
  const isMarked =
    request.cacheBreakpoint !== undefined ||
    request.tools.some((tool) => tool.cacheBreakpoint) ||
    request.messages.some((message) => message.parts.some((part) => part.cacheBreakpoint));
  if (isMarked) warnings.push('cache_control: the Gemini API caches prefixes on its own; the marks were not sent.');
}

const TASK_TYPES: Readonly<Record<string, string>> = {
  search_query: 'RETRIEVAL_QUERY',
  query: 'RETRIEVAL_QUERY',
  search_document: 'RETRIEVAL_DOCUMENT',
  document: 'RETRIEVAL_DOCUMENT',
  passage: 'RETRIEVAL_DOCUMENT',
  classification: 'CLASSIFICATION',
  clustering: 'CLUSTERING',
  semantic_similarity: 'SEMANTIC_SIMILARITY',
};

/** More the API refuses. */
const MAX_EMBEDDINGS = 100;

/** `batchEmbedContents` (https://ai.google.dev/api/embeddings). @throws SwitchyardError `invalid_request` */
export function buildGeminiEmbeddings(request: CanonicalEmbeddingRequest, endpoint: EndpointFacts): UpstreamRequest {
  if (request.inputs.length > MAX_EMBEDDINGS)
    throw new SwitchyardError('invalid_request', `The provider embeds at most ${MAX_EMBEDDINGS} inputs in one request; ${request.inputs.length} were sent.`, {
      metadata: { param: 'input' },
    });
  const model = `models/${endpoint.providerModelId.replace(/^models\//, '')}`;
  const taskType = request.inputType === undefined ? undefined : TASK_TYPES[request.inputType];
  const warnings = request.inputType !== undefined && taskType === undefined ? [`input_type: the Gemini API has no ${request.inputType}; it was dropped.`] : [];
  const requests: JsonValue[] = request.inputs.map((input) => {
    if (input.kind === 'tokens') throw new SwitchyardError('invalid_request', 'The provider embeds text, not token numbers.', { metadata: { param: 'input' } });
    return {
      model,
      content: { parts: [{ text: input.text }] },
      ...(taskType === undefined ? {} : { taskType }),
      ...(request.dimensions === undefined ? {} : { outputDimensionality: request.dimensions }),
    };
  });
  return {
    method: 'POST',
    path: `${modelPath(endpoint)}:batchEmbedContents`,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ requests }),
    warnings,
  };
}
