import { asObjects, asString, isJsonObject, type JsonObject, type JsonValue } from '@switchyard/core';

type Segment = string | number;
const MAX_ARRAY_INDEX = 100_000;

/**
 * Arguments of a streamed function call: Gemini sends `partialArgs`, values at JSON paths, long strings in pieces
 * (https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling).
 */
export class PartialArguments {
  private readonly root: JsonObject;
  /** Path of the string that goes on in the next piece. */
  private openPath: string | undefined;

  constructor(start: JsonObject | undefined) {
    this.root = start ? structuredClone(start) : {};
  }

  add(partialArgs: JsonValue | undefined): void {
    for (const piece of asObjects(partialArgs)) {
      const path = asString(piece['jsonPath']);
      if (path === undefined) continue;
      const value = valueOf(piece);
      if (value !== undefined) this.set(segmentsOf(path), value, this.openPath === path);
      this.openPath = piece['willContinue'] === true ? path : undefined;
    }
  }

  toJson(): string {
    return JSON.stringify(this.root);
  }

  private set(segments: readonly Segment[], value: JsonValue, appends: boolean): void {
    const last = segments.at(-1);
    if (last === undefined) return;
    let holder: JsonValue = this.root;
    for (const [index, segment] of segments.slice(0, -1).entries()) {
      const next: JsonValue = typeof segments[index + 1] === 'number' ? [] : {};
      holder = child(holder, segment) ?? put(holder, segment, next);
    }
    const before = child(holder, last);
    put(holder, last, appends && typeof before === 'string' && typeof value === 'string' ? before + value : value);
  }
}

function valueOf(piece: JsonObject): JsonValue | undefined {
  if (piece['nullValue'] !== undefined) return null;
  return piece['stringValue'] ?? piece['numberValue'] ?? piece['boolValue'];
}

/** `$.a.b[0]['c d']` → a, b, 0, c d. Names that would reach into prototypes are left out. */
function segmentsOf(path: string): Segment[] {
  const segments: Segment[] = [];
  for (const match of path.matchAll(/\.([^.[\]]+)|\[(\d+)\]|\[(?:'([^']*)'|"([^"]*)")\]/g)) {
    if (match[2] !== undefined) segments.push(Math.min(Number(match[2]), MAX_ARRAY_INDEX));
    else segments.push(match[1] ?? match[3] ?? match[4] ?? '');
  }
  return segments.includes('__proto__') ? [] : segments;
}

function child(holder: JsonValue, segment: Segment): JsonValue | undefined {
  if (Array.isArray(holder)) return typeof segment === 'number' ? holder[segment] : undefined;
  return isJsonObject(holder) && Object.hasOwn(holder, String(segment)) ? holder[String(segment)] : undefined;
}

function put(holder: JsonValue, segment: Segment, value: JsonValue): JsonValue {
  if (Array.isArray(holder) && typeof segment === 'number') {
    while (holder.length < segment) holder.push(null);
    holder[segment] = value;
  } else if (isJsonObject(holder)) holder[String(segment)] = value;
  return value;
}
