import { REASONING_EFFORTS, type JsonObject, type ReasoningRequest } from '@switchyard/core';
import type { EndpointFacts, OpenaiChatDeviations, ReasoningStyle } from '../../dialect-manifest.js';
import { budgetForEffort, effortForBudget, nearestEffort, reasoningIntent, type ReasoningIntent } from '../../reasoning-budget.js';

/** Output cap assumed where neither client nor endpoint names one: only the ratio between effort and budget needs it. */
const ASSUMED_OUTPUT_CAP = 16_384;
const DEFAULT_EFFORTS = ['none', 'minimal', 'low', 'medium', 'high'];
const STYLES: readonly ReasoningStyle[] = ['effort', 'openrouter', 'enable-thinking', 'thinking-type', 'chat-template', 'reasoning-enabled', 'think', 'none'];

export interface ReasoningContext {
  readonly endpoint: EndpointFacts;
  readonly deviations: OpenaiChatDeviations;
  readonly outputCap: number | undefined;
  /** The request's own object, for providers that read it as it is. */
  readonly original: JsonObject | undefined;
}

/** The provider's fields for what the client wants of reasoning; empty when it wants nothing in particular. */
export function reasoningParameters(reasoning: ReasoningRequest | undefined, context: ReasoningContext, warnings: string[]): JsonObject {
  const intent = reasoningIntent(reasoning);
  const style = reasoningStyleOf(context);
  if (style === 'openrouter') return reasoning ? { reasoning: context.original ?? withoutUndefined(reasoning) } : {};
  if (intent.kind === 'unsaid') return {};
  const outputCap = context.outputCap ?? context.endpoint.maxCompletionTokens ?? ASSUMED_OUTPUT_CAP;
  const isOn = intent.kind === 'on';
  switch (style) {
    case 'effort':
      return effortParameter(intent, context, outputCap, warnings);
    case 'enable-thinking':
      return isOn ? { enable_thinking: true, ...budgetParameter('thinking_budget', intent, outputCap) } : { enable_thinking: false };
    case 'thinking-type':
      return { thinking: { type: isOn ? 'enabled' : 'disabled' }, ...(isOn ? effortBesideSwitch(intent, context, outputCap, warnings) : {}) };
    case 'chat-template':
      return { chat_template_kwargs: { enable_thinking: isOn, thinking: isOn } };
    case 'reasoning-enabled':
      return { reasoning: { enabled: isOn } };
    case 'think':
      return { think: isOn ? thinkLevel(intent) : false };
    case 'none':
      if (isOn) warnings.push('reasoning: this endpoint offers no way to ask for it; the request was sent without.');
      return {};
  }
}

export function reasoningStyleOf({ endpoint, deviations }: Pick<ReasoningContext, 'endpoint' | 'deviations'>): ReasoningStyle {
  const trait = STYLES.find((style) => style === endpoint.traits['reasoning_style']);
  return trait ?? deviations.reasoningStyle ?? 'effort';
}

function effortParameter(
  intent: Exclude<ReasoningIntent, { kind: 'unsaid' }>,
  { endpoint, deviations }: ReasoningContext,
  outputCap: number,
  warnings: string[],
): JsonObject {
  const trait = endpoint.traits['reasoning_efforts'];
  const allowed = trait === undefined || trait === '' ? (deviations.reasoningEfforts ?? DEFAULT_EFFORTS) : trait.split(',').map((name) => name.trim());
  if (intent.kind === 'off') {
    const lowest = allowed.includes('none') ? 'none' : REASONING_EFFORTS.find((effort) => allowed.includes(effort));
    if (lowest === undefined) warnings.push('reasoning: this endpoint cannot switch it off.');
    else if (lowest !== 'none') warnings.push(`reasoning: this endpoint cannot switch it off; its lowest effort, ${lowest}, was asked for.`);
    return lowest === undefined ? {} : { reasoning_effort: lowest };
  }
  const wanted = intent.effort ?? (intent.maxTokens === undefined ? 'medium' : effortForBudget(intent.maxTokens, outputCap));
  const effort = nearestEffort(wanted, allowed);
  if (effort === undefined) warnings.push('reasoning: this endpoint takes no effort; the request was sent without.');
  else if (intent.effort !== undefined && effort !== wanted) warnings.push(`reasoning.effort: this endpoint has no ${wanted}; ${effort} was asked for.`);
  return effort === undefined ? {} : { reasoning_effort: effort };
}

/** Of providers that state their efforts, and for clients that name one. */
function effortBesideSwitch(intent: Extract<ReasoningIntent, { kind: 'on' }>, context: ReasoningContext, outputCap: number, warnings: string[]): JsonObject {
  const isNamed = intent.effort !== undefined || intent.maxTokens !== undefined;
  return isNamed && context.deviations.reasoningEfforts !== undefined ? effortParameter(intent, context, outputCap, warnings) : {};
}

function budgetParameter(name: string, intent: Extract<ReasoningIntent, { kind: 'on' }>, outputCap: number): JsonObject {
  if (intent.maxTokens !== undefined) return { [name]: intent.maxTokens };
  return intent.effort === undefined ? {} : { [name]: budgetForEffort(intent.effort, outputCap) };
}

function thinkLevel(intent: ReasoningIntent): boolean | string {
  if (intent.kind !== 'on' || intent.effort === undefined) return true;
  return nearestEffort(intent.effort, ['low', 'medium', 'high']) ?? true;
}

function withoutUndefined(reasoning: ReasoningRequest): JsonObject {
  const { maxTokens, ...rest } = reasoning;
  return JSON.parse(JSON.stringify({ ...rest, max_tokens: maxTokens })) as JsonObject;
}
