import { isUtf8 } from 'node:buffer';
import { isJsonObject, type JsonObject, type JsonValue } from '@switchyard/core';
import { endOfValue, firstToken, walkArray, walkObject } from '../../json-members.js';

/** A chat body whose messages stay the bytes they came in: they are most of a long prompt, and parsing and writing them anew most of its cost. */
export interface BodyAroundMessages {
  /** The body, its `messages` empty. */
  readonly body: JsonObject;
  readonly messages: MessageBytes;
}

export interface MessageBytes {
  /** The JSON array. */
  readonly bytes: Buffer;
  readonly roles: ReadonlySet<string>;
  /** Every field that some message has. */
  readonly fields: ReadonlySet<string>;
  /** Every field that some part of a message's content has. */
  readonly partFields: ReadonlySet<string>;
  /** Some message has a field that is null, other than its content. */
  readonly hasNulls: boolean;
  /** Bytes of the longest `tool_call_id`, which some call has as its id. */
  readonly longestCallId: number;
}

const FIRST_OF_NULL = 0x6e;

/** Below this a parser is as fast. */
const MIN_BODY_BYTES = 4 * 1024;

/** Undefined where there is nothing to gain, or where bytes cannot stand for the messages. The body has to be valid JSON. */
export function splitMessages(source: Uint8Array): BodyAroundMessages | undefined {
  if (source.byteLength < MIN_BODY_BYTES) return undefined;
  const json = Buffer.from(source.buffer, source.byteOffset, source.byteLength);
  const found = new MessageFinder(json).find();
  if (!found || !isUtf8(json)) return undefined;
  const { start, bytes } = found;
  const body = JSON.parse(`${json.toString('utf8', 0, start)}[]${json.toString('utf8', start + bytes.length)}`) as JsonValue;
  return isJsonObject(body) ? { body, messages: found } : undefined;
}

interface FoundMessages extends MessageBytes {
  readonly start: number;
}

/** Looks for the one array of that name, and at what its messages hold, in one walk over the bytes. */
class MessageFinder {
  private readonly roles = new Set<string>();
  private readonly fields = new Set<string>();
  private readonly partFields = new Set<string>();
  private hasNulls = false;
  private longestCallId = 0;
  private readonly places: { readonly start: number; readonly end: number | undefined }[] = [];

  constructor(private readonly json: Buffer) {}

  /** Undefined where it is not there once, or where a name is spelled with escapes and may mean another. */
  find(): FoundMessages | undefined {
    const names = new Set<string>();
    walkObject(this.json, firstToken(this.json), (name, start) => {
      names.add(name);
      return name === 'messages' ? this.walkMessages(start) : undefined;
    });
    const { json, roles, fields, partFields, hasNulls, longestCallId } = this;
    const [place] = this.places;
    if (place?.end === undefined || this.places.length > 1) return undefined;
    if ([names, roles, fields, partFields].some((set) => [...set].some((name) => name.includes('\\')))) return undefined;
    return { start: place.start, bytes: json.subarray(place.start, place.end), roles, fields, partFields, hasNulls, longestCallId };
  }

  private walkMessages(start: number): number | undefined {
    const end = walkArray(this.json, start, (at) => walkObject(this.json, at, (name, value) => this.walkField(name, value)));
    this.places.push({ start, end });
    return end;
  }

  private walkField(name: string, start: number): number | undefined {
    this.fields.add(name);
    if (name !== 'content') this.hasNulls ||= this.json[start] === FIRST_OF_NULL;
    if (name === 'content') return walkArray(this.json, start, (at) => walkObject(this.json, at, (field) => void this.partFields.add(field)));
    if (name !== 'role' && name !== 'tool_call_id') return undefined;
    const end = endOfValue(this.json, start);
    if (name === 'tool_call_id') this.longestCallId = Math.max(this.longestCallId, end - start - 2);
    else this.roles.add(this.json.toString('latin1', start + 1, end - 1));
    return end;
  }
}

/**
 * The JSON of a body with these messages in it. A text, though bytes are at hand: dead texts go with the next scavenge, dead buffers
 * add up until V8 looks at the whole heap.
 */
export function joinMessages({ messages: _empty, ...rest }: JsonObject, { bytes }: MessageBytes): string {
  const others = JSON.stringify(rest);
  return `{"messages":${bytes.toString()}${others === '{}' ? '}' : `,${others.slice(1)}`}`;
}
