import { asObjects, type CanonicalChatRequest, type JsonObject, type ResponseFormat, type ToolDefinition } from '@switchyard/core';
import type { EndpointFacts } from '../../dialect-manifest.js';
import type { BuildOptions, UpstreamRequest } from '../../provider-dialect.js';
import { askableReasoning } from '../../reasoning-budget.js';
import { buildConversation, cacheControl, placeBreakpoints } from './build-messages.js';
import { anthropicSchema, inputSchema, isCompilable } from './output-schema.js';
import { bindsThinking, continuesAnswers, planThinking, structuredOutputOf, takesForcedCalls, thinkingStyleOf, type ThinkingPlan } from './thinking.js';

/** https://platform.claude.com/docs/en/api/versioning */
const API_VERSION = '2023-06-01';
/**
 * Newer models refuse a conversation when anything before a thinking that they gave was changed, which clients do who shorten it, and so does this
 * gateway; told so, they leave such thinking out: https://platform.claude.com/docs/build-with-claude/preserved-thinking
 */
const BINDING_CONTROLS = 'thinking-binding-controls-2026-08-01';
const DROP_MISMATCHES: JsonObject = { block_binding: { prefix_mismatch_behavior: 'drop_block' } };
const DEFAULT_MAX_TOKENS = 4096;
const MIN_TOP_P_WITH_THINKING = 0.95;
/** Clients write 0 or -1 for "off"; the provider knows that as an absent one. */
const MIN_TOP_K = 1;
/** The tool under which a model without structured outputs gives its JSON answer. Reserved: the parser turns it back into text. */
export const JSON_ANSWER_TOOL = 'switchyard_json_answer';

export function buildAnthropicRequest(asked: CanonicalChatRequest, endpoint: EndpointFacts, options: BuildOptions): UpstreamRequest {
  const warnings: string[] = [];
  const demand = takesForcedCalls(endpoint.providerModelId) ? undefined : demandedCall(asked);
  const request: CanonicalChatRequest = {
    ...asked,
    reasoning: askableReasoning(asked.reasoning, endpoint, warnings),
    ...(demand === undefined ? {} : { toolChoice: { kind: 'auto' } }),
  };
  const maxTokens = outputCap(request, endpoint, options);
  const trait = endpoint.traits['reasoning_style'];
  const style = trait === 'budget' || trait === 'adaptive' ? trait : thinkingStyleOf(endpoint.providerModelId);
  const schemaStyle = schemaStyleOf(request.responseFormat, endpoint);
  const usesAnswerTool = request.responseFormat?.kind === 'json-schema' && schemaStyle === 'tool';
  const plan = planThinking(usesAnswerTool ? { ...request, toolChoice: { kind: 'required' } } : request, endpoint, style, maxTokens, warnings);
  const { system, messages } = buildConversation(request.messages, options.media, warnings, continuesAnswers(endpoint.providerModelId));
  if (demand !== undefined) {
    system.push({ type: 'text', text: demand });
    warnings.push('tool_choice: the model refuses to be forced to a call; it was asked for one in an instruction.');
  }
  if (request.responseFormat?.kind === 'json-object') {
    system.push({ type: 'text', text: 'Answer with one JSON object and nothing else.' });
    warnings.push('response_format: the provider has no JSON mode; it was asked for in an instruction.');
  }
  if (request.responseFormat?.kind === 'json-schema' && schemaStyle === 'words') {
    system.push({
      type: 'text',
      text: `Answer with one JSON object that validates against this JSON Schema:\n${JSON.stringify(request.responseFormat.schema)}`,
    });
    warnings.push('response_format: the provider cannot compile the schema, which has open or recursive objects; it was put into an instruction.');
  }
  const tools = request.tools.map((tool) => toolOf(tool, endpoint, warnings));
  if (usesAnswerTool && request.responseFormat?.kind === 'json-schema') tools.push(answerTool(request.responseFormat));
  placeBreakpoints({ tools, system, messages }, request.cacheBreakpoint, warnings);
  const outputConfig = outputConfigOf(request.responseFormat, plan, schemaStyle, warnings);
  const toolChoice = tools.length === 0 ? undefined : toolChoiceOf(request, usesAnswerTool);
  const thinking = mayDropThinking(endpoint, plan, messages) ? { type: 'adaptive', ...plan.thinking, ...DROP_MISMATCHES } : plan.thinking;
  const body: JsonObject = {
    model: endpoint.providerModelId,
    max_tokens: maxTokens,
    ...(system.length === 0 ? {} : { system }),
    messages,
    ...(tools.length === 0 ? {} : { tools }),
    ...(toolChoice === undefined ? {} : { tool_choice: toolChoice }),
    ...samplingOf(request, plan.isOn, endpoint, warnings),
    ...(thinking === undefined ? {} : { thinking }),
    ...(outputConfig === undefined ? {} : { output_config: outputConfig }),
    ...(request.user === undefined ? {} : { metadata: { user_id: request.user } }),
    ...(options.stream ? { stream: true } : {}),
  };
  warnOfTheRest(request, warnings);
  return {
    method: 'POST',
    path: '/messages',
    headers: {
      'content-type': 'application/json',
      accept: options.stream ? 'text/event-stream' : 'application/json',
      'anthropic-version': API_VERSION,
      ...(thinking?.['block_binding'] === undefined ? {} : { 'anthropic-beta': BINDING_CONTROLS }),
    },
    body: JSON.stringify(body),
    warnings,
  };
}

function mayDropThinking(endpoint: EndpointFacts, plan: ThinkingPlan, messages: readonly JsonObject[]): boolean {
  if (!bindsThinking(endpoint.providerModelId) || plan.thinking?.['type'] === 'disabled') return false;
  return messages.flatMap((message) => asObjects(message['content'])).some((block) => block['type'] === 'thinking' || block['type'] === 'redacted_thinking');
}

/** The same in words. */
function demandedCall({ tools, toolChoice }: CanonicalChatRequest): string | undefined {
  if (tools.length === 0) return undefined;
  if (toolChoice?.kind === 'required') return 'Answer with a call of at least one of your tools.';
  return toolChoice?.kind === 'tool' ? `Answer with a call of the tool ${toolChoice.name}.` : undefined;
}

function outputCap(request: CanonicalChatRequest, endpoint: EndpointFacts, options: BuildOptions): number {
  const wanted = options.maxOutputTokens ?? request.maxOutputTokens ?? endpoint.maxCompletionTokens ?? DEFAULT_MAX_TOKENS;
  return endpoint.maxCompletionTokens === undefined ? wanted : Math.min(wanted, endpoint.maxCompletionTokens);
}

/** How a model is told of the schema of its answer: a grammar, a tool that takes it, or words. */
function schemaStyleOf(format: ResponseFormat | undefined, endpoint: EndpointFacts): 'output_config' | 'tool' | 'words' {
  const style = endpoint.traits['structured_output'] === 'tool' ? 'tool' : structuredOutputOf(endpoint.providerModelId);
  return style === 'output_config' && format?.kind === 'json-schema' && !isCompilable(format.schema) ? 'words' : style;
}

function toolOf(tool: ToolDefinition, endpoint: EndpointFacts, warnings: string[]): JsonObject {
  const schema = inputSchema(tool.parameters ?? {});
  const obstacle = tool.strict === true ? obstacleToStrict(schema, endpoint) : undefined;
  const isStrict = tool.strict === true && obstacle === undefined;
  if (obstacle !== undefined) warnings.push(`tools: ${tool.name} was sent without strict: ${obstacle}.`);
  return {
    name: tool.name,
    ...(tool.description === undefined ? {} : { description: tool.description }),
    input_schema: isStrict ? anthropicSchema(schema) : schema,
    ...(isStrict ? { strict: true } : {}),
    ...(tool.cacheBreakpoint ? { cache_control: cacheControl(tool.cacheBreakpoint) } : {}),
  };
}

function obstacleToStrict(schema: JsonObject, endpoint: EndpointFacts): string | undefined {
  if (!endpoint.supportedParameters.includes('structured_outputs')) return 'the model does not take it';
  return isCompilable(schema) ? undefined : 'the provider cannot compile its schema, which has open or recursive objects';
}

function answerTool(format: Extract<ResponseFormat, { kind: 'json-schema' }>): JsonObject {
  return {
    name: JSON_ANSWER_TOOL,
    description: format.description ?? `Gives the final answer as ${format.name}.`,
    input_schema: inputSchema(format.schema),
  };
}

function toolChoiceOf(request: CanonicalChatRequest, usesAnswerTool: boolean): JsonObject | undefined {
  const single = request.parallelToolCalls === false ? { disable_parallel_tool_use: true } : {};
  if (usesAnswerTool)
    return request.tools.length === 0 || request.toolChoice?.kind === 'none' ? { type: 'tool', name: JSON_ANSWER_TOOL } : { type: 'any', ...single };
  switch (request.toolChoice?.kind) {
    case 'none':
      return { type: 'none' };
    case 'required':
      return { type: 'any', ...single };
    case 'tool':
      return { type: 'tool', name: request.toolChoice.name, ...single };
    case 'auto':
      return { type: 'auto', ...single };
    case undefined:
      return request.parallelToolCalls === false ? { type: 'auto', ...single } : undefined;
  }
}

function outputConfigOf(
  format: ResponseFormat | undefined,
  plan: ThinkingPlan,
  style: ReturnType<typeof schemaStyleOf>,
  warnings: string[],
): JsonObject | undefined {
  if (format?.kind === 'grammar') warnings.push('response_format: the provider takes no grammar; it was dropped.');
  const hasSchema = format?.kind === 'json-schema' && style === 'output_config';
  if (!hasSchema && plan.effort === undefined) return undefined;
  return {
    ...(plan.effort === undefined ? {} : { effort: plan.effort }),
    ...(hasSchema ? { format: { type: 'json_schema', schema: anthropicSchema(format.schema) } } : {}),
  };
}

function samplingOf(request: CanonicalChatRequest, isThinking: boolean, endpoint: EndpointFacts, warnings: string[]): JsonObject {
  const { temperature, topP, topK } = request.sampling;
  const body: JsonObject = {};
  const takes = (name: string): boolean => endpoint.supportedParameters.length === 0 || endpoint.supportedParameters.includes(name);
  const set = (name: string, value: number | undefined, refusal: string | undefined): void => {
    if (value === undefined) return;
    if (!takes(name)) warnings.push(`${name}: this endpoint does not take it; it was dropped.`);
    else if (refusal !== undefined) warnings.push(`${name}: ${refusal}; it was dropped.`);
    else body[name] = value;
  };
  if (temperature !== undefined && temperature > 1) warnings.push('temperature: the provider takes at most 1; 1 was sent.');
  set(
    'temperature',
    temperature === undefined ? undefined : Math.min(temperature, 1),
    isThinking && temperature !== 1 ? 'the model takes none while it thinks' : undefined,
  );
  const topPRefusal =
    isThinking && (topP ?? 1) < MIN_TOP_P_WITH_THINKING
      ? `the model takes at least ${MIN_TOP_P_WITH_THINKING} while it thinks`
      : body['temperature'] === undefined
        ? undefined
        : 'the model takes either temperature or top_p';
  set('top_p', topP, topPRefusal);
  const topKRefusal = isThinking
    ? 'the model takes none while it thinks'
    : topK !== undefined && topK < MIN_TOP_K
      ? `the provider takes at least ${MIN_TOP_K}`
      : undefined;
  set('top_k', topK, topKRefusal);
  const stop = request.stop.filter((sequence) => sequence.trim() !== '');
  if (stop.length < request.stop.length) warnings.push('stop: the provider takes no sequences of white space alone; they were dropped.');
  if (stop.length > 0) body['stop_sequences'] = stop;
  return body;
}

/** Everything that the Messages API has no place for. */
function warnOfTheRest(request: CanonicalChatRequest, warnings: string[]): void {
  const { sampling } = request;
  const lost = {
    frequency_penalty: sampling.frequencyPenalty,
    presence_penalty: sampling.presencePenalty,
    repetition_penalty: sampling.repetitionPenalty,
    min_p: sampling.minP,
    top_a: sampling.topA,
    seed: sampling.seed,
    logit_bias: sampling.logitBias,
    logprobs: sampling.logprobs === true ? true : undefined,
    prediction: request.prediction,
    audio: request.audioOutput,
    ...request.extra,
  };
  for (const [name, value] of Object.entries(lost))
    if (value !== undefined && value !== null) warnings.push(`${name}: the Anthropic Messages API has no such parameter; it was dropped.`);
}
