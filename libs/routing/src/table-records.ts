import type { PriceScheduleRecord } from '@switchyard/core';

/**
 * What a routing table message carries. Structurally the messages of `switchyard.router.v1` and
 * `switchyard.analytics.v1`, so that a decoded message is passed as it is; declared here because the engine depends on
 * nothing but the vocabulary.
 */
export interface TableUpdate {
  readonly version: bigint;
  readonly isSnapshot: boolean;
  readonly models: readonly ModelRecord[];
  readonly endpoints: readonly EndpointRecord[];
  readonly removedModelSlugs: readonly string[];
  readonly removedEndpointIds: readonly string[];
  readonly statistics: readonly EndpointStatisticsRecord[];
  /** Of its statistics, where it has some. */
  readonly serverTimeMs: bigint;
  readonly providers: readonly ProviderRecord[];
}

export interface ModelRecord {
  slug: string;
  permaslug: string;
  name: string;
  createTimeSeconds: bigint;
  description: string;
  contextLength?: bigint | undefined;
  inputModalities: string[];
  outputModalities: string[];
  tokenizer: string;
  instructType: string;
  aliases: string[];
  huggingFaceId: string;
  knowledgeCutoff: string;
  expireTimeSeconds?: bigint | undefined;
  reasoningMandatory: boolean;
  supportsReasoning: boolean;
  isDistillable: boolean;
  successorSlug: string;
  freeVariantEnded: boolean;
  family: string;
}

export interface EndpointRecord {
  endpointId: string;
  modelSlug: string;
  variant: string;
  providerSlug: string;
  providerName: string;
  tag: string;
  providerModelId: string;
  baseUrl: string;
  contextLength?: bigint | undefined;
  maxCompletionTokens?: bigint | undefined;
  maxPromptTokens?: bigint | undefined;
  quantization: string;
  supportedParameters: string[];
  inputModalities: string[];
  outputModalities: string[];
  chargeSchedules: DatedPriceScheduleRecord[];
  costSchedules: DatedPriceScheduleRecord[];
  dataPolicy: { mayTrain: boolean; retains: boolean; zdr: boolean } | undefined;
  region: string;
  serviceTier: string;
  supportsImplicitCaching: boolean;
  supportsToolChoice: { none: boolean; auto: boolean; required: boolean; function: boolean } | undefined;
  disabled: boolean;
  isModerated: boolean;
  traits: { [key: string]: string };
  hasCredential: boolean;
  /** By the day in their names, as its maker writes it (`2024-11-20`): the id to ask for the model's snapshot of that day by. */
  snapshots: { [day: string]: string };
}

export interface DatedPriceScheduleRecord {
  startTimeMs: bigint;
  schedule: PriceScheduleRecord | undefined;
}

export interface ProviderRecord {
  slug: string;
  name: string;
  privacyPolicyUrl: string;
  termsOfServiceUrl: string;
  statusPageUrl: string;
  headquarters: string;
  datacenters: string[];
  otelProviderName: string;
}

export interface EndpointStatisticsRecord {
  endpointId: string;
  last5m: WindowRecord | undefined;
  last30m: WindowRecord | undefined;
  last1d: WindowRecord | undefined;
  recentFailureCount: bigint;
  recentRequestCount: bigint;
}

export interface WindowRecord {
  successCount: bigint;
  failureCount: bigint;
  rateLimitedCount: bigint;
  /** Milliseconds. */
  firstTokenMs?: PercentilesRecord | undefined;
  /** Output tokens per second. */
  throughput?: PercentilesRecord | undefined;
}

export interface PercentilesRecord {
  p50: number;
  p75: number;
  p90: number;
  p99: number;
}
