import { invalidRequest, UNTIL_FIRST_PROBLEM } from '../invalid-request.js';
import { givenPreferences, type ProviderPreferences, type ProviderPreferencesInput } from '../openrouter/provider-preferences.js';
import { SUPPORTED_PARAMETERS, type SupportedParameter } from '../openrouter/supported-parameters.js';
import { isObject, parseJsonObject, type JsonObject } from '../parse-json-object.js';
import { DEFAULT_REQUEST_LIMITS, MAX_SESSION_ID_LENGTH, MAX_STOP_SEQUENCES, MAX_USER_LENGTH, type RequestLimits } from '../request-limits.js';
import { chatRequestSchema } from './chat-request.js';
import { countParts, isPlainMessage, type MessageCounts } from './chat-message-checks.js';
import { refuseTooMany, refuseTooManyWithin } from './refuse-too-many.js';

/** A valid chat request: the body as the client sent it, and what the gateway reads of it. */
export interface ParsedChatRequest {
  /** The whole body, unknown parameters included; `messages` is always there. */
  readonly body: JsonObject;
  /** The body differs from the bytes that came in (a legacy `prompt` became a message). */
  readonly isRewritten: boolean;
  /** `model` and then `models`, without repetition; empty when the client named none. */
  readonly models: readonly string[];
  readonly isStream: boolean;
  readonly toolCount: number;
  readonly counts: Readonly<MessageCounts>;
  /** As requested; undefined means text alone. */
  readonly outputModalities: readonly string[] | undefined;
  /** Parameters of the catalogue's vocabulary that the request gives a value. */
  readonly parameters: readonly SupportedParameter[];
  /** `max_completion_tokens`, else `max_tokens`. */
  readonly maxOutputTokens: number | undefined;
  readonly provider: ProviderPreferences | undefined;
  readonly route: 'fallback' | 'sort' | undefined;
  /** In either spelling. */
  readonly reasoningEffort: string | undefined;
  readonly serviceTier: string | undefined;
  readonly user: string | undefined;
  readonly sessionId: string | undefined;
  readonly metadata: Readonly<Record<string, string>> | undefined;
  /** The `trace` object as JSON. */
  readonly traceJson: string | undefined;
  readonly mustEchoUpstreamBody: boolean;
}

type Check = (value: unknown) => boolean;
type FieldName = keyof typeof chatRequestSchema.shape;

const isBoolean: Check = (value) => typeof value === 'boolean';
const isString: Check = (value) => typeof value === 'string';
/** JSON can spell numbers that a double cannot hold (`1e999`). */
const isNumber: Check = (value) => Number.isFinite(value);
const isInteger: Check = (value) => Number.isSafeInteger(value);
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 1;
const isNumberWithin =
  (least: number, most: number): Check =>
  (value) =>
    typeof value === 'number' && value >= least && value <= most;
const isStringUpTo =
  (least: number, most: number): Check =>
  (value) =>
    typeof value === 'string' && value.length >= least && value.length <= most;

/** Cheap and certain verdicts; a field without one is judged by its own schema. Never wider than the schema. */
const PLAIN_CHECKS: ReadonlyMap<string, Check> = new Map<FieldName, Check>([
  ['model', isStringUpTo(1, 256)],
  ['stream', isBoolean],
  ['max_tokens', isCount],
  ['max_completion_tokens', isCount],
  ['temperature', isNumberWithin(0, 2)],
  ['top_p', isNumberWithin(0, 1)],
  ['top_k', isInteger],
  ['top_a', isNumber],
  ['min_p', isNumber],
  ['frequency_penalty', isNumberWithin(-2, 2)],
  ['presence_penalty', isNumberWithin(-2, 2)],
  ['repetition_penalty', isNumber],
  ['seed', isInteger],
  ['n', (value) => value === 1],
  ['stop', (value) => isString(value) || (Array.isArray(value) && value.length <= MAX_STOP_SEQUENCES && value.every(isString))],
  ['logprobs', isBoolean],
  ['parallel_tool_calls', isBoolean],
  ['include_reasoning', isBoolean],
  ['structured_outputs', isBoolean],
  ['user', isStringUpTo(0, MAX_USER_LENGTH)],
  ['session_id', isStringUpTo(0, MAX_SESSION_ID_LENGTH)],
  ['tool_choice', (value) => value === 'auto' || value === 'none' || value === 'required'],
  ['stream_options', (value) => isObject(value) && (value['include_usage'] === undefined || isBoolean(value['include_usage']))],
]);

/**
 * Parses and validates the body of `POST /chat/completions`. The verdict is always that of `chatRequestSchema`; plain
 * requests reach it without running the schema.
 * @throws SwitchyardError `invalid_request`, its `metadata.param` naming the field
 */
export function parseChatRequest(bytes: Uint8Array | string, limits: RequestLimits = DEFAULT_REQUEST_LIMITS): ParsedChatRequest {
  const parsed = parseJsonObject(bytes, limits.maxNestingDepth);
  const messages = parsed['messages'];
  refuseTooMany('messages', messages, limits.maxMessageCount);
  refuseTooMany('tools', parsed['tools'], limits.maxToolCount);
  for (const field of ['content', 'tool_calls']) refuseTooManyWithin('messages', messages, field, limits.maxContentPartCount);
  const plainCounts = checkPlainly(parsed);
  if (!plainCounts) {
    const result = chatRequestSchema.safeParse(parsed, UNTIL_FIRST_PROBLEM);
    if (!result.success) throw invalidRequest(result.error);
  }
  const body = Array.isArray(messages) ? parsed : { ...parsed, messages: [{ role: 'user', content: parsed['prompt'] }], prompt: undefined };
  return readRequest(body, body !== parsed, plainCounts ?? countParts(body['messages'] as unknown[]));
}

/** Counts of a request that is certainly valid; undefined when only the schema can tell. */
export function checkPlainly(body: JsonObject): MessageCounts | undefined {
  const counts: MessageCounts = { imageCount: 0, fileCount: 0, audioCount: 0, videoCount: 0 };
  const messages = body['messages'];
  if (!Array.isArray(messages) || messages.length === 0) return undefined;
  for (const message of messages) if (!isPlainMessage(message, counts)) return undefined;
  for (const name in body) {
    const value = body[name];
    // `null` means "not given" for every field but the messages, which are checked above.
    if (value === null || name === 'messages') continue;
    const check = PLAIN_CHECKS.get(name);
    if (check) {
      if (!check(value) && !fieldSchemaAccepts(name, value)) return undefined;
    } else if (Object.hasOwn(chatRequestSchema.shape, name) && !fieldSchemaAccepts(name, value)) return undefined;
  }
  return isEffortConsistent(body) ? counts : undefined;
}

function fieldSchemaAccepts(name: string, value: unknown): boolean {
  return chatRequestSchema.shape[name as FieldName].safeParse(value, UNTIL_FIRST_PROBLEM).success;
}

function isEffortConsistent(body: JsonObject): boolean {
  const reasoning = body['reasoning'];
  return !body['reasoning_effort'] || !isObject(reasoning) || !reasoning['effort'] || reasoning['effort'] === body['reasoning_effort'];
}

function reasoningEffort(body: JsonObject): string | undefined {
  const reasoning = body['reasoning'];
  return (isObject(reasoning) ? textOf(reasoning['effort']) : undefined) ?? textOf(body['reasoning_effort']);
}

function readRequest(body: JsonObject, isRewritten: boolean, counts: MessageCounts): ParsedChatRequest {
  const tools = body['tools'];
  const metadata = judgedRecord(body['metadata']);
  const trace = judgedRecord(body['trace']);
  const debug = body['debug'];
  const modalities = body['modalities'];
  const maxOutputTokens = body['max_completion_tokens'] ?? body['max_tokens'];
  return {
    body,
    isRewritten,
    models: namedModels(body),
    isStream: body['stream'] === true,
    toolCount: Array.isArray(tools) ? tools.length : 0,
    counts,
    outputModalities: Array.isArray(modalities) ? modalities : undefined,
    parameters: givenParameters(body),
    maxOutputTokens: typeof maxOutputTokens === 'number' ? maxOutputTokens : undefined,
    provider: givenPreferences(body['provider'] as ProviderPreferencesInput | null | undefined),
    route: (body['route'] ?? undefined) as 'fallback' | 'sort' | undefined,
    reasoningEffort: reasoningEffort(body),
    serviceTier: textOf(body['service_tier']),
    user: textOf(body['user']),
    sessionId: textOf(body['session_id']),
    metadata: metadata as Record<string, string> | undefined,
    traceJson: trace && JSON.stringify(trace),
    mustEchoUpstreamBody: isObject(debug) && debug['echo_upstream_body'] === true,
  };
}

/** As far as the schema looked at it: it passes over one name, and what that holds is bounded by nothing. */
function judgedRecord(value: unknown): JsonObject | undefined {
  if (!isObject(value)) return undefined;
  return Object.hasOwn(value, '__proto__') ? Object.fromEntries(Object.entries(value).filter(([name]) => name !== '__proto__')) : value;
}

/** `model`, then `models`, each once. */
export function namedModels(body: JsonObject): string[] {
  const model = body['model'];
  const models = body['models'];
  const named = typeof model === 'string' ? [model] : [];
  if (Array.isArray(models)) for (const name of models as string[]) if (!named.includes(name)) named.push(name);
  return named;
}

const VOCABULARY: ReadonlySet<string> = new Set(SUPPORTED_PARAMETERS);

/** Which of the catalogue's parameters have a value in the body, in the body's order. */
export function givenParameters(body: JsonObject): SupportedParameter[] {
  const given: SupportedParameter[] = [];
  for (const name in body) {
    const value = body[name];
    if (VOCABULARY.has(name) && value !== undefined && value !== null && !(Array.isArray(value) && value.length === 0)) given.push(name as SupportedParameter);
  }
  return given;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
