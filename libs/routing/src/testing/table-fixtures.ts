import { usdToPico, type PriceScheduleRecord } from '@switchyard/core';
import type { RoutingPlan, RoutingRefusal, RoutingDecision } from '../routing-plan.js';
import type { RoutingRequest } from '../routing-request.js';
import { applyTableUpdate, EMPTY_ROUTING_TABLE, type RoutingTable } from '../routing-table.js';
import type { EndpointRecord, EndpointStatisticsRecord, ModelRecord, TableUpdate, WindowRecord } from '../table-records.js';

/** Specs of the decision engine say only what matters to them; the rest is a plain, healthy platform. */
export const START_MS = Date.UTC(2026, 0, 1);

export function modelRecord(slug: string, overrides: Partial<ModelRecord> = {}): ModelRecord {
  return {
    slug,
    permaslug: `${slug}-2026-01-01`,
    name: slug,
    createTimeSeconds: 1_700_000_000n,
    description: '',
    inputModalities: ['text'],
    outputModalities: ['text'],
    tokenizer: '',
    instructType: '',
    aliases: [],
    huggingFaceId: '',
    knowledgeCutoff: '',
    reasoningMandatory: false,
    supportsReasoning: false,
    isDistillable: true,
    successorSlug: '',
    freeVariantEnded: false,
    family: '',
    ...overrides,
  };
}

/** USD per million tokens. */
export function priceRecord(promptUsd: number, completionUsd: number = promptUsd, overrides: Partial<PriceScheduleRecord> = {}): PriceScheduleRecord {
  return {
    revision: `r-${promptUsd}-${completionUsd}`,
    ratesPico: { input_uncached: usdToPico(String(promptUsd)) / 1_000_000n, output_text: usdToPico(String(completionUsd)) / 1_000_000n },
    overrides: [],
    discountMillionths: 0,
    ...overrides,
  };
}

export interface EndpointFixture extends Partial<EndpointRecord> {
  readonly priceUsd?: number;
}

export function endpointRecord(modelSlug: string, tag: string, { priceUsd = 1, ...overrides }: EndpointFixture = {}): EndpointRecord {
  const providerSlug = tag.split('/', 1)[0]!;
  const schedule = { startTimeMs: 0n, schedule: priceRecord(priceUsd) };
  return {
    endpointId: `${modelSlug}@${tag}`,
    modelSlug,
    variant: '',
    providerSlug,
    providerName: providerSlug.toUpperCase(),
    tag,
    providerModelId: `${providerSlug}-${modelSlug.split('/')[1]}`,
    baseUrl: '',
    contextLength: 128_000n,
    maxCompletionTokens: 16_000n,
    quantization: 'unknown',
    supportedParameters: ['temperature', 'top_p', 'max_tokens', 'stop', 'tools', 'tool_choice', 'response_format', 'structured_outputs'],
    inputModalities: ['text', 'image'],
    outputModalities: ['text'],
    chargeSchedules: [schedule],
    costSchedules: [schedule],
    dataPolicy: { mayTrain: false, retains: false, zdr: true },
    region: '',
    serviceTier: 'default',
    supportsImplicitCaching: false,
    supportsToolChoice: { none: true, auto: true, required: true, function: true },
    disabled: false,
    isModerated: false,
    traits: {},
    hasCredential: true,
    snapshots: {},
    ...overrides,
  };
}

export function tableUpdate(models: ModelRecord[], endpoints: EndpointRecord[], overrides: Partial<TableUpdate> = {}): TableUpdate {
  const slugs = [...new Set(endpoints.map((endpoint) => endpoint.providerSlug))];
  return {
    version: 1n,
    isSnapshot: true,
    models,
    endpoints,
    removedModelSlugs: [],
    removedEndpointIds: [],
    statistics: [],
    serverTimeMs: BigInt(START_MS),
    providers: slugs.map((slug) => ({
      slug,
      name: slug.toUpperCase(),
      privacyPolicyUrl: '',
      termsOfServiceUrl: '',
      statusPageUrl: '',
      headquarters: '',
      datacenters: [],
      otelProviderName: '',
    })),
    ...overrides,
  };
}

export function tableOf(models: ModelRecord[], endpoints: EndpointRecord[], statistics: EndpointStatisticsRecord[] = []): RoutingTable {
  return applyTableUpdate(EMPTY_ROUTING_TABLE, tableUpdate(models, endpoints, { statistics }));
}

/** One model `acme/writer` with these endpoints by tag. */
export function writerTable(endpoints: Record<string, EndpointFixture>, statistics: EndpointStatisticsRecord[] = []): RoutingTable {
  return tableOf(
    [modelRecord('acme/writer')],
    Object.entries(endpoints).map(([tag, fixture]) => endpointRecord('acme/writer', tag, fixture)),
    statistics,
  );
}

export function statisticsRecord(
  endpointId: string,
  window: Partial<WindowRecord> = {},
  overrides: Partial<EndpointStatisticsRecord> = {},
): EndpointStatisticsRecord {
  const full: WindowRecord = { successCount: 1_000n, failureCount: 0n, rateLimitedCount: 0n, ...window };
  return { endpointId, last5m: full, last30m: full, last1d: full, recentFailureCount: 0n, recentRequestCount: 100n, ...overrides };
}

/** The same value at every percentile. */
export function flat(value: number): { p50: number; p75: number; p90: number; p99: number } {
  return { p50: value, p75: value, p90: value, p99: value };
}

export function chatRequest(overrides: Partial<RoutingRequest> = {}): RoutingRequest {
  return {
    model: 'acme/writer',
    apiType: 'chat',
    stream: true,
    parameters: [],
    uses: { tools: false, verbosity: false, reasoning: false, images: false, audio: false, files: false, video: false, outputModalities: [] },
    promptTokensEstimate: 100,
    ...overrides,
  };
}

export function planOf(decision: RoutingDecision): RoutingPlan {
  if (decision.kind !== 'plan') throw new Error(`refused: ${decision.refusal.message}`);
  return decision.plan;
}

export function refusalOf(decision: RoutingDecision): RoutingRefusal {
  if (decision.kind !== 'refusal') throw new Error('not refused');
  return decision.refusal;
}

export function tagsOf(decision: RoutingDecision): string[] {
  return planOf(decision).candidates.map((candidate) => candidate.endpoint.tag);
}
