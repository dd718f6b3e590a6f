import type { JsonObject, JsonValue } from '@switchyard/core';

/** A piece of content with one text that may be cut. */
export interface CapturedPart {
  readonly fields: JsonObject;
  /** Where the text goes. */
  readonly textField: string;
  readonly text: string;
  /** The text is JSON and stands there parsed, unless it is cut. */
  readonly isJson?: boolean | undefined;
}

/** One entry of an array of content: a message with its parts, or a part by itself. */
export interface CapturedEntry {
  readonly parts: readonly CapturedPart[];
  render(parts: readonly JsonObject[]): JsonObject;
}

export interface BoundedJson {
  /** A JSON array, never above the bound. */
  readonly json: string;
  /** Texts were shortened, or entries are missing. */
  readonly isCut: boolean;
}

const BRACKETS_BYTES = 2;
const COMMA_BYTES = 1;

/**
 * As many entries as fit into the bytes; the one that does not fit whole has its texts shortened, and those beyond it are left out.
 * `keep`: which end of the array matters more. Undefined when not even an empty array fits.
 */
export function boundedJson(entries: readonly CapturedEntry[], maxBytes: number, keep: 'first' | 'last'): BoundedJson | undefined {
  if (maxBytes < BRACKETS_BYTES) return undefined;
  const kept: string[] = [];
  let room = maxBytes - BRACKETS_BYTES;
  for (const entry of keep === 'first' ? entries : entries.toReversed()) {
    const whole = renderWithin(entry, Number.POSITIVE_INFINITY, room);
    const json = whole ?? shortened(entry, room);
    if (json !== undefined) kept.push(json);
    if (whole === undefined) return { json: arrayOf(kept, keep), isCut: true };
    room -= Buffer.byteLength(whole) + COMMA_BYTES;
  }
  return { json: arrayOf(kept, keep), isCut: false };
}

function arrayOf(kept: readonly string[], keep: 'first' | 'last'): string {
  return `[${(keep === 'first' ? kept : kept.toReversed()).join(',')}]`;
}

/** The entry with texts as long as the room allows, all cut at the same length; undefined when it does not fit at all. */
function shortened(entry: CapturedEntry, room: number): string | undefined {
  let best = renderWithin(entry, 0, room);
  let fits = 0;
  let tooLong = room;
  while (best !== undefined && tooLong - fits > 1) {
    const length = Math.floor((fits + tooLong) / 2);
    const json = renderWithin(entry, length, room);
    if (json === undefined) tooLong = length;
    else [best, fits] = [json, length];
  }
  return best;
}

function renderWithin(entry: CapturedEntry, maxCharacters: number, room: number): string | undefined {
  // A character takes a byte at least: what is far too long need not be written first.
  if (entry.parts.reduce((sum, { text }) => sum + Math.min(text.length, maxCharacters), 0) > room) return undefined;
  const json = JSON.stringify(entry.render(entry.parts.map((part) => renderPart(part, maxCharacters))));
  return Buffer.byteLength(json) <= room ? json : undefined;
}

function renderPart({ fields, textField, text, isJson }: CapturedPart, maxCharacters: number): JsonObject {
  if (text.length > maxCharacters) return { ...fields, [textField]: cutText(text, maxCharacters) };
  return { ...fields, [textField]: isJson ? parsed(text) : text };
}

/** The beginning, and that it is no more than that. */
export function cutText(text: string, maxCharacters: number): string {
  if (text.length <= maxCharacters) return text;
  const isInsidePair = /[\uD800-\uDBFF]/.test(text.charAt(maxCharacters - 1));
  return `${text.slice(0, isInsidePair ? maxCharacters - 1 : maxCharacters)}… [cut]`;
}

/** What is nested so deeply that it can be read and not be written again stays text, too. */
function parsed(text: string): JsonValue {
  try {
    const value = JSON.parse(text) as JsonValue;
    JSON.stringify(value);
    return value;
  } catch {
    return text;
  }
}
