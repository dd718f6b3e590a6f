import type { PriceSchedule, PriceScheduleRecord } from '@switchyard/core';
import type { RoutingEndpoint, RoutingModel } from './routing-table.js';

export type RoutingDecision = { readonly kind: 'plan'; readonly plan: RoutingPlan } | { readonly kind: 'refusal'; readonly refusal: RoutingRefusal };

export interface RoutingPlan {
  /** In the order to try; never empty. */
  readonly candidates: readonly PlanCandidate[];
  /** Every endpoint of the requested models that is not a candidate. */
  readonly excluded: readonly ExcludedEndpoint[];
  readonly strategy: RoutingStrategy;
  /** Names as the client wrote them. */
  readonly modelsRequested: readonly string[];
  readonly warnings: readonly string[];
  readonly tableVersion: bigint;
}

/** How the first candidate was found. */
export type RoutingStrategy = 'lottery' | 'order' | 'sort:price' | 'sort:throughput' | 'sort:latency' | 'sort:exacto' | 'only_choice';

export interface PlanCandidate {
  readonly endpoint: RoutingEndpoint;
  readonly model: RoutingModel;
  /** What an answer names as `model`: slug with the variant, if any. */
  readonly publicModel: string;
  /** In force at accept time. */
  readonly chargeSchedule: PriceSchedule;
  /** In force at accept time, as it crosses the wire. */
  readonly costScheduleRecord: PriceScheduleRecord;
  readonly costSchedule: PriceSchedule;
  /** In force at accept time for the same model of the same provider in its default tier, where this endpoint is of the priority one: providers may answer in it, and charge by it. */
  readonly defaultTier?: TierPrices | undefined;
  readonly deadlines: AttemptDeadlines;
  /** The one request that a half-open breaker lets through: take the breaker's probe before the attempt, else skip it. */
  readonly isProbe: boolean;
  /** One sentence for people. */
  readonly reason: string;
}

export interface TierPrices {
  readonly chargeSchedule: PriceSchedule;
  readonly costScheduleRecord: PriceScheduleRecord;
  readonly costSchedule: PriceSchedule;
}

export interface AttemptDeadlines {
  readonly connectMs: number;
  readonly firstTokenMs: number;
  readonly betweenChunksMs: number;
  /** From the beginning of the request: all its attempts share it. */
  readonly totalMs: number;
}

export interface ExcludedEndpoint {
  readonly endpointId: string;
  readonly modelSlug: string;
  readonly providerName: string;
  readonly tag: string;
  readonly code: ExclusionCode;
  /** One sentence for people. */
  readonly detail: string;
}

/** The first rule that an endpoint failed. `unaffordable` is added by who reserves money; the engine itself does not know balances. */
export type ExclusionCode =
  | 'disabled'
  | 'no_credential'
  | 'no_price'
  | 'wrong_endpoint'
  | 'modality'
  | 'output_modality'
  | 'geo'
  | 'data_policy:zdr'
  | 'data_policy:training'
  | 'allowed_models'
  | 'allowed_providers'
  | 'ignored_providers'
  | 'service_tier'
  | 'quantization'
  | 'distillable'
  | 'max_price'
  | 'context_length'
  | 'max_completion_tokens'
  | 'require_parameters'
  | 'capability'
  | 'allow_fallbacks'
  | 'variant'
  | 'snapshot'
  | 'unaffordable';

/** Why nothing can serve the request, shaped for `error` and `error.availability` of a response. */
export interface RoutingRefusal {
  /** A key of the error table. */
  readonly errorType: 'invalid_request' | 'not_found' | 'permission_denied' | 'context_length_exceeded' | 'max_tokens_exceeded';
  readonly httpStatus: number;
  readonly message: string;
  readonly availability: Availability;
  readonly excluded: readonly ExcludedEndpoint[];
  readonly modelsRequested: readonly string[];
}

/** `error.availability`, field for field as on the wire, which adds `docs_url`. */
export interface Availability {
  readonly code: AvailabilityCode;
  readonly retryable: boolean;
  readonly requested_models: readonly string[];
  readonly retry_after?: number;
  readonly affected_providers?: readonly string[];
  readonly excluded_by?: readonly string[];
  /** Slugs that would work instead. */
  readonly fallback_models?: readonly string[];
  readonly constraint?: { readonly field: string; readonly detail: string };
}

export type AvailabilityCode =
  | 'model_not_found'
  | 'wrong_endpoint'
  | 'no_endpoints'
  | 'model_deprecated'
  | 'model_unavailable_upstream'
  | 'privacy_restricted'
  | 'constraint_filtered'
  | 'free_variant_ended'
  | 'region_restricted'
  | 'capacity_exhausted'
  | 'temporarily_unavailable';
