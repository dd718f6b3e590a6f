import type { CanonicalChatRequest, JsonObject } from '@switchyard/core';
import type { EndpointFacts } from '../../dialect-manifest.js';
import { askableReasoning, budgetForEffort, nearestEffort, reasoningIntent, type ReasoningIntent } from '../../reasoning-budget.js';

const ASSUMED_OUTPUT_CAP = 65_536;
/** Budgets of the 2.5 family (https://ai.google.dev/gemini-api/docs/thinking): the pro model cannot stop thinking. */
const BUDGETS = { pro: { min: 128, max: 32_768 }, flash: { min: 0, max: 24_576 } };

/** `thinkingConfig`: a level from Gemini 3 on, a token budget before. Undefined when the client said nothing about it. */
export function thinkingConfig(
  request: CanonicalChatRequest,
  endpoint: EndpointFacts,
  style: 'budget' | 'level',
  outputCap: number | undefined,
  warnings: string[],
): JsonObject | undefined {
  const reasoning = askableReasoning(request.reasoning, endpoint, warnings);
  const intent = reasoningIntent(reasoning);
  // These models think by themselves, yet show it only when told to. One that may not think at all could refuse that.
  if (intent.kind === 'unsaid')
    return reasoning && reasoning.exclude !== true && endpoint.supportedParameters.length > 0 ? { includeThoughts: true } : undefined;
  const includeThoughts = intent.kind === 'on' && request.reasoning?.exclude !== true;
  const amount =
    style === 'level'
      ? levelOf(intent, endpoint, warnings)
      : budgetOf(intent, endpoint, outputCap ?? endpoint.maxCompletionTokens ?? ASSUMED_OUTPUT_CAP, warnings);
  return { ...amount, ...(includeThoughts ? { includeThoughts } : {}) };
}

function levelOf(intent: Exclude<ReasoningIntent, { kind: 'unsaid' }>, endpoint: EndpointFacts, warnings: string[]): JsonObject {
  const trait = endpoint.traits['reasoning_efforts'];
  const levels = trait === undefined || trait === '' ? levelsOf(endpoint.providerModelId) : trait.split(',').map((name) => name.trim());
  if (intent.kind === 'off') {
    warnings.push(`reasoning: the model cannot switch it off; its lowest level, ${levels[0]}, was asked for.`);
    return { thinkingLevel: levels[0] ?? 'low' };
  }
  // The API still takes a budget here, and refuses both together.
  if (intent.maxTokens !== undefined) return { thinkingBudget: intent.maxTokens };
  return { thinkingLevel: nearestEffort(intent.effort ?? 'medium', levels) ?? 'high' };
}

function levelsOf(modelId: string): string[] {
  if (/gemini-3-pro/.test(modelId)) return ['low', 'high'];
  return /pro/.test(modelId) ? ['low', 'medium', 'high'] : ['minimal', 'low', 'medium', 'high'];
}

function budgetOf(intent: Exclude<ReasoningIntent, { kind: 'unsaid' }>, endpoint: EndpointFacts, outputCap: number, warnings: string[]): JsonObject {
  const limits = endpoint.providerModelId.includes('pro') ? BUDGETS.pro : BUDGETS.flash;
  if (intent.kind === 'off') {
    if (limits.min > 0) warnings.push(`reasoning: the model cannot switch it off; its smallest budget, ${limits.min}, was asked for.`);
    return { thinkingBudget: limits.min };
  }
  const wanted = intent.maxTokens ?? budgetForEffort(intent.effort ?? 'medium', outputCap);
  return { thinkingBudget: Math.min(Math.max(wanted, limits.min), limits.max) };
}

export function thinkingStyleOf(modelId: string): 'budget' | 'level' {
  return isBeforeGemini3(modelId) ? 'budget' : 'level';
}

export function isBeforeGemini3(modelId: string): boolean {
  return /gemini-(1|2)(\.|-|$)/.test(modelId);
}
