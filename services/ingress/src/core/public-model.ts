import { INPUT_MODALITIES, SUPPORTED_PARAMETERS, type ModelEndpoints, type PublicEndpoint, type PublicModel } from '@switchyard/api';
import type { analytics, router } from '@switchyard/proto';
import { isOtherTier, type CatalogEntry, type PricedEndpoint } from './catalog-entry.js';
import { publicPricing } from './public-pricing.js';
import { numberOf } from './public-values.js';

/** A catalogue entry in the shape that clients parse; its prices and limits are those of its cheapest endpoint of the default service tier. */
export function publicModel(entry: CatalogEntry, nowMs: number): PublicModel {
  const { model } = entry;
  const top = topOf(entry);
  return {
    id: entry.id,
    canonical_slug: model.permaslug || model.slug,
    name: nameOf(entry),
    created: Number(model.createTimeSeconds),
    description: model.description,
    context_length: largestContext(entry),
    architecture: { ...architecture(entry), tokenizer: model.tokenizer || 'Other', instruct_type: model.instructType || null },
    pricing: publicPricing(top.schedule, nowMs),
    top_provider: {
      context_length: numberOf(top.endpoint.contextLength) ?? numberOf(model.contextLength),
      max_completion_tokens: numberOf(top.endpoint.maxCompletionTokens),
      is_moderated: top.endpoint.isModerated,
    },
    per_request_limits: null,
    supported_parameters: supportedParameters(entry),
    default_parameters: null,
    supported_voices: null,
    hugging_face_id: model.huggingFaceId || null,
    knowledge_cutoff: model.knowledgeCutoff || null,
    expiration_date: model.expireTimeSeconds === undefined ? null : new Date(Number(model.expireTimeSeconds) * 1000).toISOString().slice(0, 10),
    ...(model.supportsReasoning ? { reasoning: { mandatory: model.reasoningMandatory } } : {}),
    links: { details: `/api/v1/models/${entry.id}/endpoints` },
  };
}

/** Body of `/models/{author}/{slug}/endpoints`. Latency and throughput are shown to callers with a key. */
export function publicEndpoints(entry: CatalogEntry, isAuthenticated: boolean, nowMs: number): ModelEndpoints {
  const { model } = entry;
  return {
    id: entry.id,
    name: nameOf(entry),
    created: Number(model.createTimeSeconds),
    description: model.description,
    architecture: { ...architecture(entry), tokenizer: model.tokenizer || 'Other', instruct_type: model.instructType || null },
    endpoints: entry.endpoints.map((priced) => publicEndpoint(entry, priced, isAuthenticated, nowMs)),
  };
}

function publicEndpoint(entry: CatalogEntry, priced: PricedEndpoint, isAuthenticated: boolean, nowMs: number): PublicEndpoint {
  const { endpoint, schedule, statistics } = priced;
  const toolChoice = endpoint.supportsToolChoice;
  return {
    name: `${endpoint.providerName} | ${entry.id}`,
    model_id: entry.id,
    model_name: nameOf(entry),
    context_length: numberOf(endpoint.contextLength) ?? numberOf(entry.model.contextLength) ?? 0,
    pricing: publicPricing(schedule, nowMs),
    provider_name: endpoint.providerName,
    tag: endpoint.tag,
    quantization: endpoint.quantization || 'unknown',
    max_completion_tokens: numberOf(endpoint.maxCompletionTokens),
    max_prompt_tokens: numberOf(endpoint.maxPromptTokens),
    supported_parameters: [...takenParameters(endpoint)],
    supports_implicit_caching: endpoint.supportsImplicitCaching,
    native_tools: {},
    service_tier: isOtherTier(priced) ? endpoint.serviceTier : null,
    supports_diarization: false,
    supports_tool_choice: {
      none: toolChoice?.none ?? false,
      auto: toolChoice?.auto ?? false,
      required: toolChoice?.required ?? false,
      function: toolChoice?.function ?? false,
    },
    status: statusOf(statistics?.last30m),
    uptime_last_5m: uptimeOf(statistics?.last5m),
    uptime_last_30m: uptimeOf(statistics?.last30m),
    uptime_last_1d: uptimeOf(statistics?.last1d),
    latency_last_30m: (isAuthenticated && statistics?.last30m?.firstTokenMs) || null,
    throughput_last_30m: (isAuthenticated && statistics?.last30m?.throughput) || null,
  };
}

/** Percent of attempts that succeeded; null when nothing is known. */
export function uptimeOf(window: analytics.Window | undefined): number | null {
  const total = window ? window.successCount + window.failureCount : 0n;
  return !window || total === 0n ? null : Math.round((Number(window.successCount) / Number(total)) * 100_000) / 1_000;
}

const MIN_JUDGED_ATTEMPTS = 100n;

/** 0: fine, −1: degraded (below 95 %), −2: failing (below 80 %); judged from 100 attempts on. */
function statusOf(window: analytics.Window | undefined): number {
  const uptime = uptimeOf(window);
  if (!window || uptime === null || window.successCount + window.failureCount < MIN_JUDGED_ATTEMPTS) return 0;
  if (uptime >= 95) return 0;
  return uptime >= 80 ? -1 : -2;
}

function topOf(entry: CatalogEntry): PricedEndpoint {
  const top = entry.endpoints[0];
  if (!top) throw new RangeError(`catalogue entry ${entry.id} has no endpoint`);
  return top;
}

function nameOf(entry: CatalogEntry): string {
  return entry.variant === '' ? entry.model.name : `${entry.model.name} (${entry.variant})`;
}

function largestContext(entry: CatalogEntry): number | null {
  const lengths = entry.endpoints.map(({ endpoint }) => numberOf(endpoint.contextLength)).filter((length) => length !== null);
  return lengths.length > 0 ? Math.max(...lengths) : numberOf(entry.model.contextLength);
}

function architecture({ model }: CatalogEntry): { modality: string; input_modalities: string[]; output_modalities: string[] } {
  const input = INPUT_MODALITIES.filter((modality) => model.inputModalities.includes(modality));
  const others = model.inputModalities.filter((modality) => !(INPUT_MODALITIES as readonly string[]).includes(modality));
  const inputs = [...input, ...others];
  return { modality: `${inputs.join('+')}->${model.outputModalities.join('+')}`, input_modalities: inputs, output_modalities: model.outputModalities };
}

/** What at least one endpoint takes, in the order of the vocabulary. */
export function supportedParameters(entry: CatalogEntry): string[] {
  const supported = new Set(entry.endpoints.flatMap(({ endpoint }) => takenParameters(endpoint)));
  return SUPPORTED_PARAMETERS.filter((name) => supported.has(name));
}

/** Where the catalogue names none, everything is passed; of these, embeddings have none. */
function takenParameters({ supportedParameters, outputModalities }: router.Endpoint): readonly string[] {
  return supportedParameters.length > 0 || outputModalities.includes('embeddings') ? supportedParameters : SUPPORTED_PARAMETERS;
}
