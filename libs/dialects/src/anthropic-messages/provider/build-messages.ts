import type { CacheBreakpoint, CanonicalMessage, ContentPart, JsonObject, JsonValue, MessagePart, ReasoningPart } from '@switchyard/core';
import { SwitchyardError } from '@switchyard/errors';
import { parseExactly } from '../../exact-json.js';
import type { FetchedMedia } from '../../provider-dialect.js';
import { withUniqueCallIds } from './unique-call-ids.js';

export const ANTHROPIC_FORMAT = 'anthropic-claude-v1';
/** The API takes at most four. */
const MAX_BREAKPOINTS = 4;
/**
 * Said for a user whose turn has no content left: the API refuses texts of white space, and without the turn it would continue the answer before it.
 * Words, since a model may take mere dots for a wish to go on.
 */
const STAND_IN = '(empty)';
/** For models that refuse an answer to continue, from 4.6 on: https://platform.claude.com/docs/en/about-claude/models/migration-guide */
const GO_ON = 'Your answer was interrupted there. Go on from exactly where it ends, and repeat none of it.';

export interface AnthropicConversation {
  readonly system: JsonObject[];
  readonly messages: JsonObject[];
}

/** Messages as Anthropic wants them: system apart, tool results in user turns, turns of one role merged, no blank texts. */
export function buildConversation(
  messages: readonly CanonicalMessage[],
  media: ReadonlyMap<string, FetchedMedia> | undefined,
  warnings: string[],
  continuesAnswers = true,
): AnthropicConversation {
  const system: JsonObject[] = [];
  const turns: { role: 'user' | 'assistant'; content: JsonObject[] }[] = [];
  for (const [index, message] of withUniqueCallIds(messages).entries()) {
    if (message.role === 'system' || message.role === 'developer') {
      if (turns.length > 0) warnings.push(`messages[${index}]: the provider keeps instructions apart; this one was moved to the front.`);
      system.push(...contentBlocks(message.parts, { media, name: message.name }, warnings));
      continue;
    }
    const role = message.role === 'assistant' ? 'assistant' : 'user';
    const content = contentBlocks(message.parts, { media, name: message.name }, warnings);
    // An assistant is not made to say the stand-in: it would take it for its own words.
    if (content.length === 0 && role === 'assistant') continue;
    const last = turns.at(-1);
    if (last?.role === role) last.content.push(...content);
    else turns.push({ role, content });
  }
  if (turns.every((turn) => turn.content.length === 0))
    return { system: [], messages: [{ role: 'user', content: system.length > 0 ? system : [{ type: 'text', text: STAND_IN }] }] };
  for (const turn of turns) if (turn.content.length === 0) turn.content.push({ type: 'text', text: STAND_IN });
  trimPrefill(turns.at(-1)!);
  if (!continuesAnswers && hasPrefill(turns.at(-1)!)) {
    turns.push({ role: 'user', content: [{ type: 'text', text: GO_ON }] });
    warnings.push('messages: the model takes no answer to continue; it was asked in words to go on from there.');
  }
  for (const turn of turns)
    if (turn.role === 'user') turn.content.sort((left, right) => Number(right['type'] === 'tool_result') - Number(left['type'] === 'tool_result'));
  return { system, messages: turns };
}

/** A turn to be continued must not end in white space. */
function trimPrefill(turn: { role: string; content: JsonObject[] }): void {
  const last = turn.content.at(-1);
  if (turn.role !== 'assistant' || last?.['type'] !== 'text' || typeof last['text'] !== 'string') return;
  last['text'] = last['text'].trimEnd();
}

function hasPrefill(turn: { role: string; content: JsonObject[] }): boolean {
  return turn.role === 'assistant' && turn.content.every((block) => block['type'] !== 'tool_use');
}

interface BlockContext {
  readonly media: ReadonlyMap<string, FetchedMedia> | undefined;
  readonly name: string | undefined;
}

function contentBlocks(parts: readonly MessagePart[], context: BlockContext, warnings: string[]): JsonObject[] {
  const blocks: JsonObject[] = [];
  let name = context.name;
  for (const part of parts) {
    const block = blockOf(part, context.media, warnings);
    if (!block) continue;
    if (name !== undefined && block['type'] === 'text' && typeof block['text'] === 'string') {
      block['text'] = `${name}: ${block['text']}`;
      name = undefined;
    }
    blocks.push(part.cacheBreakpoint && part.kind !== 'reasoning' ? { ...block, cache_control: cacheControl(part.cacheBreakpoint) } : block);
  }
  return blocks;
}

export function cacheControl(breakpoint: CacheBreakpoint): JsonObject {
  return { type: 'ephemeral', ...(breakpoint.ttl === undefined ? {} : { ttl: breakpoint.ttl }) };
}

function blockOf(part: MessagePart, media: ReadonlyMap<string, FetchedMedia> | undefined, warnings: string[]): JsonObject | undefined {
  switch (part.kind) {
    case 'text':
    case 'refusal':
      return part.text.trim() === '' ? undefined : { type: 'text', text: part.text };
    case 'reasoning':
      return thinkingBlock(part, warnings);
    case 'tool-call':
      return { type: 'tool_use', id: part.id, name: part.name, input: toolInput(part.arguments, warnings) };
    case 'tool-result': {
      const content = part.content.map((inner) => blockOf(inner, media, warnings)).filter((block) => block !== undefined);
      return {
        type: 'tool_result',
        tool_use_id: part.toolCallId,
        ...(content.length === 0 ? {} : { content }),
        ...(part.isError === true ? { is_error: true } : {}),
      };
    }
    case 'image':
    case 'file':
      return mediaBlock(part, media);
    case 'audio':
    case 'video':
      throw new SwitchyardError('invalid_request', `The provider takes no ${part.kind} input.`);
  }
}

/** Only what this provider signed itself may be given back. */
function thinkingBlock(part: ReasoningPart, warnings: string[]): JsonObject | undefined {
  const isOwn = part.format === ANTHROPIC_FORMAT || part.format === undefined || part.format === null;
  if (isOwn && part.variant === 'encrypted') return { type: 'redacted_thinking', data: part.data ?? '' };
  if (isOwn && part.variant === 'text' && typeof part.signature === 'string' && part.signature !== '')
    return { type: 'thinking', thinking: part.text ?? '', signature: part.signature };
  const warning = 'reasoning: reasoning that another provider wrote, or without its signature, was not sent.';
  if (!warnings.includes(warning)) warnings.push(warning);
  return undefined;
}

function toolInput(text: string, warnings: string[]): JsonValue {
  if (text.trim() === '') return {};
  try {
    const value = parseExactly(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
    return { value };
  } catch {
    warnings.push('tool_calls: arguments that are no JSON were sent as one text.');
    return { arguments: text };
  }
}

function mediaBlock(part: Extract<ContentPart, { kind: 'image' | 'file' }>, media: ReadonlyMap<string, FetchedMedia> | undefined): JsonObject {
  const type = part.kind === 'image' ? 'image' : 'document';
  const title = part.kind === 'file' && part.filename !== undefined ? { title: part.filename } : {};
  const { source } = part;
  const fetched = source.kind === 'url' ? media?.get(source.url) : undefined;
  if (fetched) return { type, source: { type: 'base64', media_type: fetched.mediaType, data: fetched.data }, ...title };
  if (source.kind === 'url') return { type, source: { type: 'url', url: source.url }, ...title };
  if (source.kind === 'file-id') return { type, source: { type: 'file', file_id: source.fileId }, ...title };
  if (part.kind === 'image' || source.mediaType === 'application/pdf')
    return { type, source: { type: 'base64', media_type: source.mediaType, data: source.data }, ...title };
  if (source.mediaType.startsWith('image/')) return { type: 'image', source: { type: 'base64', media_type: source.mediaType, data: source.data } };
  if (source.mediaType.startsWith('text/') || source.mediaType === 'application/json')
    return { type, source: { type: 'text', media_type: 'text/plain', data: Buffer.from(source.data, 'base64').toString('utf8') }, ...title };
  throw new SwitchyardError('invalid_request', `The provider takes no files of type ${source.mediaType}.`);
}

/** "Cache what you can" marks the last block that may be marked; of more than four marks the first ones go. */
export function placeBreakpoints(
  body: { tools: JsonObject[]; system: JsonObject[]; messages: JsonObject[] },
  automatic: CacheBreakpoint | undefined,
  warnings: string[],
): void {
  const blocks = [
    ...body.tools,
    ...body.system,
    ...body.messages.flatMap((message) => (Array.isArray(message['content']) ? (message['content'] as JsonObject[]) : [])),
  ];
  if (automatic) {
    const last = blocks.findLast((block) => block['type'] !== 'thinking' && block['type'] !== 'redacted_thinking');
    if (last && last['cache_control'] === undefined) last['cache_control'] = cacheControl(automatic);
  }
  const marked = blocks.filter((block) => block['cache_control'] !== undefined);
  const surplus = marked.slice(0, Math.max(0, marked.length - MAX_BREAKPOINTS));
  for (const block of surplus) delete block['cache_control'];
  if (surplus.length > 0) warnings.push(`cache_control: the provider takes ${MAX_BREAKPOINTS}; the first ${surplus.length} were dropped.`);
}
