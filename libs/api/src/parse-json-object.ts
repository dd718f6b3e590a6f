import { SwitchyardError } from '@switchyard/errors';

export type JsonObject = Record<string, unknown>;

const PROTOTYPE = '__proto__';
/** Most names in one object: a schema may look at each, and keeps an issue for each that is wrong. */
const MAX_NAMES = 10_000;
/** Smaller bodies are parsed in no time, whatever they hold. */
const MIN_CHECKED_BYTES = 256 * 1024;
/** Texts, names, objects and arrays in one body. They may be a few bytes each: of millions the parser makes more than a gigabyte, and the process stands still for seconds. */
const MAX_ITEMS = 500_000;

/**
 * Parses a request body that must be one JSON object, nested at most `maxNestingDepth` deep, with a bounded number of names in each object and of all it holds.
 * @throws SwitchyardError `invalid_request`
 */
export function parseJsonObject(body: Uint8Array | string, maxNestingDepth: number): JsonObject {
  if (typeof body !== 'string' && body.byteLength >= MIN_CHECKED_BYTES) refuseExcess(excessOfBytes(body, maxNestingDepth), maxNestingDepth);
  let value: unknown;
  try {
    value = JSON.parse(typeof body === 'string' ? body : decodeUtf8(body));
  } catch {
    // The parser's own message quotes the body, which may be a prompt.
    throw new SwitchyardError(
      'invalid_request',
      body.length === 0 ? 'The request body is empty; expected a JSON object' : 'The request body is not valid JSON',
    );
  }
  if (!isObject(value)) throw new SwitchyardError('invalid_request', 'The request body must be a JSON object');
  // Copied field by field it would be the copy's prototype: fields that nobody sees where they are checked, and all see where they are read.
  if (Object.hasOwn(value, PROTOTYPE))
    throw new SwitchyardError('invalid_request', `Unrecognized key(s) in object: '${PROTOTYPE}'`, { metadata: { param: PROTOTYPE } });
  refuseExcess(excessOf(value, maxNestingDepth), maxNestingDepth);
  return value;
}

type Excess = 'levels' | 'names' | 'items';

function refuseExcess(excess: Excess | undefined, maxNestingDepth: number): void {
  if (excess === 'levels') throw new SwitchyardError('invalid_request', `The request body is nested more than ${maxNestingDepth} levels deep`);
  if (excess === 'names') throw new SwitchyardError('invalid_request', `The request body has an object with more than ${MAX_NAMES} names`);
  if (excess === 'items') throw new SwitchyardError('invalid_request', `The request body holds more than ${MAX_ITEMS} texts, names, objects and arrays`);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function decodeUtf8(body: Uint8Array): string {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
}

/** Recursion stops at the bound, so a hostile body cannot exhaust the stack. */
function excessOf(container: object, levels: number): Excess | undefined {
  if (levels === 0) return 'levels';
  if (Array.isArray(container)) {
    for (const item of container) {
      const excess = typeof item === 'object' && item !== null ? excessOf(item, levels - 1) : undefined;
      if (excess) return excess;
    }
    return undefined;
  }
  let nameCount = 0;
  for (const key in container) {
    if (++nameCount > MAX_NAMES) return 'names';
    const item = (container as JsonObject)[key];
    const excess = typeof item === 'object' && item !== null ? excessOf(item, levels - 1) : undefined;
    if (excess) return excess;
  }
  return undefined;
}

const QUOTE = 0x22;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** What can be told before anything is made of it. A prompt is one text, which is walked over in one step. */
function excessOfBytes({ buffer, byteOffset, byteLength }: Uint8Array, maxNestingDepth: number): Excess | undefined {
  const json = Buffer.from(buffer, byteOffset, byteLength);
  let depth = 0;
  let itemCount = 0;
  for (let at = 0; at < byteLength; at++) {
    const byte = json[at]!;
    if (byte === QUOTE) {
      at = endOfText(json, at);
      itemCount++;
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (++depth > maxNestingDepth) return 'levels';
      itemCount++;
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth--;
    if (itemCount > MAX_ITEMS) return 'items';
  }
  return undefined;
}

/** Its last quote. */
function endOfText(json: Buffer, start: number): number {
  const quote = json.indexOf(QUOTE, start + 1);
  if (quote === -1) return json.length;
  if (json[quote - 1] !== BACKSLASH) return quote;
  let at = start + 1;
  while (at < json.length && json[at] !== QUOTE) at += json[at] === BACKSLASH ? 2 : 1;
  return at;
}
