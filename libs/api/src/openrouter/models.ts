import { z } from 'zod';
import { pageLimit, pageOffset, queryCount, queryFlag, queryList, queryNumber } from './query-parameters.js';

/** USD as plain decimal text. */
const price = z.string();
const count = z.int().nonnegative();

const UTC_DAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'] as const;
export type UtcDay = (typeof UTC_DAYS)[number];
/** Position = day number of `Date.getUTCDay()`. */
export const UTC_DAY_NAMES: readonly UtcDay[] = UTC_DAYS;

/** Prices under conditions; what an entry leaves out keeps its base price, later matching entries win per key. */
const pricingOverrideSchema = z.object({
  /** Applies to the whole request when its prompt has strictly more tokens. */
  min_prompt_tokens: z.number().optional(),
  /** HHMM numbers (400 = 04:00), half-open; may wrap midnight. */
  utc_start: z.number().optional(),
  utc_end: z.number().optional(),
  utc_days: z.array(z.enum(UTC_DAYS)).optional(),
  prompt: price.optional(),
  completion: price.optional(),
  audio: price.optional(),
  input_audio_cache: price.optional(),
  input_cache_read: price.optional(),
  input_cache_write: price.optional(),
  input_cache_write_1h: price.optional(),
});
export type PublicPricingOverride = z.infer<typeof pricingOverrideSchema>;

/** USD per token; `request`, `image` and `web_search` per call, image and search. */
const pricingSchema = z.object({
  prompt: price,
  completion: price,
  request: price.optional(),
  image: price.optional(),
  image_token: price.optional(),
  image_output: price.optional(),
  audio: price.optional(),
  audio_output: price.optional(),
  input_audio_cache: price.optional(),
  web_search: price.optional(),
  internal_reasoning: price.optional(),
  input_cache_read: price.optional(),
  input_cache_write: price.optional(),
  input_cache_write_1h: price.optional(),
  /** Share taken off, 0 … 1. */
  discount: z.number().optional(),
  overrides: z.array(pricingOverrideSchema).optional(),
});
export type PublicPricing = z.infer<typeof pricingSchema>;

const architectureShape = { modality: z.string().nullable(), input_modalities: z.array(z.string()), output_modalities: z.array(z.string()) };

const modelSchema = z.object({
  id: z.string(),
  canonical_slug: z.string(),
  name: z.string(),
  /** Unix seconds. */
  created: z.int(),
  description: z.string().optional(),
  context_length: count.nullable(),
  architecture: z.object({ ...architectureShape, tokenizer: z.string().optional(), instruct_type: z.string().nullish() }),
  pricing: pricingSchema,
  top_provider: z.object({ context_length: count.nullish(), max_completion_tokens: count.nullish(), is_moderated: z.boolean() }),
  per_request_limits: z.object({ prompt_tokens: z.number(), completion_tokens: z.number() }).nullable(),
  supported_parameters: z.array(z.string()),
  default_parameters: z.record(z.string(), z.number().nullable()).nullable(),
  supported_voices: z.array(z.string()).nullable(),
  hugging_face_id: z.string().nullish(),
  knowledge_cutoff: z.string().nullish(),
  expiration_date: z.string().nullish(),
  reasoning: z.object({ mandatory: z.boolean(), default_enabled: z.boolean().optional() }).optional(),
  alias_target: z.object({ name: z.string(), slug: z.string() }).optional(),
  links: z.object({ details: z.string() }),
});
export type PublicModel = z.infer<typeof modelSchema>;

export const modelsResponseSchema = z.object({ data: z.array(modelSchema), total_count: count, links: z.object({ next: z.string().nullable() }) });
export const modelResponseSchema = z.object({ data: modelSchema });
/** OpenAI's shape of one model, with all that the list says of it: https://platform.openai.com/docs/api-reference/models/object */
export const retrievedModelSchema = modelSchema.extend({ object: z.literal('model'), owned_by: z.string() });
export type RetrievedModel = z.infer<typeof retrievedModelSchema>;
export const modelsCountResponseSchema = z.object({ data: z.object({ count }) });

const percentiles = z.object({ p50: z.number(), p75: z.number(), p90: z.number(), p99: z.number() });

const endpointSchema = z.object({
  name: z.string(),
  model_id: z.string(),
  model_name: z.string(),
  context_length: count,
  pricing: pricingSchema,
  provider_name: z.string(),
  tag: z.string(),
  quantization: z.string().nullable(),
  max_completion_tokens: count.nullable(),
  max_prompt_tokens: count.nullable(),
  supported_parameters: z.array(z.string()),
  supports_implicit_caching: z.boolean(),
  /** Always empty: no provider's own tools are run. */
  native_tools: z.record(z.string(), z.object({ type: z.string() })),
  /** The tier that the endpoint sells, such as `flex`; null: the usual one. */
  service_tier: z.string().nullable(),
  /** Always false: speech is not transcribed. */
  supports_diarization: z.boolean(),
  supports_tool_choice: z.object({ none: z.boolean(), auto: z.boolean(), required: z.boolean(), function: z.boolean() }),
  status: z.int().optional(),
  /** Percent of requests that succeeded; rate limits and refusals of the request itself are left out. */
  uptime_last_5m: z.number().nullable(),
  uptime_last_30m: z.number().nullable(),
  uptime_last_1d: z.number().nullable(),
  /** Milliseconds to the first token; null without a key. */
  latency_last_30m: percentiles.nullable(),
  /** Output tokens per second; null without a key. */
  throughput_last_30m: percentiles.nullable(),
});
export type PublicEndpoint = z.infer<typeof endpointSchema>;

export const modelEndpointsResponseSchema = z.object({
  data: z.object({
    id: z.string(),
    name: z.string(),
    created: z.int(),
    description: z.string(),
    architecture: z.object({ ...architectureShape, tokenizer: z.string().nullable(), instruct_type: z.string().nullable() }),
    endpoints: z.array(endpointSchema),
  }),
});
export type ModelEndpoints = z.infer<typeof modelEndpointsResponseSchema>['data'];

const MODEL_SORTS = [
  'most-popular',
  'newest',
  'top-weekly',
  'pricing-low-to-high',
  'pricing-high-to-low',
  'context-high-to-low',
  'throughput-high-to-low',
  'latency-low-to-high',
  'intelligence-high-to-low',
  'coding-high-to-low',
  'agentic-high-to-low',
  'design-arena-elo-high-to-low',
] as const;

const MODEL_CATEGORIES = [
  'programming',
  'roleplay',
  'marketing',
  'marketing/seo',
  'technology',
  'science',
  'translation',
  'legal',
  'finance',
  'health',
  'trivia',
  'academia',
] as const;

/** Query of `GET /models`. Prices in USD per million tokens. */
export const modelsQuerySchema = z.object({
  category: z.enum(MODEL_CATEGORIES).optional(),
  supported_parameters: queryList.optional(),
  input_modalities: queryList.optional(),
  /** `text` when absent; `all` for every model. */
  output_modalities: queryList.optional(),
  sort: z.enum(MODEL_SORTS).optional(),
  q: z.string().max(200).optional(),
  context: queryCount.optional(),
  min_price: queryNumber.optional(),
  max_price: queryNumber.optional(),
  min_output_price: queryNumber.optional(),
  max_output_price: queryNumber.optional(),
  arch: z.string().max(100).optional(),
  model_authors: queryList.optional(),
  providers: queryList.optional(),
  distillable: queryFlag.optional(),
  zdr: queryFlag.optional(),
  region: z.enum(['eu', 'us']).optional(),
  min_age_days: queryCount.optional(),
  max_age_days: queryCount.optional(),
  min_intelligence_index: queryNumber.optional(),
  max_intelligence_index: queryNumber.optional(),
  min_coding_index: queryNumber.optional(),
  max_coding_index: queryNumber.optional(),
  min_agentic_index: queryNumber.optional(),
  max_agentic_index: queryNumber.optional(),
  min_tool_success_rate: queryNumber.optional(),
  max_tool_success_rate: queryNumber.optional(),
  offset: pageOffset.optional(),
  limit: pageLimit(1_000).optional(),
});
export type ModelsQuery = z.infer<typeof modelsQuerySchema>;

/** Query of `GET /models/count`. */
export const modelsCountQuerySchema = modelsQuerySchema.omit({ offset: true, limit: true, sort: true });
