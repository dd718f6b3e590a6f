import { SwitchyardError } from '@switchyard/errors';

export type JsonObject = Record<string, unknown>;

const PROTOTYPE = '__proto__';
/** Most names in one object: a schema may look at each, and keeps an issue for each that is wrong. */
const MAX_NAMES = 10_000;

/**
 * Parses a request body that must be one JSON object, nested at most `maxNestingDepth` deep and with a bounded number of names in each object.
 * @throws SwitchyardError `invalid_request`
 */
export function parseJsonObject(body: Uint8Array | string, maxNestingDepth: number): JsonObject {
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
  const excess = excessOf(value, maxNestingDepth);
  if (excess === 'levels') throw new SwitchyardError('invalid_request', `The request body is nested more than ${maxNestingDepth} levels deep`);
  if (excess === 'names') throw new SwitchyardError('invalid_request', `The request body has an object with more than ${MAX_NAMES} names`);
  return value;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function decodeUtf8(body: Uint8Array): string {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
}

/** Recursion stops at the bound, so a hostile body cannot exhaust the stack. */
function excessOf(container: object, levels: number): 'levels' | 'names' | undefined {
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
