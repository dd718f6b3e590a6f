import { usdToPico, type Clock, type RandomSource } from '@switchyard/core';
import {
  applyTableUpdate,
  CircuitBreakers,
  decide,
  EMPTY_ROUTING_TABLE,
  type EndpointRecord,
  type ModelRecord,
  type RoutingRequest,
  type RoutingTable,
} from '@switchyard/routing';

/** How long a decision takes over a table of 5,000 endpoints, as a process of its own: prints one line of JSON. */
const ENDPOINTS = 5_000;
const WARM_UP_DECISIONS = 60_000;
const DECISIONS = 60_000;
const SHAPES = [5, 20];
const PARAMETERS = ['temperature', 'top_p', 'max_tokens', 'stop', 'tools', 'tool_choice', 'response_format', 'structured_outputs'];

const clock: Clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
const random: RandomSource = { nextFloat: () => Math.random(), bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) };

export interface DecisionFigures {
  readonly endpointsPerModel: number;
  /** Microseconds. */
  readonly meanMicros: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
}

function measure(endpointsPerModel: number): DecisionFigures {
  const modelCount = ENDPOINTS / endpointsPerModel;
  const table = tableOf(modelCount, endpointsPerModel);
  const policy = { breakers: new CircuitBreakers() };
  const once = (index: number) => decide(table, chatRequest(`acme/model-${(index * 389) % modelCount}`), policy, clock, random);
  for (let index = 0; index < WARM_UP_DECISIONS; index++) if (once(index).kind !== 'plan') throw new Error('no endpoint was found');
  const micros = new Float64Array(DECISIONS);
  for (let index = 0; index < DECISIONS; index++) {
    const startMs = performance.now();
    once(index);
    micros[index] = (performance.now() - startMs) * 1_000;
  }
  const sorted = micros.sort();
  const meanMicros = sorted.reduce((sum, value) => sum + value, 0) / DECISIONS;
  return { endpointsPerModel, meanMicros, p50Micros: sorted[DECISIONS / 2]!, p99Micros: sorted[Math.floor(DECISIONS * 0.99)]! };
}

function tableOf(modelCount: number, endpointsPerModel: number): RoutingTable {
  const slugs = Array.from({ length: modelCount }, (_, index) => `acme/model-${index}`);
  const providers = Array.from({ length: endpointsPerModel }, (_, index) => `provider-${index}`);
  const endpoints = slugs.flatMap((slug) => providers.map((provider, index) => endpointRecord(slug, provider, index + 1)));
  const window = { successCount: 1_000n, failureCount: 3n, rateLimitedCount: 1n };
  return applyTableUpdate(EMPTY_ROUTING_TABLE, {
    version: 1n,
    isSnapshot: true,
    models: slugs.map(modelRecord),
    endpoints,
    removedModelSlugs: [],
    removedEndpointIds: [],
    statistics: endpoints.map(({ endpointId }) => ({
      endpointId,
      last5m: window,
      last30m: window,
      last1d: window,
      recentFailureCount: 0n,
      recentRequestCount: 100n,
    })),
    serverTimeMs: BigInt(Date.now()),
    providers: providers.map((slug) => ({
      slug,
      name: slug,
      privacyPolicyUrl: '',
      termsOfServiceUrl: '',
      statusPageUrl: '',
      headquarters: '',
      datacenters: [],
      otelProviderName: '',
    })),
  });
}

function modelRecord(slug: string): ModelRecord {
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
  };
}

function endpointRecord(modelSlug: string, providerSlug: string, priceUsd: number): EndpointRecord {
  const pricePico = usdToPico(String(priceUsd)) / 1_000_000n;
  const ratesPico = { input_uncached: pricePico, output_text: 2n * pricePico };
  const schedule = { startTimeMs: 0n, schedule: { revision: `r-${priceUsd}`, ratesPico, overrides: [], discountMillionths: 0 } };
  return {
    endpointId: `${modelSlug}@${providerSlug}`,
    modelSlug,
    variant: '',
    providerSlug,
    providerName: providerSlug,
    tag: providerSlug,
    providerModelId: modelSlug,
    baseUrl: '',
    contextLength: 128_000n,
    maxCompletionTokens: 16_000n,
    quantization: 'unknown',
    supportedParameters: PARAMETERS,
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
  };
}

function chatRequest(model: string): RoutingRequest {
  return {
    model,
    apiType: 'chat',
    stream: true,
    parameters: ['temperature', 'max_tokens'],
    uses: { tools: false, verbosity: false, reasoning: false, images: false, audio: false, files: false, video: false, outputModalities: [] },
    promptTokensEstimate: 100,
    maxOutputTokens: 200,
  };
}

console.log(JSON.stringify(SHAPES.map(measure)));
