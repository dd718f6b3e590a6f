import { asObject, asObjects, asString, isJsonObject, type JsonObject, type JsonValue } from '@switchyard/core';
import { isErrorType, type ErrorType } from '@switchyard/errors';
import type { UpstreamFailure } from './provider-dialect.js';

export type ResponseHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** What a provider said about its failure, before it has a place in the error table. */
export interface ReportedError {
  /** 0 = said inside an answer that began with success. */
  readonly status: number;
  /** Machine-readable names, most specific first. */
  readonly codes: readonly string[];
  readonly message: string;
  readonly retryAfterMs?: number | undefined;
}

const MAX_MESSAGE_LENGTH = 600;

/** Providers' own names, whatever their status. */
const CODE_TYPES: Readonly<Record<string, ErrorType>> = {
  context_length_exceeded: 'context_length_exceeded',
  model_max_prompt_tokens_exceeded: 'context_length_exceeded',
  string_above_max_length: 'string_too_long',
  content_filter: 'content_policy_violation',
  content_policy_violation: 'content_policy_violation',
  responsibleaipolicyviolation: 'content_policy_violation',
  invalid_prompt: 'invalid_prompt',
  invalid_image_format: 'unsupported_image_format',
  unsupported_image_media_type: 'unsupported_image_format',
  image_too_large: 'image_too_large',
  image_too_small: 'image_too_small',
  image_parse_error: 'invalid_image',
  invalid_image: 'invalid_image',
  invalid_image_url: 'image_download_failed',
  failed_to_download_image: 'image_download_failed',
  // The operator's account with the provider is empty or locked: the client can change nothing, another provider may serve.
  insufficient_quota: 'provider_unavailable',
  billing_not_active: 'provider_unavailable',
  billing_hard_limit_reached: 'provider_unavailable',
  insufficient_balance: 'provider_unavailable',
  billing_error: 'provider_unavailable',
  authentication_error: 'provider_unavailable',
  permission_error: 'provider_unavailable',
  invalid_api_key: 'provider_unavailable',
  api_key_invalid: 'provider_unavailable',
  model_not_found: 'provider_unavailable',
  not_found_error: 'provider_unavailable',
  rate_limit_exceeded: 'rate_limit_exceeded',
  rate_limit_error: 'rate_limit_exceeded',
  resource_exhausted: 'rate_limit_exceeded',
  overloaded_error: 'provider_overloaded',
  server_overloaded: 'provider_overloaded',
  unavailable: 'provider_overloaded',
  timeout_error: 'timeout',
  deadline_exceeded: 'timeout',
  request_too_large: 'payload_too_large',
  api_error: 'provider_unavailable',
  server_error: 'provider_unavailable',
  internal_server_error: 'provider_unavailable',
  internal: 'provider_unavailable',
  failed_precondition: 'provider_unavailable',
  permission_denied: 'provider_unavailable',
  unauthenticated: 'provider_unavailable',
  not_found: 'provider_unavailable',
};

/** Names that say no more than that something failed; a status that says what stands above them. */
const VAGUE_CODES: ReadonlySet<string> = new Set(['api_error', 'server_error', 'internal_server_error', 'internal']);
const TELLING_TYPES: ReadonlySet<ErrorType> = new Set<ErrorType>(['rate_limit_exceeded', 'provider_overloaded', 'timeout']);

const CONTEXT_TEXT =
  /context (length|window|size)|maximum context|prompt is too long|input (token count|is too long)|too many (input |prompt )?tokens|exceeds? the maximum (number of tokens|context)|reduce the length of the (messages|prompt|input)/i;
const OUTPUT_CAP_TEXT = /max_?(completion_|output_)?tokens?\b.*(too large|at most|exceed|greater than|maximum)/i;
const POLICY_TEXT =
  /content (management|filter|policy)|safety (system|filter)|flagged (by|as)|usage (policy|policies|guidelines)|prohibited content|moderation|content exists risk/i;
const BALANCE_TEXT =
  /credit balance is too low|insufficient (balance|credits?|funds)|exceeded your current (plan|balance)|payment required|reached your specified (\w+ )?api usage limits|account is in good standing|organization has been disabled/i;
const OVERLOAD_TEXT = /overloaded|over capacity|at capacity|no available (capacity|instances?)/i;
const API_KEY_TEXT = /api key (not valid|expired)|api[_ ]key[_ ]invalid|(invalid|incorrect) api key/i;

const MAX_RETRY_AFTER_MS = 86_400_000;

/** Places a provider's failure in the error table. */
export function classifyFailure(reported: ReportedError, ownCodes: Readonly<Record<string, string>> = {}): UpstreamFailure {
  const errorType = ownType(reported.codes, ownCodes) ?? textType(reported) ?? codeType(reported) ?? statusType(reported.status);
  const isOurs =
    errorType === 'provider_unavailable' &&
    ([401, 402, 403].includes(reported.status) || BALANCE_TEXT.test(reported.message) || API_KEY_TEXT.test(reported.message));
  const code = reported.codes.find((candidate) => candidate !== '');
  return {
    errorType,
    // Refusals of the operator's credential may quote it; the client could do nothing with them either.
    message: isOurs ? 'The provider refused the account or credential that this endpoint uses.' : shownMessage(reported),
    ...(code === undefined ? {} : { providerCode: code.slice(0, 100) }),
    upstreamStatus: Number.isInteger(reported.status) ? reported.status : 0,
    ...believableRetry(reported.retryAfterMs),
  };
}

/** Providers write waits in prose and in fields of any type: what is no time is left out, what is none of ours to wait is cut. */
function believableRetry(retryAfterMs: number | undefined): { retryAfterMs?: number } {
  if (retryAfterMs === undefined || Number.isNaN(retryAfterMs)) return {};
  return { retryAfterMs: Math.min(Math.max(0, retryAfterMs), MAX_RETRY_AFTER_MS) };
}

function ownType(codes: readonly string[], ownCodes: Readonly<Record<string, string>>): ErrorType | undefined {
  for (const code of codes) {
    const type = ownCodes[code];
    if (type !== undefined && isErrorType(type)) return type;
  }
  return undefined;
}

function codeType({ codes, status }: ReportedError): ErrorType | undefined {
  const isStatusTelling = TELLING_TYPES.has(statusType(status));
  for (const code of codes) {
    const name = code.toLowerCase();
    const type = isStatusTelling && VAGUE_CODES.has(name) ? undefined : CODE_TYPES[name];
    if (type !== undefined) return type;
  }
  return undefined;
}

/** Many providers say what matters only in the sentence. */
function textType({ status, message }: ReportedError): ErrorType | undefined {
  if (status >= 500) return OVERLOAD_TEXT.test(message) ? 'provider_overloaded' : undefined;
  if (BALANCE_TEXT.test(message) || API_KEY_TEXT.test(message)) return 'provider_unavailable';
  if (status === 429) return undefined;
  if (CONTEXT_TEXT.test(message)) return 'context_length_exceeded';
  if ((status === 400 || status === 422) && OUTPUT_CAP_TEXT.test(message)) return 'max_tokens_exceeded';
  if ((status === 400 || status === 403 || status === 422) && POLICY_TEXT.test(message)) return 'content_policy_violation';
  return status === 0 && OVERLOAD_TEXT.test(message) ? 'provider_overloaded' : undefined;
}

function statusType(status: number): ErrorType {
  switch (status) {
    case 400:
      return 'invalid_request';
    case 408:
    case 504:
    case 522:
    case 524:
      return 'timeout';
    case 413:
      return 'payload_too_large';
    case 422:
      return 'unprocessable';
    case 429:
      return 'rate_limit_exceeded';
    case 503:
    case 529:
      return 'provider_overloaded';
    case 0:
    case 401:
    case 402:
    case 403:
    case 404:
      return 'provider_unavailable';
    default:
      return status >= 500 ? 'provider_unavailable' : 'unmapped';
  }
}

function shownMessage({ message, status }: ReportedError): string {
  const text = message.trim();
  if (text === '') return status === 0 ? 'The provider reported an error in mid-answer.' : `The provider answered with status ${status}.`;
  return text.length > MAX_MESSAGE_LENGTH ? `${text.slice(0, MAX_MESSAGE_LENGTH)}…` : text;
}

/** Delta seconds or an HTTP date, milliseconds where a provider offers them. */
export function retryAfterMs(headers: ResponseHeaders, nowMs: number): number | undefined {
  const exact = Number(headerText(headers, 'retry-after-ms'));
  if (Number.isFinite(exact) && exact > 0) return Math.ceil(exact);
  const text = headerText(headers, 'retry-after').trim();
  if (text === '') return undefined;
  const seconds = Number(text);
  if (Number.isFinite(seconds)) return seconds < 0 ? undefined : Math.ceil(seconds * 1000);
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

/** "Please try again in 7.66s", "1m30s", "850ms". */
export function retryAfterInText(message: string): number | undefined {
  const match = /(?:try again|retry) in (?:(\d+)m(?!s))?\s*(?:([\d.]+)\s*(ms|s))?/i.exec(message);
  if (!match || (match[1] === undefined && match[2] === undefined)) return undefined;
  const last = Number(match[2] ?? 0) * (match[3]?.toLowerCase() === 'ms' ? 1 : 1000);
  // Dots may stand alone: "try again in ...".
  if (Number.isNaN(last)) return undefined;
  return Math.ceil(Number(match[1] ?? 0) * 60_000 + last);
}

function headerText(headers: ResponseHeaders, name: string): string {
  const value = headers[name];
  return typeof value === 'string' ? value : (value?.[0] ?? '');
}

/** A body that should be JSON; undefined when it is not (an HTML page of a proxy). */
export function parseJsonBody(body: string): JsonValue | undefined {
  try {
    return JSON.parse(body) as JsonValue;
  } catch {
    return undefined;
  }
}

/** `{error: {code, type, message}}`, `{error: "…"}`, `{errors: [{code, message}]}`, `{message}`, `{detail}` and the first of an array of them. */
export function errorParts(body: JsonValue | undefined): { codes: string[]; message: string; error: JsonObject } {
  const root = Array.isArray(body) ? body[0] : body;
  if (!isJsonObject(root)) return { codes: [], message: '', error: {} };
  const inner = root['error'];
  const error = asObject(inner) ?? asObjects(root['errors'])[0] ?? root;
  const codes = [error['code'], error['type'], error['status'], root['code']]
    .filter((value) => typeof value === 'string' || typeof value === 'number')
    .map(String);
  const message = typeof inner === 'string' ? inner : (messageText(error['message']) ?? messageText(root['message']) ?? messageText(root['detail']) ?? '');
  return { codes: codes.filter((code) => code !== 'error' && !/^\d{3}$/.test(code)), message, error };
}

/** A sentence, perhaps in an object of its own, or FastAPI's list of problems, which Mistral has under `message`, bare or as `{detail}`. */
function messageText(message: JsonValue | undefined): string | undefined {
  if (typeof message === 'string') return message;
  const holder = asObject(message);
  const problems = asObjects(holder ? holder['detail'] : message)
    .map(problemText)
    .filter((problem) => problem !== undefined);
  return problems.length === 0 ? (asString(holder?.['message']) ?? asString(holder?.['error'])) : problems.join('; ');
}

function problemText({ msg, loc }: JsonObject): string | undefined {
  return typeof msg === 'string' && Array.isArray(loc) ? `${msg} (${loc.join('.')})` : asString(msg);
}
