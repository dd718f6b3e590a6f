import {
  mediaNoteOf,
  type CanonicalMessage,
  type ContentPart,
  type JsonObject,
  type MediaNote,
  type MessagePart,
  type ShownChoice,
  type ToolDefinition,
} from '@switchyard/core';
import { GEN_AI, SWITCHYARD } from '../tracing/attribute-names.js';
import type { SpanAttributes } from '../tracing/span.js';
import { boundedJson, cutText, type BoundedJson, type CapturedEntry, type CapturedPart } from './bounded-json.js';
import { leaveOutBinary, mediaDescription } from './leave-out-binary.js';

/** What was asked and answered in one attempt. */
export interface Content {
  /** Undefined when the request could not be read. */
  readonly request: { readonly messages: readonly CanonicalMessage[]; readonly tools: readonly ToolDefinition[] } | undefined;
  readonly choices: readonly ShownChoice[];
}

/** Longer than any credential, and than what counts as base64. */
const MARGIN_CHARACTERS = 2_048;

/** How much of each text of an answer is worth gathering: more than fits, so that what must not be shown is seen whole where the text ends. */
export function gatheredCharacters({ maxAttributeBytes }: Pick<CaptureLimits, 'maxAttributeBytes'>): number {
  return maxAttributeBytes + MARGIN_CHARACTERS;
}

/** In bytes of JSON. */
export interface CaptureLimits {
  readonly maxAttributeBytes: number;
  /** Of all attributes of one span together. */
  readonly maxSpanBytes: number;
}

export interface CapturedContent {
  readonly attributes: SpanAttributes;
  /** Of all of them together. */
  readonly contentBytes: number;
}

/**
 * Content as attributes of an attempt's span: JSON text in the shape of the conventions for GenAI, an array of messages with their role and
 * parts. Bytes never are in it. Where the bounds cut, the newest messages stay, and the attributes that are cut are named beside them.
 * `redact` is applied to every text first.
 */
export function captureContent(content: Content, limits: CaptureLimits, redact: (text: string) => string): CapturedContent {
  const parts = new PartWriter((text) => leaveOutBinary(redact(text)), gatheredCharacters(limits));
  const { instructions, messages } = splitInstructions(content.request?.messages ?? []);
  const budget = new Budget(limits);
  // By what is worth most where not everything fits.
  budget.add(
    GEN_AI.outputMessages,
    content.choices.map((choice) => parts.choice(choice)),
  );
  budget.add(
    GEN_AI.inputMessages,
    messages.map((message) => parts.message(message)),
    'last',
  );
  budget.add(
    GEN_AI.systemInstructions,
    instructions.flatMap((message) => message.parts.map((part) => single(parts.part(part)))),
  );
  budget.add(
    GEN_AI.toolDefinitions,
    (content.request?.tools ?? []).map((tool) => single(parts.tool(tool))),
  );
  if (!content.request) budget.cut.push(GEN_AI.inputMessages);
  const attributes = { ...budget.attributes, [SWITCHYARD.contentCut]: budget.cut.length > 0 ? budget.cut : undefined };
  return { attributes, contentBytes: budget.spentBytes };
}

class Budget {
  readonly attributes: Record<string, string> = {};
  readonly cut: string[] = [];
  spentBytes = 0;

  constructor(private readonly limits: CaptureLimits) {}

  add(name: string, entries: readonly CapturedEntry[], keep: 'first' | 'last' = 'first'): void {
    if (entries.length === 0) return;
    const { maxAttributeBytes, maxSpanBytes } = this.limits;
    const bounded: BoundedJson | undefined = boundedJson(entries, Math.min(maxAttributeBytes, maxSpanBytes - this.spentBytes), keep);
    if (bounded === undefined || bounded.isCut) this.cut.push(name);
    if (bounded === undefined) return;
    this.attributes[name] = bounded.json;
    this.spentBytes += Buffer.byteLength(bounded.json);
  }
}

/** Instructions stand before the conversation; later ones are a part of it. */
function splitInstructions(messages: readonly CanonicalMessage[]): { instructions: readonly CanonicalMessage[]; messages: readonly CanonicalMessage[] } {
  const begin = messages.findIndex(({ role }) => role !== 'system' && role !== 'developer');
  const count = begin === -1 ? messages.length : begin;
  return { instructions: messages.slice(0, count), messages: messages.slice(count) };
}

function single(part: CapturedPart): CapturedEntry {
  return { parts: [part], render: ([rendered]) => rendered! };
}

class PartWriter {
  constructor(
    private readonly clean: (text: string) => string,
    /** Texts of an answer that are so long end where gathering ended. */
    private readonly gathered: number,
  ) {}

  message({ role, name, parts }: CanonicalMessage): CapturedEntry {
    const head: JsonObject = { role, ...(name === undefined ? {} : { name: this.clean(name) }) };
    return { parts: parts.map((part) => this.part(part)), render: (rendered) => ({ ...head, parts: [...rendered] }) };
  }

  choice({ reasoning, text, refusal, toolCalls, media, finishReason }: ShownChoice): CapturedEntry {
    const parts = [
      ...(reasoning === '' ? [] : [this.gatheredPart(this.reasoning(reasoning), reasoning)]),
      ...(text === '' ? [] : [this.gatheredPart(this.text(text), text)]),
      ...(refusal === '' ? [] : [this.gatheredPart(this.text(refusal), refusal)]),
      ...toolCalls.map((call) => this.gatheredPart(this.toolCall(call), call.arguments)),
      ...media.map((note) => this.media(note)),
    ];
    // A stream that died before its final event has `error` in that place.
    return { parts, render: (rendered) => ({ role: 'assistant', parts: [...rendered], finish_reason: finishReason || 'error' }) };
  }

  tool({ name, description, parameters }: ToolDefinition): CapturedPart {
    const fields = { type: 'function', name: this.clean(name), ...(description === undefined ? {} : { description: this.clean(description) }) };
    return { fields, textField: 'parameters', text: this.clean(JSON.stringify(parameters ?? {})), isJson: true };
  }

  part(part: MessagePart): CapturedPart {
    switch (part.kind) {
      case 'reasoning':
        return this.reasoning(part.text ?? `[${part.variant} reasoning left out]`);
      case 'tool-call':
        return this.toolCall(part);
      case 'tool-result':
        return this.labelled({ type: 'tool_call_response', id: this.clean(part.toolCallId) }, 'response', part.content.map(describedText).join('\n'));
      case 'text':
      case 'refusal':
        return this.text(part.text);
      case 'image':
      case 'audio':
      case 'video':
      case 'file':
        return this.media(mediaNoteOf(part.kind, part.source));
    }
  }

  /** Without its end, where a piece of something may be left that would have been taken out whole. */
  private gatheredPart(part: CapturedPart, gatheredText: string): CapturedPart {
    if (gatheredText.length < this.gathered) return part;
    return { ...part, text: cutText(part.text, Math.max(0, part.text.length - MARGIN_CHARACTERS)) };
  }

  private text(text: string): CapturedPart {
    return this.labelled({ type: 'text' }, 'content', text);
  }

  private reasoning(text: string): CapturedPart {
    return this.labelled({ type: 'reasoning' }, 'content', text);
  }

  private toolCall(call: { readonly id: string; readonly name: string; readonly arguments: string }): CapturedPart {
    const fields = { type: 'tool_call', id: this.clean(call.id), name: this.clean(call.name) };
    return { ...this.labelled(fields, 'arguments', call.arguments), isJson: true };
  }

  /** Of a URL, its beginning alone: what stands behind the path may be a key to it. */
  private media(note: MediaNote): CapturedPart {
    const { modality, url, fileId } = note;
    if (fileId !== undefined) return this.labelled({ type: 'file', modality }, 'file_id', fileId);
    if (url === undefined || !URL.canParse(url)) return this.text(mediaDescription(note));
    const { protocol, host, pathname } = new URL(url);
    return this.labelled({ type: 'uri', modality }, 'uri', `${protocol}//${host}${pathname}`);
  }

  private labelled(fields: JsonObject, textField: string, text: string): CapturedPart {
    return { fields, textField, text: this.clean(text) };
  }
}

function describedText(part: ContentPart): string {
  if (part.kind === 'text' || part.kind === 'refusal') return part.text;
  return mediaDescription(mediaNoteOf(part.kind, part.source));
}
