import { z } from 'zod';
import { providerPreferencesSchema } from '../openrouter/provider-preferences.js';
import { someText } from '../some-text.js';
import {
  MAX_METADATA_KEY_LENGTH,
  MAX_METADATA_PAIRS,
  MAX_METADATA_VALUE_LENGTH,
  MAX_MODELS,
  MAX_SESSION_ID_LENGTH,
  MAX_STOP_SEQUENCES,
  MAX_TRACE_LENGTH,
  MAX_USER_LENGTH,
} from '../request-limits.js';

/** Parameters that chat and text completions share. Absent ones stay absent: nothing is defaulted on the way to a provider. */
export const samplingShape = {
  max_tokens: z.int().min(1).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().nullish(),
  top_a: z.number().nullish(),
  min_p: z.number().nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  repetition_penalty: z.number().nullish(),
  seed: z.int().nullish(),
  logit_bias: z.record(z.string(), z.number()).nullish(),
  stop: z.union([z.string(), z.array(z.string()).max(MAX_STOP_SEQUENCES)]).nullish(),
  /** One choice comes back. */
  n: z.literal(1, 'only one choice per request is supported').nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
} as const;

const traceSchema = z
  .record(z.string(), z.unknown())
  .refine((trace) => JSON.stringify(trace).length <= MAX_TRACE_LENGTH, `longer than ${MAX_TRACE_LENGTH} characters of JSON`);

const metadataSchema = z
  .record(z.string().max(MAX_METADATA_KEY_LENGTH), z.string().max(MAX_METADATA_VALUE_LENGTH))
  .refine((metadata) => Object.keys(metadata).length <= MAX_METADATA_PAIRS, `more than ${MAX_METADATA_PAIRS} pairs`);

/** What the gateway itself reads to route, attribute and record a request, in every inference API. */
export const gatewayShape = {
  model: z.string().min(1).max(256).nullish(),
  models: z.array(someText.max(256)).max(MAX_MODELS).nullish(),
  provider: providerPreferencesSchema.nullish(),
  route: z.enum(['fallback', 'sort']).nullish(),
  user: z.string().max(MAX_USER_LENGTH).nullish(),
  session_id: z.string().max(MAX_SESSION_ID_LENGTH).nullish(),
  metadata: metadataSchema.nullish(),
  trace: traceSchema.nullish(),
  service_tier: z.enum(['auto', 'default', 'flex', 'priority', 'fast', 'scale']).nullish(),
  transforms: z.array(z.string()).nullish(),
  plugins: z
    .array(z.looseObject({ id: someText, enabled: z.boolean().nullish() }))
    .max(32)
    .nullish(),
  preset: z.string().max(256).nullish(),
  usage: z.looseObject({ include: z.boolean().nullish() }).nullish(),
} as const;
