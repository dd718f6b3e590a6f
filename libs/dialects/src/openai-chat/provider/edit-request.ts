import { asArray, asObject, asObjects, asString, isJsonObject, type JsonObject, type JsonValue } from '@switchyard/core';
import type { EndpointFacts, OpenaiChatDeviations } from '../../dialect-manifest.js';
import type { BuildOptions } from '../../provider-dialect.js';
import { askableReasoning } from '../../reasoning-budget.js';
import { parseReasoning } from '../client/parse-chat-request.js';
import { RequestFields } from '../client/request-fields.js';
import { editMessages, needNoEdits } from './edit-messages.js';
import type { BodyAroundMessages, MessageBytes } from './message-bytes.js';
import { reasoningParameters, reasoningStyleOf, type ReasoningContext } from './reasoning-parameters.js';

/** Fields that mean something to the gateway alone. */
const GATEWAY_FIELDS: ReadonlySet<string> = new Set(
  (
    'models route provider plugins preset max_tool_calls stop_server_tools_when structured_outputs reasoning reasoning_effort include_reasoning ' +
    'cache_control session_id trace metadata usage transforms debug stream stream_options n max_tokens max_completion_tokens messages model'
  ).split(' '),
);

/** Parameter → names under which a catalogue lists that an endpoint takes it. What is not here is passed on. */
const LISTED_AS: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    temperature: ['temperature'],
    top_p: ['top_p'],
    top_k: ['top_k'],
    top_a: ['top_a'],
    min_p: ['min_p'],
    frequency_penalty: ['frequency_penalty'],
    presence_penalty: ['presence_penalty'],
    repetition_penalty: ['repetition_penalty'],
    seed: ['seed'],
    logit_bias: ['logit_bias'],
    logprobs: ['logprobs', 'top_logprobs'],
    top_logprobs: ['top_logprobs', 'logprobs'],
    stop: ['stop'],
    prediction: ['prediction'],
    response_format: ['response_format', 'structured_outputs'],
    tools: ['tools'],
    tool_choice: ['tool_choice', 'tools'],
    parallel_tool_calls: ['parallel_tool_calls', 'tools'],
    verbosity: ['verbosity'],
    web_search_options: ['web_search_options'],
  }),
);
const REASONING_FIELDS = ['reasoning', 'reasoning_effort', 'include_reasoning'];

export interface EditedRequest {
  readonly body: JsonObject;
  /** The messages, where they are not in the body. */
  readonly messages?: MessageBytes | undefined;
  readonly warnings: readonly string[];
}

/**
 * A request of OpenRouter's shape as this endpoint takes it: gateway fields out, parameters it refuses out, names and
 * reasoning as it spells them. Everything else survives, unknown fields included.
 */
export function editRequest(source: JsonObject, endpoint: EndpointFacts, deviations: OpenaiChatDeviations, options: BuildOptions): EditedRequest {
  const warnings: string[] = [];
  const body: JsonObject = { model: endpoint.providerModelId, messages: editMessages(asArray(source['messages']) ?? [], { deviations, media: options.media }) };
  for (const key in source) {
    const value = source[key]!;
    if (value !== null && !GATEWAY_FIELDS.has(key)) body[key] = value;
  }
  const outputCap = outputTokens(source, endpoint, options);
  if (outputCap !== undefined) body[deviations.maxTokensField ?? 'max_tokens'] = outputCap;
  nameServiceTier(body, endpoint, warnings);
  editTools(body, deviations, warnings);
  editResponseFormat(body, deviations, warnings);
  dropUnlisted(body, endpoint, warnings);
  if (REASONING_FIELDS.some((name) => source[name] !== undefined)) Object.assign(body, reasoningFields(source, endpoint, deviations, outputCap, warnings));
  stopReasoningBesideTools(body, endpoint, warnings);
  stopStrictThinking(body, { endpoint, deviations }, warnings);
  topLevelCache(source, body, deviations, warnings);
  continuePrefill(body, deviations);
  for (const name of deviations.refusedParameters ?? []) {
    if (body[name] === undefined) continue;
    delete body[name];
    warnings.push(`${name}: the provider refuses it; it was dropped.`);
  }
  for (const [name, value] of Object.entries(deviations.addedParameters ?? {})) body[name] ??= value;
  for (const [name, theirs] of Object.entries(deviations.renamedParameters ?? {})) {
    if (body[name] === undefined) continue;
    body[theirs] = body[name];
    delete body[name];
  }
  if (options.stream) {
    body['stream'] = true;
    if (deviations.streamUsage !== 'always') body['stream_options'] = { ...asObject(source['stream_options']), include_usage: true };
  }
  return { body, warnings };
}

/** The same for a body whose messages are bytes still; undefined where they have to be read. */
export function editAroundMessages(
  { body, messages }: BodyAroundMessages,
  endpoint: EndpointFacts,
  deviations: OpenaiChatDeviations,
  options: BuildOptions,
): EditedRequest | undefined {
  if (!needNoEdits(messages, { deviations, media: options.media })) return undefined;
  const edited = editRequest(body, endpoint, deviations, options);
  // A schema for a provider without schemas is one more message.
  return asArray(edited.body['messages'])?.length === 0 ? { ...edited, messages } : undefined;
}

/** Tiers that have no price of their own. */
const PLAIN_TIERS: ReadonlySet<JsonValue | undefined> = new Set([undefined, 'auto', 'default']);

/** The tier of the endpoint that was chosen, which is what is charged; the client's word was heard when it was. */
function nameServiceTier(body: JsonObject, endpoint: EndpointFacts, warnings: string[]): void {
  const tier = endpoint.traits['service_tier'];
  const wanted = body['service_tier'];
  if (tier !== undefined) body['service_tier'] = tier;
  else if (!PLAIN_TIERS.has(wanted)) {
    delete body['service_tier'];
    warnings.push(`service_tier: this endpoint is not of the tier ${String(wanted)}; the request was sent without.`);
  }
}

function outputTokens(source: JsonObject, endpoint: EndpointFacts, options: BuildOptions): number | undefined {
  const own = source['max_completion_tokens'] ?? source['max_tokens'];
  const wanted = options.maxOutputTokens ?? (typeof own === 'number' ? own : undefined);
  if (wanted === undefined) return undefined;
  return endpoint.maxCompletionTokens === undefined ? wanted : Math.min(wanted, endpoint.maxCompletionTokens);
}

function reasoningFields(
  source: JsonObject,
  endpoint: EndpointFacts,
  deviations: OpenaiChatDeviations,
  outputCap: number | undefined,
  warnings: string[],
): JsonObject {
  const reasoning = askableReasoning(parseReasoning(new RequestFields(source)), endpoint, warnings);
  if (!reasoning) return {};
  return reasoningParameters(reasoning, { endpoint, deviations, outputCap, original: asObject(source['reasoning']) }, warnings);
}

/** OpenAI's chat API takes tools of its newer models only where they do not reason, which they would unasked. */
function stopReasoningBesideTools(body: JsonObject, endpoint: EndpointFacts, warnings: string[]): void {
  if (endpoint.traits['tools_without_reasoning'] !== 'true' || body['tools'] === undefined || body['reasoning_effort'] === 'none') return;
  body['reasoning_effort'] = 'none';
  warnings.push('reasoning: the provider takes tools of this model only without it; the effort none was asked for.');
}

/** Clients that know no reasoning give none back, and the provider thinks unasked. */
function stopStrictThinking(body: JsonObject, provider: Pick<ReasoningContext, 'endpoint' | 'deviations'>, warnings: string[]): void {
  const canSwitch = reasoningStyleOf(provider) === 'thinking-type' && provider.endpoint.traits['reasoning_mandatory'] !== 'true';
  if (provider.deviations.strictThinking !== true || !canSwitch || asObject(body['thinking'])?.['type'] === 'disabled') return;
  const obstacle = obstacleToThinking(body);
  if (obstacle === undefined) return;
  delete body['reasoning_effort'];
  body['thinking'] = { type: 'disabled' };
  warnings.push(`reasoning: ${obstacle}; it was switched off.`);
}

function obstacleToThinking(body: JsonObject): string | undefined {
  const choice = body['tool_choice'];
  if (choice === 'required' || isJsonObject(choice)) return 'the model cannot think when tool_choice forces a call';
  const hasSilentCall = asObjects(body['messages']).some((message) => hasCalls(message) && message['reasoning_content'] === undefined);
  return hasSilentCall ? 'the provider refuses to think where the reasoning of earlier tool calls is not given back' : undefined;
}

function hasCalls(message: JsonObject): boolean {
  return (asArray(message['tool_calls']) ?? []).length > 0;
}

/** Server tools are the gateway's; cache marks on function tools follow the provider's rule. */
function editTools(body: JsonObject, deviations: OpenaiChatDeviations, warnings: string[]): void {
  const tools = asArray(body['tools']);
  if (!tools) return;
  const kept: JsonValue[] = [];
  const chosen = asObject(body['tool_choice'])?.['type'];
  for (const tool of tools) {
    const isServerTool = isJsonObject(tool) && typeof tool['type'] === 'string' && tool['type'] !== 'function';
    if (isServerTool && tool['type'] === chosen) delete body['tool_choice'];
    if (isServerTool) warnings.push(`tools: ${String(tool['type'])} is not offered by this endpoint; it was dropped.`);
    else kept.push(isJsonObject(tool) && deviations.cacheControl !== 'keep' && tool['cache_control'] !== undefined ? withoutCacheControl(tool) : tool);
  }
  if (kept.length > 0) {
    body['tools'] = kept;
    return;
  }
  delete body['tools'];
  delete body['tool_choice'];
  delete body['parallel_tool_calls'];
}

function withoutCacheControl(tool: JsonObject): JsonObject {
  const { cache_control: _dropped, ...rest } = tool;
  return rest;
}

function editResponseFormat(body: JsonObject, deviations: OpenaiChatDeviations, warnings: string[]): void {
  const format = asObject(body['response_format']);
  if (!format || deviations.structuredOutput !== 'json_object') return;
  if (format['type'] !== 'json_schema') return;
  const schema = asObject(format['json_schema'])?.['schema'] ?? {};
  body['response_format'] = { type: 'json_object' };
  body['messages'] = [
    { role: 'system', content: `Answer with one JSON object that validates against this JSON Schema:\n${JSON.stringify(schema)}` },
    ...(asArray(body['messages']) ?? []),
  ];
  warnings.push('response_format: the provider knows JSON mode only; the schema was put into a system message.');
}

function dropUnlisted(body: JsonObject, endpoint: EndpointFacts, warnings: string[]): void {
  if (endpoint.supportedParameters.length === 0) return;
  for (const name in body) {
    const listedAs = LISTED_AS.get(name);
    if (!listedAs || body[name] === undefined || listedAs.some((listed) => endpoint.supportedParameters.includes(listed))) continue;
    delete body[name];
    warnings.push(`${name}: this endpoint does not take it; it was dropped.`);
  }
}

/** "Cache what you can": where marks are kept, the last text part of the last message gets one; elsewhere caching is implicit. */
function topLevelCache(source: JsonObject, body: JsonObject, deviations: OpenaiChatDeviations, warnings: string[]): void {
  const control = source['cache_control'];
  if (!isJsonObject(control)) return;
  if (deviations.cacheControl === 'keep') body['cache_control'] = control;
  else if (control['ttl'] !== undefined && deviations.cacheControl !== 'openai-breakpoint')
    warnings.push('cache_control: the provider caches on its own terms; the ttl was not sent.');
}

function continuePrefill(body: JsonObject, deviations: OpenaiChatDeviations): void {
  if (deviations.prefill !== 'continue-final-message') return;
  const last = asObjects(body['messages']).at(-1);
  if (last?.['role'] === 'assistant' && asString(last['content']) !== undefined)
    Object.assign(body, { continue_final_message: true, add_generation_prompt: false });
}
