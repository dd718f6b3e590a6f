import { REASONING_EFFORTS, type ReasoningEffort, type ReasoningRequest } from '@switchyard/core';
import type { EndpointFacts } from './dialect-manifest.js';

/** Share of the output cap that an effort may spend on thinking, as OpenRouter documents it for budget-style models. */
const BUDGET_RATIOS: Readonly<Record<Exclude<ReasoningEffort, 'none'>, number>> = { minimal: 0.1, low: 0.2, medium: 0.5, high: 0.8, xhigh: 0.95, max: 0.95 };
const MIN_BUDGET_TOKENS = 1024;
const MAX_BUDGET_TOKENS = 128_000;

/** Names under which a catalogue lists that an endpoint reasons. */
const LISTED_AS = ['reasoning', 'reasoning_effort', 'include_reasoning'];

/** What may be asked of the endpoint: nothing, where it lists what it takes and reasoning is not among it. */
export function askableReasoning(
  reasoning: ReasoningRequest | undefined,
  { supportedParameters }: EndpointFacts,
  warnings: string[],
): ReasoningRequest | undefined {
  if (supportedParameters.length === 0 || LISTED_AS.some((name) => supportedParameters.includes(name))) return reasoning;
  if (reasoningIntent(reasoning).kind === 'on') warnings.push('reasoning: this endpoint does not take it; it was dropped.');
  return undefined;
}

/** What the client wants, once the ways to say it are boiled down. */
export type ReasoningIntent =
  | { readonly kind: 'unsaid' }
  | { readonly kind: 'off' }
  | { readonly kind: 'on'; readonly effort?: Exclude<ReasoningEffort, 'none'> | undefined; readonly maxTokens?: number | undefined };

/** `exclude` alone says nothing about whether to think. */
export function reasoningIntent(reasoning: ReasoningRequest | undefined): ReasoningIntent {
  if (!reasoning) return { kind: 'unsaid' };
  if (reasoning.effort === 'none' || reasoning.enabled === false || reasoning.maxTokens === 0) return { kind: 'off' };
  if (reasoning.effort !== undefined) return { kind: 'on', effort: reasoning.effort };
  if (reasoning.maxTokens !== undefined) return { kind: 'on', maxTokens: reasoning.maxTokens };
  return reasoning.enabled === true || reasoning.summary !== undefined ? { kind: 'on' } : { kind: 'unsaid' };
}

/** Thinking tokens for an effort: clamp(outputCap × ratio, 1024, 128 000). */
export function budgetForEffort(effort: Exclude<ReasoningEffort, 'none'>, outputCap: number): number {
  return clampBudget(Math.floor(outputCap * BUDGET_RATIOS[effort]));
}

export function clampBudget(tokens: number): number {
  return Math.min(Math.max(Math.floor(tokens), MIN_BUDGET_TOKENS), MAX_BUDGET_TOKENS);
}

/** The effort whose share of the output cap is nearest to an explicit budget. */
export function effortForBudget(maxTokens: number, outputCap: number): Exclude<ReasoningEffort, 'none'> {
  const share = maxTokens / Math.max(outputCap, 1);
  if (share <= 0.15) return 'minimal';
  if (share <= 0.35) return 'low';
  if (share <= 0.65) return 'medium';
  return share <= 0.9 ? 'high' : 'xhigh';
}

/** The nearest of the efforts that a model takes; ties go to the stronger. Undefined when it takes none. */
export function nearestEffort(effort: ReasoningEffort, allowed: readonly string[]): ReasoningEffort | undefined {
  const wanted = REASONING_EFFORTS.indexOf(effort);
  let best: ReasoningEffort | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const [index, candidate] of REASONING_EFFORTS.entries()) {
    if (candidate === 'none' || !allowed.includes(candidate)) continue;
    const distance = Math.abs(index - wanted);
    if (distance <= bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}
