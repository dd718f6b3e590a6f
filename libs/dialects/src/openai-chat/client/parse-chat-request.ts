import {
  REASONING_EFFORTS,
  type CanonicalChatRequest,
  type JsonObject,
  type JsonValue,
  type ReasoningRequest,
  type ResponseFormat,
  type SamplingParameters,
  type ToolChoice,
  type ToolDefinition,
} from '@switchyard/core';
import { parseMessages } from './parse-messages.js';
import { RequestFields } from './request-fields.js';

const MAX_STOP_SEQUENCES = 4;

/** Fields with a place in the canonical request, or that are the gateway's own. The rest is `extra`. */
const KNOWN_FIELDS = new Set(
  (
    'messages model models route provider plugins preset tools tool_choice functions function_call parallel_tool_calls max_tool_calls stop_server_tools_when max_tokens max_completion_tokens ' +
    'temperature top_p top_k top_a min_p frequency_penalty presence_penalty repetition_penalty seed logit_bias logprobs top_logprobs stop response_format structured_outputs ' +
    'reasoning reasoning_effort include_reasoning verbosity modalities image_config audio prediction cache_control prompt_cache_key session_id user metadata trace service_tier ' +
    'stream stream_options usage transforms debug n prompt'
  ).split(' '),
);

/** @throws SwitchyardError `invalid_request` naming the field. */
export function parseChatRequest(body: JsonObject): CanonicalChatRequest {
  const fields = new RequestFields(body);
  const messages = fields.objects('messages');
  if (!messages || messages.length === 0) throw fields.wrong('messages', 'an array of at least one message');
  fields.string('session_id', { maxLength: 256 });
  return {
    messages: parseMessages(messages),
    tools: parseTools(fields),
    toolChoice: parseToolChoice(fields),
    parallelToolCalls: fields.boolean('parallel_tool_calls'),
    maxOutputTokens: fields.number('max_completion_tokens', { min: 1, isInteger: true }) ?? fields.number('max_tokens', { min: 1, isInteger: true }),
    sampling: parseSampling(fields),
    stop: parseStop(fields),
    responseFormat: parseResponseFormat(fields),
    reasoning: parseReasoning(fields),
    verbosity: fields.string('verbosity'),
    cacheBreakpoint: fields.cacheBreakpoint(),
    promptCacheKey: fields.string('prompt_cache_key'),
    modalities: (fields.array('modalities') ?? []).filter((value) => typeof value === 'string'),
    imageOutput: fields.object('image_config'),
    audioOutput: fields.object('audio'),
    prediction: fields.object('prediction'),
    serviceTier: fields.string('service_tier'),
    user: fields.string('user'),
    metadata: fields.object('metadata'),
    stream: fields.boolean('stream') ?? false,
    extra: Object.fromEntries(Object.entries(body).filter(([key]) => !KNOWN_FIELDS.has(key))),
  };
}

/**
 * The three spellings of one wish: `reasoning`, `reasoning_effort`, `include_reasoning`. The last one says whether thoughts are shown, as they are anyway,
 * and not that the model should think: many clients send it with every request.
 * @throws SwitchyardError `invalid_request`
 */
export function parseReasoning(fields: RequestFields): ReasoningRequest | undefined {
  const alias = fields.oneOf('reasoning_effort', REASONING_EFFORTS);
  const include = fields.boolean('include_reasoning');
  const reasoning = fields.inside('reasoning');
  if (!reasoning && alias === undefined && include === undefined) return undefined;
  const effort = reasoning?.oneOf('effort', REASONING_EFFORTS) ?? alias;
  const maxTokens = reasoning?.number('max_tokens', { min: 0, isInteger: true });
  if (reasoning && maxTokens !== undefined && reasoning.has('effort')) throw fields.wrong('reasoning', 'given either effort or max_tokens, not both');
  return {
    effort: maxTokens === undefined ? effort : undefined,
    maxTokens,
    enabled: reasoning?.boolean('enabled'),
    exclude: reasoning?.boolean('exclude') ?? (include === false ? true : undefined),
    summary: reasoning?.oneOf('summary', ['auto', 'concise', 'detailed']),
  };
}

/** Where the range differs from provider to provider the type alone is checked here: each builder leaves out what its provider does not take. */
function parseSampling(fields: RequestFields): SamplingParameters {
  return {
    temperature: fields.number('temperature', { min: 0, max: 2 }),
    topP: fields.number('top_p', { min: 0, max: 1 }),
    topK: fields.number('top_k', { isInteger: true }),
    topA: fields.number('top_a'),
    minP: fields.number('min_p'),
    frequencyPenalty: fields.number('frequency_penalty', { min: -2, max: 2 }),
    presencePenalty: fields.number('presence_penalty', { min: -2, max: 2 }),
    repetitionPenalty: fields.number('repetition_penalty'),
    seed: fields.number('seed', { isInteger: true }),
    logitBias: fields.object('logit_bias'),
    logprobs: fields.boolean('logprobs'),
    topLogprobs: fields.number('top_logprobs', { min: 0, max: 20, isInteger: true }),
  };
}

function parseStop(fields: RequestFields): string[] {
  const value: JsonValue | undefined = fields.body['stop'];
  if (value === undefined || value === null) return [];
  if (typeof value === 'string') return [value];
  const stop = fields.array('stop', { maxLength: MAX_STOP_SEQUENCES }) ?? [];
  if (!stop.every((entry) => typeof entry === 'string')) throw fields.wrong('stop', 'a string or an array of strings');
  return stop;
}

function parseTools(fields: RequestFields): ToolDefinition[] {
  const tools = fields.objects('tools') ?? [];
  const legacy = fields.objects('functions') ?? [];
  const definitions: ToolDefinition[] = [];
  for (const tool of tools) {
    // Server tools (`openrouter:web_search` …) are the gateway's business.
    if (tool.requiredString('type') !== 'function') continue;
    const definition = tool.inside('function');
    if (!definition) throw tool.wrong('function', 'an object');
    definitions.push({ ...parseFunction(definition), cacheBreakpoint: tool.cacheBreakpoint() });
  }
  return legacy.length > 0 && tools.length === 0 ? legacy.map(parseFunction) : definitions;
}

function parseFunction(definition: RequestFields): ToolDefinition {
  return {
    name: definition.requiredString('name'),
    description: definition.string('description'),
    parameters: definition.object('parameters'),
    strict: definition.boolean('strict'),
  };
}

function parseToolChoice(fields: RequestFields): ToolChoice | undefined {
  const value = fields.body['tool_choice'] ?? fields.body['function_call'];
  if (value === undefined || value === null) return undefined;
  if (value === 'auto' || value === 'none' || value === 'required') return { kind: value };
  if (value === 'any') return { kind: 'required' };
  if (typeof value === 'string') throw fields.wrong('tool_choice', 'auto, none, required or an object');
  const choice = fields.inside('tool_choice') ?? fields.inside('function_call');
  if (!choice) throw fields.wrong('tool_choice', 'auto, none, required or an object');
  if (choice.has('type') && choice.body['type'] !== 'function') return { kind: 'auto' };
  return { kind: 'tool', name: (choice.inside('function') ?? choice).requiredString('name') };
}

function parseResponseFormat(fields: RequestFields): ResponseFormat | undefined {
  const format = fields.inside('response_format');
  if (!format) return undefined;
  switch (format.requiredString('type')) {
    case 'text':
      return { kind: 'text' };
    case 'json_object':
      return { kind: 'json-object' };
    case 'json_schema': {
      const definition = format.inside('json_schema');
      const schema = definition?.object('schema');
      if (!definition || !schema) throw format.wrong('json_schema', 'an object with a schema');
      return {
        kind: 'json-schema',
        name: definition.string('name') ?? 'response',
        description: definition.string('description'),
        schema,
        strict: definition.boolean('strict'),
      };
    }
    case 'grammar':
      return { kind: 'grammar', grammar: format.requiredString('grammar') };
    default:
      throw format.wrong('type', 'one of text, json_object, json_schema, grammar');
  }
}
