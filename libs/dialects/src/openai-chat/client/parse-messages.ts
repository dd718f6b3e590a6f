import {
  asObjects,
  asString,
  isJsonObject,
  type CanonicalMessage,
  type ContentPart,
  type JsonObject,
  type JsonValue,
  type MessagePart,
  type OpaqueSignature,
  type ReasoningPart,
  type ToolCallPart,
} from '@switchyard/core';
import { mediaSourceOf } from '../../media.js';
import { joinReasoningPieces } from '../reasoning-details.js';
import { imageSignatureId } from './render-response.js';
import type { RequestFields } from './request-fields.js';

const ROLES = ['system', 'developer', 'user', 'assistant', 'tool'] as const;
const GEMINI_FORMAT = 'google-gemini-v1';

/** OpenAI's `messages` (with OpenRouter's extras) as canonical messages. @throws SwitchyardError `invalid_request` */
export function parseMessages(messages: readonly RequestFields[]): CanonicalMessage[] {
  const toolNames = new Map<string, string>();
  return messages.map((message) => {
    const role = message.body['role'] === 'function' ? 'tool' : message.oneOf('role', ROLES);
    if (!role) throw message.wrong('role', `one of ${ROLES.join(', ')}`);
    const name = message.string('name');
    if (role === 'tool') return toolMessage(message, toolNames);
    if (role !== 'assistant') return { role, parts: contentParts(message), name };
    const parts = assistantParts(message);
    for (const part of parts) if (part.kind === 'tool-call') toolNames.set(part.id, part.name);
    return { role, parts, name };
  });
}

function toolMessage(message: RequestFields, toolNames: ReadonlyMap<string, string>): CanonicalMessage {
  const toolCallId = message.string('tool_call_id') ?? message.requiredString('name');
  const cacheBreakpoint = message.cacheBreakpoint();
  const content = contentParts(message);
  return {
    role: 'tool',
    parts: [
      {
        kind: 'tool-result',
        toolCallId,
        toolName: toolNames.get(toolCallId) ?? message.string('name'),
        content,
        cacheBreakpoint: cacheBreakpoint ?? content.find((part) => part.cacheBreakpoint)?.cacheBreakpoint,
      },
    ],
  };
}

function assistantParts(message: RequestFields): MessagePart[] {
  const details = message.array('reasoning_details');
  const reasoning: ReasoningPart[] = details ? joinReasoningPieces(asObjects(details)).map(parseReasoningDetail) : plainReasoning(message);
  const calls = (message.objects('tool_calls') ?? []).map((call) => parseToolCall(call));
  const legacy = message.inside('function_call');
  if (legacy && calls.length === 0)
    calls.push({ kind: 'tool-call', id: legacy.requiredString('name'), name: legacy.requiredString('name'), arguments: legacy.string('arguments') ?? '{}' });
  const content = message.has('content') ? contentParts(message) : [];
  const refusal = message.string('refusal');
  if (refusal !== undefined && refusal !== '') content.push({ kind: 'refusal', text: refusal });
  for (const image of message.objects('images') ?? []) content.push(parsePart(image));
  return attachSignatures(reasoning, content, calls);
}

function plainReasoning(message: RequestFields): ReasoningPart[] {
  const text = message.string('reasoning') ?? message.string('reasoning_content');
  return text === undefined || text === '' ? [] : [{ kind: 'reasoning', variant: 'text', text }];
}

/** Gemini's signatures sit on calls, pictures and text; clients hold them as `reasoning.encrypted` entries: under the call's or the picture's id, or under none. */
function attachSignatures(reasoning: readonly ReasoningPart[], content: readonly ContentPart[], calls: readonly ToolCallPart[]): MessagePart[] {
  const parts: (ContentPart | ToolCallPart)[] = [...content, ...calls];
  const positions = positionsById(parts);
  const rest: ReasoningPart[] = [];
  let onText: OpaqueSignature | undefined;
  for (const part of reasoning) {
    if (part.variant !== 'encrypted' || part.format !== GEMINI_FORMAT || part.data === undefined) {
      rest.push(part);
      continue;
    }
    const signature = { format: GEMINI_FORMAT, data: part.data };
    const position = positions.get(part.id ?? '') ?? -1;
    const signed = parts[position];
    if (signed?.kind === 'tool-call' || signed?.kind === 'image') parts[position] = { ...signed, signature };
    else onText = signature;
  }
  if (onText) signText(parts, content.length, onText);
  return [...rest, ...parts];
}

/** Where the calls and pictures of a message are. */
function positionsById(parts: readonly (ContentPart | ToolCallPart)[]): ReadonlyMap<string, number> {
  const positions = new Map<string, number>();
  let imageCount = 0;
  for (const [position, part] of parts.entries()) {
    if (part.kind === 'tool-call') positions.set(part.id, position);
    else if (part.kind === 'image') positions.set(imageSignatureId(imageCount++), position);
  }
  return positions;
}

function signText(parts: (ContentPart | ToolCallPart)[], contentLength: number, signature: OpaqueSignature): void {
  const last = parts.findLastIndex((part) => part.kind === 'text');
  const text = parts[last];
  if (text?.kind === 'text') parts[last] = { ...text, signature };
  else parts.splice(contentLength, 0, { kind: 'text', text: '', signature });
}

function parseToolCall(call: RequestFields): ToolCallPart {
  const definition = call.inside('function');
  if (!definition) throw call.wrong('function', 'an object');
  const callArguments = definition.body['arguments'];
  return {
    kind: 'tool-call',
    id: call.requiredString('id'),
    name: definition.requiredString('name'),
    arguments: typeof callArguments === 'string' ? callArguments : JSON.stringify(callArguments ?? {}),
  };
}

const DETAIL_KEYS = new Set(['type', 'text', 'summary', 'data', 'signature', 'id', 'format', 'index']);

/** One entry of `reasoning_details`, kept so that it can be written again byte for byte. */
export function parseReasoningDetail(detail: JsonObject): ReasoningPart {
  const extra = Object.fromEntries(Object.entries(detail).filter(([key]) => !DETAIL_KEYS.has(key)));
  const { id, format, index, signature } = detail;
  const base = {
    kind: 'reasoning' as const,
    ...(typeof id === 'string' || id === null ? { id } : {}),
    ...(typeof format === 'string' || format === null ? { format } : {}),
    ...(typeof index === 'number' ? { index } : {}),
    ...(Object.keys(extra).length > 0 ? { extra } : {}),
  };
  switch (detail['type']) {
    case 'reasoning.summary':
      return { ...base, variant: 'summary', text: asString(detail['summary']) ?? '' };
    case 'reasoning.encrypted':
      return { ...base, variant: 'encrypted', data: asString(detail['data']) ?? '' };
    case 'reasoning.server_tool_call':
      return { ...base, variant: 'server-tool-call' };
    default:
      return { ...base, variant: 'text', text: asString(detail['text']) ?? '', ...(typeof signature === 'string' || signature === null ? { signature } : {}) };
  }
}

function contentParts(message: RequestFields): ContentPart[] {
  const content: JsonValue | undefined = message.body['content'];
  const cacheBreakpoint = message.cacheBreakpoint();
  if (content === undefined || content === null) return [];
  if (typeof content === 'string') return [{ kind: 'text', text: content, cacheBreakpoint }];
  const parts = (message.objects('content') ?? []).map(parsePart);
  const last = parts.at(-1);
  if (cacheBreakpoint && last) parts[parts.length - 1] = { ...last, cacheBreakpoint };
  return parts;
}

function parsePart(part: RequestFields): ContentPart {
  const cacheBreakpoint = part.cacheBreakpoint();
  const type = part.requiredString('type');
  switch (type) {
    case 'text':
    case 'input_text':
    case 'output_text':
      return { kind: 'text', text: part.requiredString('text'), cacheBreakpoint };
    case 'refusal':
      return { kind: 'refusal', text: part.requiredString('refusal'), cacheBreakpoint };
    case 'image_url': {
      const image = part.body['image_url'];
      const url = isJsonObject(image) ? asString(image['url']) : asString(image);
      if (url === undefined) throw part.wrong('image_url.url', 'a string');
      return { kind: 'image', source: mediaSourceOf(url), detail: isJsonObject(image) ? asString(image['detail']) : undefined, cacheBreakpoint };
    }
    case 'input_audio':
      return audioPart(part);
    case 'video_url':
    case 'input_video': {
      const video = part.inside('video_url') ?? part.inside('input_video');
      if (!video) throw part.wrong('video_url', 'an object');
      return { kind: 'video', source: mediaSourceOf(video.requiredString('url')), cacheBreakpoint };
    }
    case 'file':
      return filePart(part);
    default:
      throw part.wrong('type', 'one of text, image_url, input_audio, video_url, file, refusal');
  }
}

function audioPart(part: RequestFields): ContentPart {
  const audio = part.inside('input_audio');
  if (!audio) throw part.wrong('input_audio', 'an object');
  const format = audio.string('format') ?? 'wav';
  const mediaType = format === 'mp3' ? 'audio/mpeg' : `audio/${format}`;
  const data = audio.requiredString('data');
  const source = mediaSourceOf(data);
  return { kind: 'audio', format, source: source.kind === 'base64' ? source : { kind: 'base64', mediaType, data }, cacheBreakpoint: part.cacheBreakpoint() };
}

function filePart(part: RequestFields): ContentPart {
  const file = part.inside('file');
  if (!file) throw part.wrong('file', 'an object');
  const fileId = file.string('file_id');
  const data = file.string('file_data') ?? file.string('file_url');
  if (fileId === undefined && data === undefined) throw part.wrong('file', 'an object with file_data or file_id');
  const source = data === undefined ? { kind: 'file-id' as const, fileId: fileId! } : fileSource(data);
  return { kind: 'file', source, filename: file.string('filename'), cacheBreakpoint: part.cacheBreakpoint() };
}

/** `file_data` may be a data URL, a URL or bare base64 of a PDF. */
function fileSource(data: string): ReturnType<typeof mediaSourceOf> {
  const source = mediaSourceOf(data);
  if (source.kind === 'url' && !/^[a-z][a-z0-9+.-]*:/i.test(data.slice(0, 16))) return { kind: 'base64', mediaType: 'application/pdf', data };
  return source;
}
