import type { Clock, RandomSource } from '@switchyard/core';
import { applyTableUpdate, CircuitBreakers, decide, EMPTY_ROUTING_TABLE, type RoutingRequest, type RoutingTable } from '@switchyard/routing';
import { endpointRecord, modelRecord, tableUpdate } from '@switchyard/routing/testing';

/** How long a decision takes over a table of 5,000 endpoints, as a process of its own: prints one line of JSON. */
const ENDPOINTS = 5_000;
const WARM_UP_DECISIONS = 60_000;
const DECISIONS = 60_000;
const SHAPES = [5, 20];

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
  const endpoints = slugs.flatMap((slug) => providers.map((provider, index) => endpointRecord(slug, provider, { priceUsd: index + 1 })));
  const window = { successCount: 1_000n, failureCount: 3n, rateLimitedCount: 1n };
  const statistics = endpoints.map(({ endpointId }) => ({
    endpointId,
    last5m: window,
    last30m: window,
    last1d: window,
    recentFailureCount: 0n,
    recentRequestCount: 100n,
  }));
  const models = slugs.map((slug) => modelRecord(slug));
  return applyTableUpdate(EMPTY_ROUTING_TABLE, tableUpdate(models, endpoints, { statistics, serverTimeMs: BigInt(Date.now()) }));
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
