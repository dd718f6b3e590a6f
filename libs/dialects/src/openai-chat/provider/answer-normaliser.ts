import { randomBytes } from 'node:crypto';
import { asObject, asObjects, asString, type JsonObject, type JsonValue } from '@switchyard/core';
import type { OpenaiChatDeviations } from '../../dialect-manifest.js';
import { ThinkTagSplitter } from './think-tags.js';

/** What one delta or message holds, counted while it is edited. */
export interface OutputFacts {
  readonly hasContent: boolean;
  readonly outputBytes: number;
  readonly reasoningBytes: number;
}

/** Optional lists and strings that strict clients refuse as null. */
const NEVER_NULL: ReadonlySet<string> = new Set(['tool_calls', 'reasoning_details', 'images', 'audio', 'annotations', 'function_call', 'role', 'name']);

/** Never an id of a call. */
const NO_ID = '\u0000';

/**
 * Brings the many spellings of OpenAI-compatible answers to one, in place: reasoning under `reasoning` with
 * `reasoning_details`, content as text, tool calls with index, id and textual arguments, no nulls where clients refuse
 * them. Fields it does not know stay. One instance per answer.
 */
export class AnswerNormaliser {
  private readonly thinkTags: ThinkTagSplitter | undefined;
  private readonly toolCallIds: string[] = [];
  private readonly toolCallNames: string[] = [];
  /** Theirs → ours. */
  private readonly toolCallIndexes = new Map<number, number>();

  constructor(
    deviations: OpenaiChatDeviations | undefined,
    private readonly options: { readonly isStream: boolean; readonly excludeReasoning: boolean },
  ) {
    this.thinkTags = deviations?.thinkTags === true ? new ThinkTagSplitter() : undefined;
  }

  /** `target` is a `delta` or a `message`. `isLast`: nothing more of this answer follows. */
  normalise(target: JsonObject, isLast: boolean): OutputFacts {
    for (const key in target) if (target[key] === null && NEVER_NULL.has(key)) delete target[key];
    if (Array.isArray(target['content'])) flattenContent(target);
    const own = takeReasoning(target);
    const tagged = this.splitThinkTags(target, isLast);
    const reasoning = own + tagged;
    const toolBytes = this.normaliseToolCalls(target);
    const details = target['reasoning_details'];
    if (reasoning !== '') {
      target['reasoning'] = reasoning;
      if (!Array.isArray(details)) target['reasoning_details'] = [{ type: 'reasoning.text', text: reasoning, format: 'unknown', index: 0 }];
    }
    if (this.options.excludeReasoning) hideReasoning(target);
    const text = asString(target['content']) ?? '';
    const refusal = asString(target['refusal']) ?? '';
    const reasoningBytes = reasoning === '' ? 0 : Buffer.byteLength(reasoning);
    return {
      hasContent:
        text !== '' || reasoning !== '' || refusal !== '' || toolBytes > 0 || isFilled(details) || isFilled(target['images']) || target['audio'] !== undefined,
      outputBytes: reasoningBytes + toolBytes + (text === '' ? 0 : Buffer.byteLength(text)) + refusal.length,
      reasoningBytes,
    };
  }

  private splitThinkTags(target: JsonObject, isLast: boolean): string {
    const content = target['content'];
    if (!this.thinkTags) return '';
    let { text, reasoning } = typeof content === 'string' ? this.thinkTags.push(content) : { text: '', reasoning: '' };
    if (isLast) {
      const rest = this.thinkTags.finish();
      text += rest.text;
      reasoning += rest.reasoning;
    }
    if (typeof content === 'string' || text !== '') target['content'] = text;
    return reasoning;
  }

  /** Bytes of names and arguments. */
  private normaliseToolCalls(target: JsonObject): number {
    const calls = target['tool_calls'];
    if (!Array.isArray(calls)) return 0;
    if (calls.length === 0) {
      delete target['tool_calls'];
      return 0;
    }
    let bytes = 0;
    for (const value of calls) {
      const call = asObject(value);
      if (call) bytes += this.normaliseToolCall(call);
    }
    return bytes;
  }

  private normaliseToolCall(call: JsonObject): number {
    for (const key of ['id', 'type', 'index']) if (call[key] === null) delete call[key];
    const definition = asObject(call['function']) ?? {};
    for (const key of ['name', 'arguments']) if (definition[key] === null) delete definition[key];
    if (definition['arguments'] !== undefined && typeof definition['arguments'] !== 'string') definition['arguments'] = JSON.stringify(definition['arguments']);
    call['function'] = definition;
    if (this.options.isStream) this.giveIndex(call, definition);
    else {
      call['type'] ||= 'function';
      if (typeof call['id'] !== 'string' || call['id'] === '') call['id'] = newCallId();
      definition['arguments'] ??= '{}';
    }
    return (asString(definition['name']) ?? '').length + Buffer.byteLength(asString(definition['arguments']) ?? '');
  }

  /**
   * Dense indexes from 0. Some providers leave `index` out, start at 1, or give every parallel call the same: a delta
   * with a new id and a name opens a new call, anything else goes on with the call it names or with the last one.
   */
  private giveIndex(call: JsonObject, definition: JsonObject): void {
    const theirs = typeof call['index'] === 'number' ? call['index'] : undefined;
    const id = asString(call['id']) ?? '';
    const isNamed = (asString(definition['name']) ?? '') !== '';
    let index = theirs === undefined ? this.toolCallIds.indexOf(id === '' ? NO_ID : id) : (this.toolCallIndexes.get(theirs) ?? -1);
    if (index === -1 && theirs === undefined && !isNamed && id === '') index = this.toolCallIds.length - 1;
    const opens = index === -1 || (id !== '' && isNamed && this.toolCallIds[index] !== id);
    if (opens) {
      index = this.toolCallIds.length;
      if (id === '') call['id'] = newCallId();
      call['type'] ||= 'function';
      this.toolCallIds.push(asString(call['id']) ?? '');
      this.toolCallNames.push(asString(definition['name']) ?? '');
      if (theirs !== undefined) this.toolCallIndexes.set(theirs, index);
    } else this.sayOnce(call, definition, index);
    call['index'] = index;
  }

  /** As with the role: clients join the texts of all deltas. A name may come later than its call, yet none comes twice. */
  private sayOnce(call: JsonObject, definition: JsonObject, index: number): void {
    for (const key of ['id', 'type']) if (call[key] !== undefined) delete call[key];
    const name = definition['name'];
    if (name === undefined) return;
    if (name === '' || name === this.toolCallNames[index]) delete definition['name'];
    else if (this.toolCallNames[index] === '') this.toolCallNames[index] = asString(name) ?? '';
  }
}

/** Clients give it back in later turns, where no other call may have it. */
function newCallId(): string {
  return `call_${randomBytes(12).toString('hex')}`;
}

/** Mistral writes content as parts: text, thinking, references. */
function flattenContent(target: JsonObject): void {
  let text = '';
  let reasoning = '';
  for (const part of asObjects(target['content'])) {
    if (part['type'] === 'thinking')
      reasoning +=
        typeof part['thinking'] === 'string' ? part['thinking'] : asObjects(part['thinking']).reduce((sum, piece) => sum + (asString(piece['text']) ?? ''), '');
    else text += asString(part['text']) ?? '';
  }
  target['content'] = text;
  if (reasoning !== '') target['reasoning_content'] = reasoning;
}

/** Removes every spelling of plain reasoning and returns the text. */
function takeReasoning(target: JsonObject): string {
  const text = asString(target['reasoning']) ?? asString(target['reasoning_content']) ?? '';
  if (target['reasoning_content'] !== undefined) delete target['reasoning_content'];
  if (target['reasoning'] !== undefined) delete target['reasoning'];
  return text;
}

/** What cannot be read stays: a client has to give it back in tool loops. */
function hideReasoning(target: JsonObject): void {
  delete target['reasoning'];
  const kept: JsonValue[] = asObjects(target['reasoning_details']).filter((detail) => detail['type'] === 'reasoning.encrypted');
  if (kept.length > 0) target['reasoning_details'] = kept;
  else delete target['reasoning_details'];
}

function isFilled(value: JsonValue | undefined): boolean {
  return Array.isArray(value) && value.length > 0;
}
