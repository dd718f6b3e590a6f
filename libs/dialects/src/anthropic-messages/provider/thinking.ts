import type { CanonicalChatRequest, JsonObject } from '@switchyard/core';
import type { EndpointFacts } from '../../dialect-manifest.js';
import { budgetForEffort, clampBudget, effortForBudget, nearestEffort, reasoningIntent, type ReasoningIntent } from '../../reasoning-budget.js';

const MIN_BUDGET_TOKENS = 1024;

export interface ThinkingPlan {
  readonly thinking?: JsonObject | undefined;
  /** For `output_config.effort`. */
  readonly effort?: string | undefined;
  readonly isOn: boolean;
}

/**
 * `thinking` for a model. Up to Claude 4.5 a model takes a token budget; from 4.6 on it thinks adaptively, steered by
 * an effort (https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking).
 */
export function planThinking(
  request: CanonicalChatRequest,
  endpoint: EndpointFacts,
  style: 'budget' | 'adaptive',
  maxTokens: number,
  warnings: string[],
): ThinkingPlan {
  const intent = reasoningIntent(request.reasoning);
  const verbosity = style === 'adaptive' && request.verbosity !== undefined ? nearestEffortOf(request.verbosity, endpoint) : undefined;
  if (request.verbosity !== undefined && style === 'budget') warnings.push('verbosity: the model takes no effort; it was not sent.');
  if (intent.kind === 'unsaid') return { effort: verbosity, isOn: false };
  if (intent.kind === 'off') {
    if (endpoint.traits['reasoning_mandatory'] !== 'true')
      return { thinking: thinksOnlyWhenAsked(endpoint, style) ? undefined : { type: 'disabled' }, effort: verbosity, isOn: false };
    warnings.push('reasoning: the model cannot switch it off.');
    return { effort: verbosity, isOn: true };
  }
  const obstacle = obstacleTo(request, style);
  if (obstacle !== undefined) {
    warnings.push(`reasoning: ${obstacle}; the request was sent without.`);
    return { effort: verbosity, isOn: false };
  }
  const isExcluded = request.reasoning?.exclude === true;
  if (style === 'adaptive')
    return {
      thinking: { type: 'adaptive', display: isExcluded ? 'omitted' : 'summarized' },
      effort: adaptiveEffort(intent, endpoint, maxTokens) ?? verbosity,
      isOn: true,
    };
  const budget = budgetOf(intent, maxTokens);
  if (budget < MIN_BUDGET_TOKENS) {
    warnings.push(`reasoning: thinking needs more than ${MIN_BUDGET_TOKENS} of max_tokens; the request was sent without.`);
    return { isOn: false };
  }
  return { thinking: { type: 'enabled', budget_tokens: budget, ...(isExcluded ? { display: 'omitted' } : {}) }, isOn: true };
}

/** From Claude 4.6 to 4.8 there is nothing to switch off, and 4.7 refuses to be told; from 5 on a model thinks on its own. */
function thinksOnlyWhenAsked(endpoint: EndpointFacts, style: 'budget' | 'adaptive'): boolean {
  const version = modelVersion(endpoint.providerModelId);
  return style === 'adaptive' && version !== undefined && version < 5;
}

/** The API refuses thinking with a forced tool, with an answer to continue, and in a tool loop whose thinking is not there to be given back. */
function obstacleTo(request: CanonicalChatRequest, style: 'budget' | 'adaptive'): string | undefined {
  if (request.toolChoice?.kind === 'required' || request.toolChoice?.kind === 'tool') return 'the model cannot think when tool_choice forces a call';
  if (style === 'budget' && request.messages.at(-1)?.role === 'assistant') return 'the model cannot think when it continues an answer';
  if (style === 'adaptive' || request.messages.at(-1)?.role !== 'tool') return undefined;
  const caller = request.messages.findLast((message) => message.role === 'assistant');
  const hasCalls = caller?.parts.some((part) => part.kind === 'tool-call') === true;
  const hasThinking = caller?.parts.some((part) => part.kind === 'reasoning' && ((part.signature ?? '') !== '' || part.variant === 'encrypted')) === true;
  return hasCalls && !hasThinking ? 'the tool loop goes on without the reasoning_details of its first turn' : undefined;
}

function budgetOf(intent: Extract<ReasoningIntent, { kind: 'on' }>, maxTokens: number): number {
  const wanted = intent.maxTokens === undefined ? budgetForEffort(intent.effort ?? 'medium', maxTokens) : clampBudget(intent.maxTokens);
  return Math.min(wanted, maxTokens - 1);
}

function adaptiveEffort(intent: Extract<ReasoningIntent, { kind: 'on' }>, endpoint: EndpointFacts, maxTokens: number): string | undefined {
  if (intent.effort !== undefined) return nearestEffortOf(intent.effort, endpoint);
  return intent.maxTokens === undefined ? undefined : nearestEffortOf(effortForBudget(intent.maxTokens, maxTokens), endpoint);
}

function nearestEffortOf(effort: string, endpoint: EndpointFacts): string | undefined {
  const trait = endpoint.traits['reasoning_efforts'];
  const version = modelVersion(endpoint.providerModelId);
  const byVersion = version !== undefined && version <= 4.6 ? ['low', 'medium', 'high', 'max'] : ['low', 'medium', 'high', 'xhigh', 'max'];
  const allowed = trait === undefined || trait === '' ? byVersion : trait.split(',').map((name) => name.trim());
  switch (effort) {
    case 'minimal':
    case 'low':
    case 'medium':
    case 'high':
    case 'xhigh':
    case 'max':
      return nearestEffort(effort, allowed);
    default:
      return undefined;
  }
}

/** 4.6 of `claude-opus-4-6`, 4 of `claude-sonnet-4-20250514`, 3.7 of `claude-3-7-sonnet-latest`; undefined for names without one. */
export function modelVersion(modelId: string): number | undefined {
  const match =
    /claude-(?:opus|sonnet|haiku)-(\d{1,2})(?!\d)(?:[-.](\d{1,2})(?!\d))?/.exec(modelId) ?? /claude-(\d{1,2})(?!\d)(?:[-.](\d{1,2})(?!\d))?/.exec(modelId);
  return match ? Number(`${match[1]}.${match[2] ?? 0}`) : undefined;
}

/** Models without a version in their name are newer than the last numbered family that took budgets. */
export function thinkingStyleOf(modelId: string): 'budget' | 'adaptive' {
  const version = modelVersion(modelId);
  return version !== undefined && version < 4.6 ? 'budget' : 'adaptive';
}

/** Structured outputs came with Claude 4.5. */
export function structuredOutputOf(modelId: string): 'output_config' | 'tool' {
  const version = modelVersion(modelId);
  return version !== undefined && version < 4.5 ? 'tool' : 'output_config';
}

/** To Claude from 4.6 on the last message has to be the user's. Other models that are served in this dialect go on. */
export function continuesAnswers(modelId: string): boolean {
  return !modelId.includes('claude') || thinkingStyleOf(modelId) === 'budget';
}

/** https://platform.claude.com/docs/en/models/opus-5-5/whats-new-opus-5-5, which names Fable 5.1 too, and sonnet-5-5/whats-new-sonnet-5-5. */
export function takesForcedCalls(modelId: string): boolean {
  return !/claude-(?:(?:fable|mythos)-5[-.][1-9]|(?:opus|sonnet)-5[-.]5)(?!\d)/.test(modelId);
}

/** Of https://platform.claude.com/docs/en/build-with-claude/preserved-thinking/fix-bound-to-a-different-conversation, the supported models. */
export function bindsThinking(modelId: string): boolean {
  return /claude-(?:(?:fable|mythos)-5[-.][1-9]|(?:opus|sonnet|haiku)-5[-.]5)(?!\d)/.test(modelId);
}
