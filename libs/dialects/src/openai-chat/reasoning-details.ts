import { asString, type JsonObject, type JsonValue } from '@switchyard/core';

/** Where a kind of entry keeps the text that a stream sends in pieces. */
const TEXT_FIELDS: ReadonlyMap<JsonValue | undefined, string> = new Map([
  ['reasoning.text', 'text'],
  ['reasoning.summary', 'summary'],
]);

const SIGNED_FORMATS = ['anthropic-claude-v1', 'google-gemini-v1', 'openai-responses-v1'];

/**
 * `reasoning_details` of an earlier answer as it would have been told whole. Some clients give back the pieces of a stream as they came, and a signature
 * holds for the whole text alone; others join the texts of all pieces, the format's too.
 */
export function joinReasoningPieces(details: readonly JsonObject[]): JsonObject[] {
  const entries: JsonObject[] = [];
  /** Positions of the texts that may go on, by kind and index. */
  const open = new Map<string, number>();
  for (const detail of details) {
    const textField = TEXT_FIELDS.get(detail['type']);
    if (textField === undefined || typeof detail['index'] !== 'number') {
      entries.push(saidOnce(detail));
      continue;
    }
    const key = `${textField} ${detail['index']}`;
    const position = open.get(key);
    if (position === undefined) open.set(key, entries.push(saidOnce(detail)) - 1);
    else entries[position] = joined(entries[position]!, detail, textField);
    // Nothing follows a signature; what has the same index is of another answer.
    if (detail['signature']) open.delete(key);
  }
  return entries;
}

function joined(entry: JsonObject, piece: JsonObject, textField: string): JsonObject {
  const text = (asString(entry[textField]) ?? '') + (asString(piece[textField]) ?? '');
  return { ...piece, ...entry, [textField]: text, ...(piece['signature'] ? { signature: piece['signature'] } : {}) };
}

function saidOnce(detail: JsonObject): JsonObject {
  const format = asString(detail['format']);
  const known = format && SIGNED_FORMATS.find((name) => format.length > name.length && format === name.repeat(format.length / name.length));
  return known ? { ...detail, format: known } : detail;
}
