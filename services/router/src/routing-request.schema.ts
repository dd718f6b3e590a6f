import { API_TYPES } from '@switchyard/core';
import { SwitchyardError } from '@switchyard/errors';
import type { RoutingPolicy, RoutingRequest } from '@switchyard/routing';
import { z } from 'zod';

const names = z.array(z.string().max(256)).max(1_000);
const cutoffs = z.union([
  z.number(),
  z.object({ p50: z.number().optional(), p75: z.number().optional(), p90: z.number().optional(), p99: z.number().optional() }),
]);
const sortMetric = z.enum(['price', 'throughput', 'latency', 'exacto']);
const priceLimit = z.union([z.number(), z.string()]).optional();

const breakerState = z.object({
  phase: z.enum(['closed', 'open', 'half_open']),
  isFailing: z.boolean(),
  mayProbe: z.boolean(),
  openUntilMs: z.number().nonnegative(),
  failureCount: z.number().nonnegative(),
});

const milliseconds = z.number().nonnegative().exactOptional();
const deadlines = z.object({
  connectMs: milliseconds,
  firstTokenUnknownMs: milliseconds,
  firstTokenMinMs: milliseconds,
  firstTokenMaxMs: milliseconds,
  firstTokenFactor: z.number().positive().exactOptional(),
  betweenChunksMs: milliseconds,
  totalMs: milliseconds,
});

const requestSchema = z.object({
  model: z.string().max(512).optional(),
  models: names.optional(),
  provider: z
    .object({
      order: names.optional(),
      only: names.optional(),
      ignore: names.optional(),
      allow_fallbacks: z.boolean().optional(),
      require_parameters: z.boolean().optional(),
      data_collection: z.enum(['allow', 'deny']).optional(),
      zdr: z.boolean().optional(),
      enforce_distillable_text: z.boolean().optional(),
      quantizations: names.optional(),
      sort: z.union([sortMetric, z.object({ by: sortMetric.optional(), partition: z.enum(['model', 'none']).optional() })]).optional(),
      preferred_min_throughput: cutoffs.optional(),
      preferred_max_latency: cutoffs.optional(),
      max_price: z.object({ prompt: priceLimit, completion: priceLimit, request: priceLimit, image: priceLimit, audio: priceLimit }).optional(),
    })
    .optional(),
  route: z.string().optional(),
  apiType: z.enum(API_TYPES),
  stream: z.boolean(),
  parameters: names,
  uses: z.object({
    tools: z.boolean(),
    responseFormat: z.string().optional(),
    verbosity: z.boolean(),
    reasoning: z.boolean(),
    forbidsReasoning: z.boolean().optional(),
    images: z.boolean(),
    audio: z.boolean(),
    files: z.boolean(),
    video: z.boolean(),
    outputModalities: names,
  }),
  promptTokensEstimate: z.number().nonnegative(),
  promptTokensLeast: z.number().nonnegative().optional(),
  maxOutputTokens: z.number().nonnegative().optional(),
  serviceTier: z.string().optional(),
  /** What the asking key and account add, how long attempts of the asking ingress may take, and what it has seen of the endpoints. */
  policy: z
    .object({
      allowedProviders: names.optional(),
      ignoredProviders: names.optional(),
      allowedModels: names.optional(),
      zdr: z.boolean().optional(),
      dataCollection: z.enum(['allow', 'deny']).optional(),
      allowedRegions: names.optional(),
      deadlines: deadlines.optional(),
      breakers: z.record(z.string().max(512), breakerState).optional(),
    })
    .optional(),
});

/** @throws SwitchyardError `invalid_request` when the text is no routing request. */
export function readRoutingRequest(json: string): { request: RoutingRequest; policy: RoutingPolicy } {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new SwitchyardError('invalid_request', 'The routing request is not JSON.', { cause: error });
  }
  const parsed = requestSchema.safeParse(value);
  if (!parsed.success) throw new SwitchyardError('invalid_request', `The routing request is not valid: ${z.prettifyError(parsed.error)}`);
  const { policy: { breakers, ...policy } = {}, ...request } = parsed.data;
  const states = new Map(Object.entries(breakers ?? {}));
  return { request, policy: breakers ? { ...policy, breakers: { stateOf: (endpointId) => states.get(endpointId) } } : policy };
}
