import { picoToUsd, rateOf, ratesInForce } from '@switchyard/core';
import type { PlanCandidate, RoutingDecision, RoutingPlan, RoutingRefusal } from './routing-plan.js';

/** What conditional prices depend on. */
export interface PriceConditions {
  readonly promptTokensEstimate: number;
  /** Unix milliseconds. */
  readonly acceptTimeMs: number;
}

/** A decision as JSON for people and their tools. Field names are those of the public API; prices are those of a request of this size and time. */
export function explainDecision(decision: RoutingDecision, conditions: PriceConditions): Record<string, unknown> {
  return decision.kind === 'plan' ? explainPlan(decision.plan, conditions) : explainRefusal(decision.refusal);
}

function explainPlan(plan: RoutingPlan, conditions: PriceConditions): Record<string, unknown> {
  return {
    decision: 'plan',
    requested_models: plan.modelsRequested,
    strategy: plan.strategy,
    candidates: plan.candidates.map((candidate) => explainCandidate(candidate, conditions)),
    excluded: explainExcluded(plan.excluded),
    warnings: plan.warnings,
  };
}

function explainCandidate(candidate: PlanCandidate, { promptTokensEstimate, acceptTimeMs }: PriceConditions): Record<string, unknown> {
  const { discountMillionths, revision } = candidate.chargeSchedule;
  const rates = ratesInForce(candidate.chargeSchedule, promptTokensEstimate, acceptTimeMs);
  const usd = (ratePico: bigint | undefined): string | null => (ratePico === undefined ? null : picoToUsd(ratePico));
  return {
    endpoint_id: candidate.endpoint.endpointId,
    model: candidate.publicModel,
    provider_name: candidate.endpoint.providerName,
    tag: candidate.endpoint.tag,
    pricing: {
      prompt: usd(rateOf(rates, 'input_uncached')),
      completion: usd(rateOf(rates, 'output_text')),
      ...(discountMillionths === 0 ? {} : { discount: discountMillionths / 1_000_000 }),
      revision,
    },
    deadlines_ms: {
      connect: candidate.deadlines.connectMs,
      first_token: candidate.deadlines.firstTokenMs,
      between_chunks: candidate.deadlines.betweenChunksMs,
      total: candidate.deadlines.totalMs,
    },
    is_probe: candidate.isProbe,
    reason: candidate.reason,
  };
}

function explainRefusal(refusal: RoutingRefusal): Record<string, unknown> {
  return {
    decision: 'refusal',
    requested_models: refusal.modelsRequested,
    error: { code: refusal.httpStatus, message: refusal.message, error_type: refusal.errorType, availability: refusal.availability },
    excluded: explainExcluded(refusal.excluded),
  };
}

function explainExcluded(excluded: RoutingPlan['excluded']): Record<string, unknown>[] {
  return excluded.map((endpoint) => ({
    endpoint_id: endpoint.endpointId,
    model: endpoint.modelSlug,
    provider_name: endpoint.providerName,
    tag: endpoint.tag,
    code: endpoint.code,
    detail: endpoint.detail,
  }));
}
