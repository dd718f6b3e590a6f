import { z } from 'zod';
import { PUBLIC_ERROR_TYPES } from '../openrouter/error-envelope.js';

const count = z.int().nonnegative();

const costDetailsSchema = z.object({
  upstream_inference_cost: z.number().nullish(),
  upstream_inference_prompt_cost: z.number(),
  upstream_inference_completions_cost: z.number(),
});

/** Tokens are counted by the provider; `cost` is what the account is charged, in USD. */
const usageSchema = z.object({
  prompt_tokens: count,
  completion_tokens: count,
  total_tokens: count,
  cost: z.number().optional(),
  is_byok: z.boolean().optional(),
  cost_details: costDetailsSchema.optional(),
  prompt_tokens_details: z
    .object({ cached_tokens: count.optional(), cache_write_tokens: count.optional(), audio_tokens: count.optional(), video_tokens: count.optional() })
    .optional(),
  completion_tokens_details: z.object({ reasoning_tokens: count.nullish(), audio_tokens: count.nullish(), image_tokens: count.optional() }).optional(),
});

const toolCall = z.looseObject({ id: z.string(), type: z.literal('function'), function: z.looseObject({ name: z.string(), arguments: z.string() }) });
const reasoningDetail = z.looseObject({ type: z.string() });
const image = z.looseObject({ type: z.literal('image_url'), image_url: z.looseObject({ url: z.string() }) });

/** Body of a whole answer. Lists are left out when empty: official clients refuse `null` for them. */
export const chatResultSchema = z.looseObject({
  id: z.string(),
  object: z.literal('chat.completion'),
  created: z.int(),
  model: z.string(),
  provider: z.string().optional(),
  system_fingerprint: z.string().nullable(),
  service_tier: z.string().nullish(),
  choices: z.array(
    z.looseObject({
      index: z.int(),
      finish_reason: z.string().nullable(),
      native_finish_reason: z.string().nullish(),
      logprobs: z.looseObject({}).nullish(),
      message: z.looseObject({
        role: z.literal('assistant'),
        content: z.unknown().optional(),
        reasoning: z.string().nullish(),
        refusal: z.string().nullish(),
        tool_calls: z.array(toolCall).optional(),
        reasoning_details: z.array(reasoningDetail).optional(),
        images: z.array(image).optional(),
      }),
    }),
  ),
  usage: usageSchema.optional(),
  /** What of the request could not be carried to the provider, in sentences. */
  warnings: z.array(z.string()).optional(),
});

/** One `data:` event of a stream. A present `system_fingerprint` is a string here, never null. */
export const chatChunkSchema = z.looseObject({
  id: z.string(),
  object: z.literal('chat.completion.chunk'),
  created: z.int(),
  model: z.string(),
  provider: z.string().optional(),
  system_fingerprint: z.string().optional(),
  service_tier: z.string().nullish(),
  choices: z.array(
    z.looseObject({
      index: z.int(),
      finish_reason: z.string().nullable(),
      native_finish_reason: z.string().nullish(),
      logprobs: z.looseObject({}).nullish(),
      delta: z.looseObject({
        role: z.string().optional(),
        content: z.string().nullish(),
        reasoning: z.string().nullish(),
        refusal: z.string().nullish(),
        tool_calls: z.array(z.looseObject({ index: z.int() })).optional(),
        reasoning_details: z.array(reasoningDetail).optional(),
      }),
    }),
  ),
  usage: usageSchema.optional(),
  error: z
    .object({
      code: z.int(),
      message: z.string(),
      metadata: z.looseObject({ error_type: z.enum(PUBLIC_ERROR_TYPES), provider_code: z.string().optional() }).optional(),
    })
    .optional(),
});

/** Body of a whole legacy text completion. */
export const completionsResultSchema = z.looseObject({
  id: z.string(),
  object: z.literal('text_completion'),
  created: z.int(),
  model: z.string(),
  provider: z.string().optional(),
  choices: z.array(
    z.looseObject({
      index: z.int(),
      text: z.string(),
      finish_reason: z.string().nullable(),
      native_finish_reason: z.string().nullish(),
      logprobs: z.looseObject({}).nullish(),
    }),
  ),
  usage: usageSchema.optional(),
});

export const embeddingsResultSchema = z.looseObject({
  id: z.string().optional(),
  object: z.literal('list'),
  model: z.string(),
  data: z.array(z.looseObject({ object: z.literal('embedding'), index: z.int(), embedding: z.union([z.array(z.number()), z.string()]) })),
  usage: z.looseObject({ prompt_tokens: count, total_tokens: count, cost: z.number().optional() }).optional(),
});
