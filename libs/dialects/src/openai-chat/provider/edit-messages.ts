import { createHash } from 'node:crypto';
import { asObject, asObjects, asString, isJsonObject, type JsonObject, type JsonValue } from '@switchyard/core';
import type { OpenaiChatDeviations } from '../../dialect-manifest.js';
import type { FetchedMedia } from '../../provider-dialect.js';
import { joinReasoningPieces } from '../reasoning-details.js';
import type { MessageBytes } from './message-bytes.js';

/** Fields of messages that only the gateway and its clients know. */
const GATEWAY_FIELDS = [
  'reasoning',
  'reasoning_content',
  'reasoning_details',
  'annotations',
  'images',
  'model',
  'cache_control',
  'prompt_cache_breakpoint',
] as const;

const MAX_CALL_ID = 40;
const SHORT_IDS: Readonly<Record<NonNullable<OpenaiChatDeviations['toolCallIds']>, ((id: string) => string) | undefined>> = {
  any: undefined,
  'nine-alphanumerics': nineAlphanumerics,
  'up-to-forty': upToForty,
};

/** Of content parts, too. */
const BREAKPOINT_FIELDS = ['cache_control', 'prompt_cache_breakpoint'] as const;

export interface MessageEdits {
  readonly deviations: OpenaiChatDeviations;
  readonly media: ReadonlyMap<string, FetchedMedia> | undefined;
}

/** The messages as this provider takes them. A message that needs no edit is passed on as the same object. */
export function editMessages(messages: readonly JsonValue[], edits: MessageEdits): JsonValue[] {
  const edited = messages.map((message) => (isJsonObject(message) ? editMessage(message, edits) : message));
  const last = edited.at(-1);
  if (isJsonObject(last) && last['role'] === 'assistant' && last['tool_calls'] === undefined) {
    if (edits.deviations.prefill === 'prefix') edited[edited.length - 1] = { ...last, prefix: true };
    if (edits.deviations.prefill === 'partial') edited[edited.length - 1] = { ...last, partial: true };
  }
  return edited;
}

/** Nothing in these messages could be edited: their bytes may be passed on. Errs on the side of an edit. */
export function needNoEdits({ roles, fields, partFields, hasNulls, longestCallId }: MessageBytes, { deviations, media }: MessageEdits): boolean {
  if (hasNulls || GATEWAY_FIELDS.some((field) => fields.has(field)) || BREAKPOINT_FIELDS.some((field) => partFields.has(field))) return false;
  if (fields.has('name') && deviations.nameField !== 'keep') return false;
  if (deviations.toolCallIds === 'nine-alphanumerics' && (fields.has('tool_calls') || fields.has('tool_call_id'))) return false;
  if (deviations.toolCallIds === 'up-to-forty' && longestCallId > MAX_CALL_ID) return false;
  if (deviations.strictThinking === true && fields.has('tool_calls')) return false;
  if (roles.has('developer') && deviations.developerRole !== 'keep') return false;
  if (roles.has('assistant') && deviations.prefill !== undefined) return false;
  return media === undefined || media.size === 0;
}

function editMessage(message: JsonObject, edits: MessageEdits): JsonObject {
  const { deviations } = edits;
  if (isPlain(message) && (message['role'] !== 'developer' || deviations.developerRole === 'keep')) return message;
  let result = message;
  const change = (fields: JsonObject): void => {
    result = { ...result, ...fields };
  };
  const drop = (name: string): void => {
    if (result[name] === undefined) return;
    const { [name]: _dropped, ...rest } = result;
    result = rest;
  };
  const reasoning = message['role'] === 'assistant' ? reasoningHistory(message, deviations) : {};
  const content = editContent(message, edits);
  for (const field of GATEWAY_FIELDS) drop(field);
  // Clients that give an answer back whole give its nulls back, which strict providers take for fields that they do not know.
  for (const field in message) if (message[field] === null && field !== 'content') drop(field);
  if (content !== message['content'] && content !== undefined) change({ content });
  if (Object.keys(reasoning).length > 0) change(reasoning);
  if (message['role'] === 'developer' && deviations.developerRole !== 'keep') change({ role: 'system' });
  if (typeof message['name'] === 'string' && deviations.nameField !== 'keep' && message['role'] !== 'tool') {
    change({ content: prefixed(result['content'], message['name']) });
    drop('name');
  }
  const shorten = SHORT_IDS[deviations.toolCallIds ?? 'any'];
  if (shorten) change(shortIds(result, shorten));
  return result;
}

/** A role and a text, and nothing that a provider could spell another way. */
function isPlain(message: JsonObject): boolean {
  for (const name in message) if (name !== 'role' && name !== 'content') return false;
  return typeof message['content'] === 'string';
}

function reasoningHistory(message: JsonObject, { reasoningHistory: style }: OpenaiChatDeviations): JsonObject {
  if (style === undefined || style === 'drop') return {};
  const details = message['reasoning_details'];
  if (style === 'reasoning_details')
    return {
      ...(Array.isArray(details) ? { reasoning_details: joinReasoningPieces(asObjects(details)) } : {}),
      ...(typeof message['reasoning'] === 'string' ? { reasoning: message['reasoning'] } : {}),
    };
  const text = asString(message['reasoning']) ?? asString(message['reasoning_content']) ?? detailsText(details);
  if (text === undefined || style === 'thinking-parts') return {};
  return { [style]: text };
}

/** An empty array says "there was none", which DeepSeek's tool loops want to hear too. */
function detailsText(details: JsonValue | undefined): string | undefined {
  if (!Array.isArray(details)) return undefined;
  return asObjects(details).reduce((sum, detail) => sum + (asString(detail['text']) ?? asString(detail['summary']) ?? ''), '');
}

function editContent(message: JsonObject, edits: MessageEdits): JsonValue | undefined {
  const { deviations } = edits;
  const content = message['content'];
  const breakpoint = message['cache_control'] ?? message['prompt_cache_breakpoint'];
  let parts: JsonValue = content ?? null;
  if (isMarked(breakpoint) && deviations.cacheControl !== undefined && deviations.cacheControl !== 'strip' && typeof content === 'string')
    parts = [{ type: 'text', text: content, cache_control: breakpoint! }];
  if (Array.isArray(parts)) {
    let isChanged = parts !== content;
    const edited = parts.map((part) => {
      const next = isJsonObject(part) ? editPart(part, edits) : part;
      isChanged ||= next !== part;
      return next;
    });
    parts = isChanged ? edited : (content ?? null);
  }
  if (message['role'] === 'assistant' && deviations.reasoningHistory === 'thinking-parts') return withThinkingPart(message, parts);
  return content === undefined && parts === null ? undefined : parts;
}

function editPart(part: JsonObject, { deviations, media }: MessageEdits): JsonObject {
  let result = part;
  const breakpoint = part['cache_control'] ?? part['prompt_cache_breakpoint'];
  if (breakpoint !== undefined) {
    const { cache_control: _control, prompt_cache_breakpoint: _breakpoint, ...rest } = part;
    result = isMarked(breakpoint) ? { ...rest, ...breakpointField(breakpoint, deviations) } : rest;
  }
  const image = asObject(part['image_url']);
  const fetched = image && media?.get(asString(image['url']) ?? '');
  if (image && fetched) result = { ...result, image_url: { ...image, url: `data:${fetched.mediaType};base64,${fetched.data}` } };
  return result;
}

function isMarked(breakpoint: JsonValue | undefined): boolean {
  return breakpoint !== undefined && breakpoint !== null;
}

/** Breakpoints translate between Anthropic's and OpenAI's spelling; a ttl does not. */
function breakpointField(breakpoint: JsonValue, { cacheControl }: OpenaiChatDeviations): JsonObject {
  if (cacheControl === 'openai-breakpoint') return { prompt_cache_breakpoint: { mode: 'explicit' } };
  if (cacheControl === 'keep') return { cache_control: isJsonObject(breakpoint) && breakpoint['type'] === 'ephemeral' ? breakpoint : { type: 'ephemeral' } };
  return {};
}

/** Mistral keeps its thinking as content parts. */
function withThinkingPart(message: JsonObject, content: JsonValue): JsonValue {
  const text = asString(message['reasoning']) ?? detailsText(message['reasoning_details']);
  if (text === undefined || text === '') return content;
  const rest = typeof content === 'string' ? (content === '' ? [] : [{ type: 'text', text: content }]) : (content ?? []);
  return [{ type: 'thinking', thinking: [{ type: 'text', text }] }, ...(Array.isArray(rest) ? rest : [])];
}

function prefixed(content: JsonValue | undefined, name: string): JsonValue {
  if (typeof content === 'string') return `${name}: ${content}`;
  if (!Array.isArray(content)) return content ?? null;
  const index = content.findIndex((part) => isJsonObject(part) && part['type'] === 'text');
  return content.map((part, position) => (position === index && isJsonObject(part) ? { ...part, text: `${name}: ${asString(part['text']) ?? ''}` } : part));
}

function shortIds(message: JsonObject, shorten: (id: string) => string): JsonObject {
  const callId = asString(message['tool_call_id']);
  const calls = message['tool_calls'];
  return {
    ...(callId === undefined ? {} : { tool_call_id: shorten(callId) }),
    ...(Array.isArray(calls)
      ? { tool_calls: calls.map((call) => (isJsonObject(call) && typeof call['id'] === 'string' ? { ...call, id: shorten(call['id']) } : call)) }
      : {}),
  };
}

/** Mistral takes exactly nine letters and digits; the same foreign id always becomes the same one. */
function nineAlphanumerics(id: string): string {
  if (/^[a-zA-Z0-9]{9}$/.test(id)) return id;
  return createHash('sha256')
    .update(id)
    .digest('base64')
    .replaceAll(/[^a-zA-Z0-9]/g, '')
    .slice(0, 9);
}

function upToForty(id: string): string {
  return id.length <= MAX_CALL_ID ? id : `call_${createHash('sha256').update(id).digest('hex').slice(0, 32)}`;
}
