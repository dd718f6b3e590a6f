import { z } from 'zod';
import { pageLimit, queryTime } from './query-parameters.js';

const count = z.int().nullable();

const providerResponseSchema = z.object({
  status: z.int().nullable(),
  endpoint_id: z.string().optional(),
  id: z.string().optional(),
  is_byok: z.boolean().optional(),
  /** Milliseconds. */
  latency: z.number().optional(),
  model_permaslug: z.string().optional(),
  provider_name: z.string().optional(),
});

/** The accounting record of one request. Money in USD, times in milliseconds. */
export const generationSchema = z.object({
  id: z.string(),
  upstream_id: z.string().nullable(),
  total_cost: z.number(),
  usage: z.number(),
  cache_discount: z.number().nullable(),
  upstream_inference_cost: z.number().nullable(),
  created_at: z.string(),
  model: z.string(),
  app_id: count,
  streamed: z.boolean().nullable(),
  cancelled: z.boolean().nullable(),
  provider_name: z.string().nullable(),
  latency: z.number().nullable(),
  moderation_latency: z.number().nullable(),
  generation_time: z.number().nullable(),
  finish_reason: z.string().nullable(),
  native_finish_reason: z.string().nullable(),
  tokens_prompt: count,
  tokens_completion: count,
  native_tokens_prompt: count,
  native_tokens_completion: count,
  native_tokens_completion_images: count,
  native_tokens_reasoning: count,
  native_tokens_cached: count,
  num_media_prompt: count,
  num_input_audio_prompt: count,
  num_media_completion: count,
  num_search_results: count,
  num_fetches: count,
  origin: z.string(),
  is_byok: z.boolean(),
  data_region: z.enum(['global', 'europe', 'us']),
  http_referer: z.string().nullable(),
  user_agent: z.string().nullable(),
  api_type: z.string().nullable(),
  router: z.string().nullable(),
  preset_id: z.string().nullable(),
  external_user: z.string().nullable(),
  service_tier: z.string().nullable(),
  web_search_engine: z.string().nullable(),
  workspace_id: z.string().nullable(),
  provider_responses: z.array(providerResponseSchema).nullable(),
  session_id: z.string().nullish(),
  request_id: z.string().nullish(),
  response_cache_source_id: z.string().nullish(),
  /** Beyond OpenRouter: */
  status: z.enum(['completed', 'client_aborted', 'upstream_failed', 'gateway_failed']),
  error_type: z.string().nullable(),
  api_key_hash: z.string(),
  app_title: z.string().nullable(),
  app_categories: z.array(z.string()),
  metadata: z.record(z.string(), z.string()),
  trace: z.record(z.string(), z.unknown()).nullable(),
  /** `usage_estimated`, `delivery_unconfirmed`, `underestimated`, `late`. */
  flags: z.array(z.string()),
});
export type PublicGeneration = z.infer<typeof generationSchema>;

export const generationQuerySchema = z.object({ id: z.string().min(1).max(200) });
export const generationResponseSchema = z.object({ data: generationSchema });

/** Query of `GET /logs`: every filter narrows, so names that nobody knows are refused; newest first. */
export const logsQuerySchema = z.strictObject({
  key: z.string().max(64).optional(),
  model: z.string().max(256).optional(),
  /** Slug of the provider that answered. */
  provider: z.string().max(200).optional(),
  /** Referer or title of the app. */
  app: z.string().max(2_048).optional(),
  user: z.string().max(1_024).optional(),
  session_id: z.string().max(256).optional(),
  status: z.enum(['completed', 'client_aborted', 'upstream_failed', 'gateway_failed']).optional(),
  /** Inclusive. */
  start: queryTime.optional(),
  /** Exclusive. */
  end: queryTime.optional(),
  cursor: z.string().max(512).optional(),
  limit: pageLimit(1_000).optional(),
  format: z.enum(['json', 'csv']).optional(),
});
export const logsResponseSchema = z.object({ data: z.array(generationSchema), next_cursor: z.string().nullable() });
