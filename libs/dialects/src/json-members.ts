/** Is told where a value begins; returns where it ended when it has walked over it itself. */
export type ValueVisitor = (start: number) => number | undefined;
/** `name` is as spelled between its quotes: escapes are not resolved. */
export type MemberVisitor = (name: string, start: number) => number | undefined;

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * Walks over the object that begins at `start` without parsing its values; returns where it ends, undefined where there is no object.
 * The bytes have to be valid JSON; over others it comes to an end, too.
 */
export function walkObject(json: Buffer, start: number, visit: MemberVisitor): number | undefined {
  if (json[start] !== OPEN_BRACE) return undefined;
  let at = nextToken(json, start + 1);
  while (json[at] === QUOTE) {
    const nameEnd = endOfString(json, at);
    const valueStart = nextToken(json, nextToken(json, nameEnd) + 1);
    const end = visit(json.toString('latin1', at + 1, nameEnd - 1), valueStart) ?? endOfValue(json, valueStart);
    at = nextToken(json, end);
  }
  return at + 1;
}

/** The same for the elements of an array. */
export function walkArray(json: Buffer, start: number, visit: ValueVisitor): number | undefined {
  if (json[start] !== OPEN_BRACKET) return undefined;
  let at = nextToken(json, start + 1);
  while (at < json.length && json[at] !== CLOSE_BRACKET) {
    at = nextToken(json, visit(at) ?? endOfValue(json, at));
  }
  return at + 1;
}

/** Where a document's value begins. */
export function firstToken(json: Buffer): number {
  return nextToken(json, 0);
}

export function endOfValue(json: Buffer, start: number): number {
  if (json[start] === QUOTE) return endOfString(json, start);
  if (json[start] === OPEN_BRACE || json[start] === OPEN_BRACKET) return endOfContainer(json, start);
  const { length } = json;
  let at = start + 1;
  while (at < length && !isDelimiter(json[at]!)) at++;
  return at;
}

/** Over blanks and the comma behind a value. */
function nextToken(json: Buffer, start: number): number {
  const { length } = json;
  let at = start;
  while (at < length && (json[at]! <= 0x20 || json[at] === COMMA)) at++;
  return at;
}

function endOfContainer(json: Buffer, start: number): number {
  const { length } = json;
  let depth = 0;
  let at = start;
  while (at < length) {
    const byte = json[at]!;
    if (byte === QUOTE) {
      at = endOfString(json, at);
      continue;
    }
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
    else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --depth === 0) return at + 1;
    at++;
  }
  return at;
}

/** Where quotes are further apart than this, searching for them is faster than looking at each byte. */
const SEARCHED_BYTES_PER_QUOTE = 32;

function endOfString(json: Buffer, start: number): number {
  let quote = start;
  let quoteCount = 0;
  do {
    quote = json.indexOf(QUOTE, quote + 1);
    if (quote === -1) return json.length;
    if (!isEscaped(json, quote)) return quote + 1;
    quoteCount++;
  } while (quote - start >= SEARCHED_BYTES_PER_QUOTE * quoteCount);
  return endOfQuotingString(json, quote + 1);
}

function endOfQuotingString(json: Buffer, start: number): number {
  const { length } = json;
  let at = start;
  while (at < length && json[at] !== QUOTE) at += json[at] === BACKSLASH ? 2 : 1;
  return at + 1;
}

function isEscaped(json: Buffer, quote: number): boolean {
  let before = quote - 1;
  while (json[before] === BACKSLASH) before--;
  return (quote - before) % 2 === 0;
}

function isDelimiter(byte: number): boolean {
  return byte <= 0x20 || byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET;
}
