import { SwitchyardError, type ErrorType } from '@switchyard/errors';
import type { Availability, ErrorEnvelope, PreviousError, PublicErrorType } from './openrouter/error-envelope.js';

/** Our own types exist to steer the gateway; clients see the nearest of the published 27. */
const PUBLIC_TYPE: Readonly<Record<ErrorType, PublicErrorType>> = {
  context_length_exceeded: 'context_length_exceeded',
  max_tokens_exceeded: 'max_tokens_exceeded',
  token_limit_exceeded: 'token_limit_exceeded',
  string_too_long: 'string_too_long',
  invalid_request: 'invalid_request',
  invalid_prompt: 'invalid_prompt',
  content_policy_violation: 'content_policy_violation',
  refusal: 'refusal',
  invalid_image: 'invalid_image',
  image_too_large: 'image_too_large',
  image_too_small: 'image_too_small',
  unsupported_image_format: 'unsupported_image_format',
  image_download_failed: 'image_download_failed',
  authentication: 'authentication',
  payment_required: 'payment_required',
  permission_denied: 'permission_denied',
  not_found: 'not_found',
  image_not_found: 'image_not_found',
  conflict: 'invalid_request',
  precondition_failed: 'precondition_failed',
  payload_too_large: 'payload_too_large',
  unprocessable: 'unprocessable',
  rate_limit_exceeded: 'rate_limit_exceeded',
  server: 'server',
  unmapped: 'unmapped',
  provider_unavailable: 'provider_unavailable',
  provider_overloaded: 'provider_overloaded',
  gateway_unavailable: 'provider_overloaded',
  timeout: 'timeout',
  not_implemented: 'not_found',
};

const MASKED_MESSAGE = 'Internal Server Error';
/** Relative to the gateway: its own description, below what proxies let through. */
const DOCS_URL = '/api/v1/openapi.json';

/**
 * Keys of `SwitchyardError.metadata` with a place of their own in the envelope; all others go into `error.metadata`
 * as they are.
 */
export interface ErrorPlaces {
  /** Dotted path of the offending request field. */
  readonly param?: string | null;
  readonly availability?: AvailabilityReason;
  readonly previous_errors?: readonly PreviousError[];
  /** The gateway's own limit, never an upstream's: only these become `X-RateLimit-*` headers. */
  readonly rate_limit?: RateLimitState;
}

/** `Availability` as code gives it: lists may be read-only, the link and the time are added. */
export type AvailabilityReason = {
  readonly [Name in keyof Omit<Availability, 'docs_url' | 'constraint'>]: Availability[Name] extends string[] | undefined
    ? readonly string[]
    : Availability[Name];
} & { readonly constraint?: { readonly field: string; readonly detail?: string } };

export interface RateLimitState {
  readonly limit: number;
  readonly remaining: number;
  /** Unix milliseconds. */
  readonly resetTimeMs: number;
}

export interface RenderedError {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ErrorEnvelope;
}

/** Whether the error has a table row whose message clients may read; everything else is logged, not shown. */
export function isMasked(error: unknown): boolean {
  return !(error instanceof SwitchyardError) || error.row.messagePolicy === 'masked';
}

export function publicErrorType(type: ErrorType): PublicErrorType {
  return PUBLIC_TYPE[type];
}

/** OpenRouter's error envelope with its status and headers. Any exception may be given; unknown ones are masked. */
export function renderError(error: unknown): RenderedError {
  if (!(error instanceof SwitchyardError) || isMasked(error)) return renderMasked(error);
  const { param, availability, previous_errors, rate_limit, provider_name, ...rest } = (error.metadata ?? {}) as ErrorPlaces & Record<string, unknown>;
  // Providers' errors carry no `param`: where a field is named the gateway refused it, before the chosen provider was asked.
  const isOwnRefusal = error.type === 'invalid_request' && typeof param === 'string';
  const rateLimitHeaders = rate_limit && error.type === 'rate_limit_exceeded' ? renderRateLimit(rate_limit) : undefined;
  const errorType = publicErrorType(error.type);
  const retryAfterSeconds = error.retryAfterMs === undefined ? undefined : Math.max(1, Math.ceil(error.retryAfterMs / 1000));
  const body: ErrorEnvelope = {
    error: {
      code: error.httpStatus,
      message: error.message,
      type: error.row.openaiType,
      param: param ?? null,
      metadata: {
        ...rest,
        ...(provider_name === undefined || isOwnRefusal ? {} : { provider_name }),
        error_type: errorType,
        ...(error.providerCode ? { provider_code: error.providerCode } : {}),
        ...(previous_errors && previous_errors.length > 0 ? { previous_errors: [...previous_errors] } : {}),
        ...(rateLimitHeaders ? { headers: rateLimitHeaders } : {}),
      },
      ...(availability ? renderAvailability(availability, errorType, error.httpStatus, retryAfterSeconds) : {}),
    },
  };
  const maySayWhen = error.httpStatus === 429 || error.httpStatus === 503;
  return {
    status: error.httpStatus,
    headers: { ...(maySayWhen && retryAfterSeconds !== undefined ? { 'retry-after': String(retryAfterSeconds) } : {}), ...lowerCaseKeys(rateLimitHeaders) },
    body,
  };
}

/** What a stream chunk repeats of the answer it ends. */
export interface StreamChunkFacts {
  readonly id: string;
  readonly model: string;
  /** Unix seconds. */
  readonly created: number;
  /** Display name; absent when no provider had been chosen. */
  readonly provider?: string;
  /** `chat.completion.chunk` unless the API says otherwise. */
  readonly object?: string;
}

/**
 * The typed error that ends a stream whose status is already sent: one whole SSE event. Clients refuse a chunk without
 * the usual chunk keys, a `code` that is no integer, or `metadata` without a known `error_type`.
 */
export function renderStreamError(error: unknown, chunk: StreamChunkFacts): string {
  const isOpen = error instanceof SwitchyardError && !isMasked(error);
  const body = {
    id: chunk.id,
    object: chunk.object ?? 'chat.completion.chunk',
    created: chunk.created,
    model: chunk.model,
    ...(chunk.provider === undefined ? {} : { provider: chunk.provider }),
    error: {
      code: error instanceof SwitchyardError ? error.httpStatus : 500,
      message: isOpen ? error.message : MASKED_MESSAGE,
      metadata: {
        error_type: error instanceof SwitchyardError ? publicErrorType(error.type) : 'server',
        ...(isOpen && error.providerCode ? { provider_code: error.providerCode } : {}),
      },
    },
    choices: [
      chunk.object === 'text_completion' ? { index: 0, text: '', finish_reason: 'error' } : { index: 0, delta: { content: '' }, finish_reason: 'error' },
    ],
  };
  return `data: ${JSON.stringify(body)}\n\n`;
}

function renderMasked(error: unknown): RenderedError {
  const status = error instanceof SwitchyardError ? error.httpStatus : 500;
  return { status, headers: {}, body: { error: { code: status, message: MASKED_MESSAGE, type: 'server_error', param: null } } };
}

function renderAvailability(reason: AvailabilityReason, errorType: PublicErrorType, status: number, retryAfterSeconds: number | undefined) {
  const { requested_models, affected_providers, excluded_by, fallback_models, constraint, ...rest } = reason;
  const availability: Availability = {
    docs_url: DOCS_URL,
    ...(retryAfterSeconds === undefined ? {} : { retry_after: retryAfterSeconds }),
    ...rest,
    requested_models: [...requested_models],
    ...(affected_providers ? { affected_providers: [...affected_providers] } : {}),
    ...(excluded_by ? { excluded_by: [...excluded_by] } : {}),
    ...(fallback_models ? { fallback_models: [...fallback_models] } : {}),
    ...(constraint ? { constraint } : {}),
  };
  return { error_type: errorType, http_status: status, availability };
}

function renderRateLimit(state: RateLimitState): Record<string, string> {
  return { 'X-RateLimit-Limit': String(state.limit), 'X-RateLimit-Remaining': String(state.remaining), 'X-RateLimit-Reset': String(state.resetTimeMs) };
}

function lowerCaseKeys(headers: Record<string, string> | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
}
