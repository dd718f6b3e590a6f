import type {
  CanonicalMessage,
  ContentPart,
  JsonObject,
  JsonValue,
  MediaSource,
  MessagePart,
  OpaqueSignature,
  ToolCallPart,
  ToolResultPart,
} from '@switchyard/core';
import { SwitchyardError } from '@switchyard/errors';
import type { FetchedMedia } from '../../provider-dialect.js';

export const GEMINI_FORMAT = 'google-gemini-v1';
/** What Google documents for calls that another model made (https://ai.google.dev/gemini-api/docs/thought-signatures). */
const SIGNATURE_OF_FOREIGN_CALLS = 'skip_thought_signature_validator';
/** Addresses that the API reads itself. */
const NATIVE_URL = /^(gs:\/\/|https:\/\/(www\.)?youtube\.com\/|https:\/\/youtu\.be\/|https:\/\/generativelanguage\.googleapis\.com\/)/i;

export interface GeminiConversation {
  readonly systemInstruction: JsonObject | undefined;
  readonly contents: JsonObject[];
}

export interface ContentContext {
  readonly media: ReadonlyMap<string, FetchedMedia> | undefined;
  /** Gemini 3 refuses calls of the current turn without a signature. */
  readonly demandsSignatures: boolean;
  /** Before Gemini 3 the API refuses pictures inside of results: they follow them. */
  readonly takesResultMedia: boolean;
  readonly warnings: string[];
}

interface Turn {
  readonly role: 'user' | 'model';
  readonly parts: JsonObject[];
  readonly callIds: string[];
}

/** Messages as `contents`: system apart, turns of one role merged, the tool results of each round in the order of its calls. */
export function buildContents(messages: readonly CanonicalMessage[], context: ContentContext): GeminiConversation {
  const system: JsonObject[] = [];
  const turns: Turn[] = [];
  for (const [index, message] of messages.entries()) {
    const parts = partsOf(message, context);
    if (message.role === 'system' || message.role === 'developer') {
      if (turns.length > 0) context.warnings.push(`messages[${index}]: the provider keeps instructions apart; this one was moved to the front.`);
      system.push(...parts);
      continue;
    }
    if (parts.length === 0) continue;
    const callIds = message.parts.filter((part) => part.kind === 'tool-call').map((call) => call.id);
    const role = message.role === 'assistant' ? 'model' : 'user';
    const last = turns.at(-1);
    if (last?.role !== role) turns.push({ role, parts, callIds });
    else {
      last.parts.push(...parts);
      last.callIds.push(...callIds);
    }
  }
  orderAllResults(turns);
  if (turns.length === 0) return { systemInstruction: undefined, contents: [{ role: 'user', parts: system.length > 0 ? system : [{ text: ' ' }] }] };
  return { systemInstruction: system.length === 0 ? undefined : { parts: system }, contents: turns.map(({ role, parts }) => ({ role, parts })) };
}

/** Each turn's results follow the latest calls before them: ids may come again in later rounds. */
function orderAllResults(turns: readonly Turn[]): void {
  let callOrder: readonly string[] = [];
  for (const turn of turns) {
    if (turn.callIds.length > 0) callOrder = turn.callIds;
    orderResults(turn.parts, callOrder);
  }
}

/** Parallel calls of one function are told apart by their order alone. The id used for sorting is not sent. */
function orderResults(parts: JsonObject[], callOrder: readonly string[]): void {
  const results = parts.filter((part) => part['functionResponse'] !== undefined);
  if (results.length === 0) return;
  const rank = (part: JsonObject): number => {
    const position = callOrder.indexOf(String(part['callId']));
    return position === -1 ? callOrder.length : position;
  };
  results.sort((left, right) => rank(left) - rank(right));
  const rest = parts.filter((part) => part['functionResponse'] === undefined);
  for (const part of results) delete part['callId'];
  parts.splice(0, parts.length, ...results, ...rest);
}

function partsOf(message: CanonicalMessage, context: ContentContext): JsonObject[] {
  const parts: JsonObject[] = [];
  let name = message.name;
  let isFirstCall = true;
  for (const part of message.parts) {
    if (part.kind === 'tool-call') {
      parts.push(callPart(part, isFirstCall, context));
      isFirstCall = false;
      continue;
    }
    if (part.kind === 'tool-result') {
      parts.push(...resultParts(part, context));
      continue;
    }
    const built = partOf(part, context);
    if (!built) continue;
    if (name !== undefined && typeof built['text'] === 'string') {
      built['text'] = `${name}: ${built['text']}`;
      name = undefined;
    }
    parts.push(built);
  }
  return parts;
}

function partOf(part: Exclude<MessagePart, ToolCallPart | ToolResultPart>, context: ContentContext): JsonObject | undefined {
  switch (part.kind) {
    case 'text': {
      const signature = ownSignature(part.signature);
      return part.text === '' && signature === undefined ? undefined : { text: part.text, ...(signature === undefined ? {} : { thoughtSignature: signature }) };
    }
    case 'refusal':
      return { text: part.text };
    case 'reasoning': {
      // Thought summaries are not given back; only signatures count, and those sit on other parts.
      return undefined;
    }
    case 'image':
      return {
        ...mediaPart(part.source, 'image/png', context),
        ...(ownSignature(part.signature) === undefined ? {} : { thoughtSignature: ownSignature(part.signature)! }),
      };
    case 'audio':
      return mediaPart(part.source, `audio/${part.format}`, context);
    case 'video':
      return mediaPart(part.source, 'video/mp4', context);
    case 'file':
      return mediaPart(part.source, 'application/pdf', context);
  }
}

function ownSignature(signature: OpaqueSignature | undefined): string | undefined {
  return signature?.format === GEMINI_FORMAT ? signature.data : undefined;
}

function callPart(part: ToolCallPart, isFirst: boolean, { demandsSignatures, warnings }: ContentContext): JsonObject {
  const signature = ownSignature(part.signature) ?? (isFirst && demandsSignatures ? SIGNATURE_OF_FOREIGN_CALLS : undefined);
  return {
    functionCall: { name: part.name, args: callArguments(part.arguments, warnings) },
    ...(signature === undefined ? {} : { thoughtSignature: signature }),
  };
}

function callArguments(text: string, warnings: string[]): JsonValue {
  const value = text.trim() === '' ? {} : parsed(text);
  if (value === undefined) warnings.push('tool_calls: arguments that are no JSON were sent as one text.');
  if (value === undefined) return { arguments: text };
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : { value };
}

function resultParts(part: ToolResultPart, context: ContentContext): JsonObject[] {
  const texts = part.content.map((inner) => (inner.kind === 'text' || inner.kind === 'refusal' ? inner.text : '')).join('');
  const value = parsed(texts);
  const response =
    typeof value === 'object' && value !== null && !Array.isArray(value) ? value : { [part.isError === true ? 'error' : 'output']: value ?? texts };
  const media = part.content
    .filter((inner) => inner.kind !== 'text' && inner.kind !== 'refusal')
    .map((inner) => partOf(inner, context))
    .filter((inner) => inner !== undefined);
  const isNested = media.length > 0 && context.takesResultMedia;
  const functionResponse = { name: part.toolName ?? part.toolCallId, response, ...(isNested ? { parts: media } : {}) };
  return [{ functionResponse, callId: part.toolCallId }, ...(isNested ? [] : media)];
}

function parsed(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}

function mediaPart(source: MediaSource, fallbackType: string, { media }: ContentContext): JsonObject {
  if (source.kind === 'base64') return { inlineData: { mimeType: source.mediaType, data: source.data } };
  if (source.kind === 'file-id') return { fileData: { fileUri: source.fileId } };
  const fetched = media?.get(source.url);
  if (fetched) return { inlineData: { mimeType: fetched.mediaType, data: fetched.data } };
  if (NATIVE_URL.test(source.url)) return { fileData: { fileUri: source.url, ...(/youtu/.test(source.url) ? {} : { mimeType: fallbackType }) } };
  throw new SwitchyardError('image_download_failed', 'A file that the request names could not be fetched.');
}

/** Addresses whose bytes must be in the request, since the API does not read them itself. */
export function urlsToFetch(messages: readonly CanonicalMessage[]): string[] {
  const urls = new Set<string>();
  const visit = (part: MessagePart | ContentPart): void => {
    if (part.kind === 'tool-result') part.content.forEach(visit);
    else if (
      (part.kind === 'image' || part.kind === 'file' || part.kind === 'audio' || part.kind === 'video') &&
      part.source.kind === 'url' &&
      !NATIVE_URL.test(part.source.url)
    )
      urls.add(part.source.url);
  };
  for (const message of messages) message.parts.forEach(visit);
  return [...urls];
}
