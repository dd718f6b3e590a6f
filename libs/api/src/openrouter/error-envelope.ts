import { z } from 'zod';

/** The 27 names of OpenRouter's `error_type`; clients switch on them. */
export const PUBLIC_ERROR_TYPES = [
  'context_length_exceeded',
  'max_tokens_exceeded',
  'token_limit_exceeded',
  'string_too_long',
  'invalid_request',
  'invalid_prompt',
  'content_policy_violation',
  'refusal',
  'invalid_image',
  'image_too_large',
  'image_too_small',
  'unsupported_image_format',
  'image_download_failed',
  'authentication',
  'payment_required',
  'permission_denied',
  'not_found',
  'image_not_found',
  'precondition_failed',
  'payload_too_large',
  'unprocessable',
  'rate_limit_exceeded',
  'server',
  'unmapped',
  'provider_unavailable',
  'provider_overloaded',
  'timeout',
] as const;
export type PublicErrorType = (typeof PUBLIC_ERROR_TYPES)[number];

const AVAILABILITY_CODES = [
  'model_not_found',
  'wrong_endpoint',
  'no_endpoints',
  'model_deprecated',
  'model_unavailable_upstream',
  'privacy_restricted',
  'constraint_filtered',
  'free_variant_ended',
  'region_restricted',
  'capacity_exhausted',
  'temporarily_unavailable',
] as const;

/** Why no endpoint could serve a request. */
const availabilitySchema = z.object({
  code: z.enum(AVAILABILITY_CODES),
  retryable: z.boolean(),
  requested_models: z.array(z.string()),
  docs_url: z.string(),
  /** Seconds. */
  retry_after: z.number().optional(),
  affected_providers: z.array(z.string()).optional(),
  excluded_by: z.array(z.string()).optional(),
  fallback_models: z.array(z.string()).optional(),
  constraint: z.object({ field: z.string(), detail: z.string().optional() }).optional(),
});
export type Availability = z.infer<typeof availabilitySchema>;

const previousErrorSchema = z.object({ provider: z.string(), code: z.int(), status: z.int() });
export type PreviousError = z.infer<typeof previousErrorSchema>;

export const errorEnvelopeSchema = z.object({
  error: z.object({
    /** The HTTP status; always an integer, in streams too. */
    code: z.int(),
    message: z.string(),
    /** What OpenAI's clients read. */
    type: z.string(),
    param: z.string().nullable(),
    metadata: z
      .looseObject({
        error_type: z.enum(PUBLIC_ERROR_TYPES),
        provider_code: z.string().optional(),
        previous_errors: z.array(previousErrorSchema).optional(),
        headers: z.record(z.string(), z.string()).optional(),
      })
      .optional(),
    /** With `availability`: the same as `metadata.error_type` and `code`. */
    error_type: z.enum(PUBLIC_ERROR_TYPES).optional(),
    http_status: z.int().optional(),
    availability: availabilitySchema.optional(),
  }),
});
export type ErrorEnvelope = z.infer<typeof errorEnvelopeSchema>;
