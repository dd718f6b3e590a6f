/**
 * The one table of errors. Keys are OpenRouter's `error_type` names plus a few of our own; every row says what each
 * outside sees. A code without a row does not compile, and no mapping has a default branch.
 */
export interface ErrorRow {
  readonly httpStatus: number;
  /** Numeric gRPC status (https://grpc.io/docs/guides/status-codes/). */
  readonly grpcStatus: number;
  /** The same request may succeed later, unchanged. */
  readonly retryable: boolean;
  /** Another endpoint may succeed where this one failed. */
  readonly mayFallBack: boolean;
  /** Who has to change something. `upstream` counts against an endpoint's uptime. */
  readonly blame: 'client' | 'account' | 'upstream' | 'gateway';
  /** `open`: the message reaches the client; `masked`: a fixed sentence does, the log has the cause with the ids that the client knows. */
  readonly messagePolicy: 'open' | 'masked';
  /** What OpenAI's clients read as `error.type`. */
  readonly openaiType: string;
}

const GRPC = {
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

function clientError(httpStatus: number, overrides: Partial<ErrorRow> = {}): ErrorRow {
  return {
    httpStatus,
    grpcStatus: GRPC.INVALID_ARGUMENT,
    retryable: false,
    mayFallBack: false,
    blame: 'client',
    messagePolicy: 'open',
    openaiType: 'invalid_request_error',
    ...overrides,
  };
}

export const ERROR_TABLE = {
  // A model with a larger context, another provider's filter or limits may take what this one refused.
  context_length_exceeded: clientError(400, { mayFallBack: true }),
  max_tokens_exceeded: clientError(400, { mayFallBack: true }),
  token_limit_exceeded: clientError(400, { mayFallBack: true }),
  string_too_long: clientError(400, { mayFallBack: true }),
  invalid_request: clientError(400),
  invalid_prompt: clientError(400),
  content_policy_violation: clientError(400, { mayFallBack: true }),
  refusal: clientError(400, { mayFallBack: true }),
  invalid_image: clientError(400),
  image_too_large: clientError(400, { mayFallBack: true }),
  image_too_small: clientError(400),
  unsupported_image_format: clientError(400, { mayFallBack: true }),
  image_download_failed: clientError(400),
  authentication: clientError(401, { grpcStatus: GRPC.UNAUTHENTICATED, openaiType: 'authentication_error' }),
  payment_required: clientError(402, { grpcStatus: GRPC.RESOURCE_EXHAUSTED, blame: 'account', openaiType: 'insufficient_quota' }),
  permission_denied: clientError(403, { grpcStatus: GRPC.PERMISSION_DENIED, openaiType: 'permission_error' }),
  not_found: clientError(404, { grpcStatus: GRPC.NOT_FOUND, openaiType: 'not_found_error' }),
  image_not_found: clientError(404, { grpcStatus: GRPC.NOT_FOUND }),
  conflict: clientError(409, { grpcStatus: GRPC.ALREADY_EXISTS }),
  precondition_failed: clientError(412, { grpcStatus: GRPC.FAILED_PRECONDITION }),
  // Each provider has a limit of its own.
  payload_too_large: clientError(413, { grpcStatus: GRPC.RESOURCE_EXHAUSTED, mayFallBack: true }),
  unprocessable: clientError(422),
  // 429 of ours or of an upstream; an upstream's may be answered by another endpoint.
  rate_limit_exceeded: clientError(429, {
    grpcStatus: GRPC.RESOURCE_EXHAUSTED,
    retryable: true,
    mayFallBack: true,
    blame: 'account',
    openaiType: 'rate_limit_error',
  }),
  server: {
    httpStatus: 500,
    grpcStatus: GRPC.INTERNAL,
    retryable: true,
    mayFallBack: false,
    blame: 'gateway',
    messagePolicy: 'masked',
    openaiType: 'server_error',
  },
  unmapped: {
    httpStatus: 500,
    grpcStatus: GRPC.INTERNAL,
    retryable: false,
    mayFallBack: true,
    blame: 'upstream',
    messagePolicy: 'masked',
    openaiType: 'server_error',
  },
  provider_unavailable: {
    httpStatus: 502,
    grpcStatus: GRPC.UNAVAILABLE,
    retryable: true,
    mayFallBack: true,
    blame: 'upstream',
    messagePolicy: 'open',
    openaiType: 'server_error',
  },
  provider_overloaded: {
    httpStatus: 503,
    grpcStatus: GRPC.UNAVAILABLE,
    retryable: true,
    mayFallBack: true,
    blame: 'upstream',
    messagePolicy: 'open',
    openaiType: 'server_error',
  },
  /** A dependency of ours is away or we are full: the client should come back. */
  gateway_unavailable: {
    httpStatus: 503,
    grpcStatus: GRPC.UNAVAILABLE,
    retryable: true,
    mayFallBack: false,
    blame: 'gateway',
    messagePolicy: 'open',
    openaiType: 'server_error',
  },
  timeout: {
    httpStatus: 504,
    grpcStatus: GRPC.DEADLINE_EXCEEDED,
    retryable: true,
    mayFallBack: true,
    blame: 'upstream',
    messagePolicy: 'open',
    openaiType: 'server_error',
  },
  not_implemented: clientError(404, { grpcStatus: GRPC.UNIMPLEMENTED }),
} as const satisfies Record<string, ErrorRow>;

export type ErrorType = keyof typeof ERROR_TABLE;

export function isErrorType(value: string): value is ErrorType {
  return Object.hasOwn(ERROR_TABLE, value);
}

export function errorRow(type: ErrorType): ErrorRow {
  return ERROR_TABLE[type];
}
