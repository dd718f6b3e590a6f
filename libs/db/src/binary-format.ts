/** Types whose values travel in Postgres' own binary form, by the names that SQL gives them. */
export type BinaryElementType = 'bigint' | 'boolean' | 'integer' | 'json' | 'jsonb' | 'numeric' | 'smallint' | 'text' | 'timestamptz' | 'uuid';

type WriteElement = (value: unknown, at: number) => number;

interface ElementFormat {
  /** Object id of the type, the same in every Postgres. */
  readonly typeId: number;
  /** Writes the value's length and bytes at the place; returns the place after them. */
  readonly write: WriteElement;
}

const FIRST_BYTES = 65_536;
const MAX_KEPT_BYTES = 2_097_152;
const MAX_SPARES = 4;
/** Where messages are put together, one at a time; it grows, and a very large one is not kept. */
export let scratch = Buffer.allocUnsafe(FIRST_BYTES);
/** Grown ones that came back: memory of this size is dear to get and to let go of. */
const spares: (typeof scratch)[] = [];
/** The same bytes: whole numbers are written by way of it, for compiled code does that without a call or an object, a bigint's 64 bits too. */
let numbers = viewOf(scratch);

const LENGTH_BYTES = 4;
/** The length that stands for NULL. */
const MISSING = -1;
/** A character of a JavaScript text takes at most three bytes in UTF-8. */
const MAX_BYTES_OF_CHARACTER = 3;
/** Shorter texts are written faster from here than by the runtime's own function. */
const SHORT_TEXT = 40;
const JSONB_VERSION = 1;
const POSTGRES_EPOCH_MS = 946_684_800_000;
const NUMERIC_VALUE_OUT_OF_RANGE = '22003';

export const FORMATS: Readonly<Record<BinaryElementType, ElementFormat>> = {
  bigint: { typeId: 20, write: writeBigint },
  boolean: { typeId: 16, write: writeBoolean },
  integer: { typeId: 23, write: writeInteger },
  json: { typeId: 114, write: writeJson },
  jsonb: { typeId: 3802, write: writeJsonb },
  numeric: { typeId: 1700, write: writeNumeric },
  smallint: { typeId: 21, write: writeSmallint },
  text: { typeId: 25, write: writeText },
  timestamptz: { typeId: 1184, write: writeTime },
  uuid: { typeId: 2950, write: writeUuid },
};

export function isBinaryElementType(type: string): type is BinaryElementType {
  return Object.hasOwn(FORMATS, type);
}

/** Makes room for so many bytes more. */
export function reserve(at: number, byteCount: number): void {
  if (at + byteCount <= scratch.length) return;
  const larger = Buffer.allocUnsafe(2 * (at + byteCount));
  scratch.copy(larger, 0, 0, at);
  replaceScratch(larger);
}

function replaceScratch(bytes: typeof scratch): void {
  scratch = bytes;
  numbers = viewOf(bytes);
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A copy of what was put together, which ends at the place. */
export function takeScratch(end: number): Buffer {
  const taken = Buffer.allocUnsafe(end);
  scratch.copy(taken, 0, 0, end);
  if (scratch.length > MAX_KEPT_BYTES) replaceScratch(Buffer.allocUnsafe(FIRST_BYTES));
  return taken;
}

/** What was put together, without a copy: it stays as it is until `giveBack`, and what follows is put together elsewhere. */
export function lendScratch(): typeof scratch {
  const lent = scratch;
  replaceScratch(spares.pop() ?? Buffer.allocUnsafe(FIRST_BYTES));
  return lent;
}

/** Nobody reads the lent bytes any more. */
export function giveBack(lent: typeof scratch): void {
  if (lent.length <= MAX_KEPT_BYTES && spares.length < MAX_SPARES) spares.push(lent);
}

export function writeMissing(at: number): number {
  reserve(at, LENGTH_BYTES);
  return writeLength(MISSING, at);
}

/** A number of 32 bits, such as the length of what follows. */
export function writeLength(length: number, at: number): number {
  numbers.setInt32(at, length);
  return at + LENGTH_BYTES;
}

/** A number of 16 bits that is known to fit, such as a row's number of columns. */
export function writeCount(count: number, at: number): number {
  numbers.setInt16(at, count);
  return at + 2;
}

/** Writes the bytes from `start` to `end` once more. */
export function writeAgain(start: number, end: number, at: number): number {
  const length = end - start;
  reserve(at, length);
  const bytes = scratch;
  if (length > SHORT_TEXT) bytes.copyWithin(at, start, end);
  else for (let index = 0; index < length; index++) bytes[at + index] = bytes[start + index]!;
  return at + length;
}

function writeText(value: unknown, at: number): number {
  return writeLengthAndCharacters(typeof value === 'string' ? value : String(value), at);
}

function writeJson(value: unknown, at: number): number {
  return writeLengthAndCharacters(typeof value === 'string' ? value : JSON.stringify(value), at);
}

function writeLengthAndCharacters(text: string, at: number): number {
  reserve(at, LENGTH_BYTES + MAX_BYTES_OF_CHARACTER * text.length);
  const start = at + LENGTH_BYTES;
  const end = start + writeCharacters(text, start);
  writeLength(end - start, at);
  return end;
}

/** Returns how many bytes the text took. Lone surrogates become U+FFFD, as everywhere in the driver. */
function writeCharacters(text: string, at: number): number {
  if (text.length > SHORT_TEXT) return scratch.write(text, at, 'utf8');
  const bytes = scratch;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code > 127) return bytes.write(text, at, 'utf8');
    bytes[at + index] = code;
  }
  return text.length;
}

function writeJsonb(value: unknown, at: number): number {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  reserve(at, LENGTH_BYTES + 1 + MAX_BYTES_OF_CHARACTER * text.length);
  const start = at + LENGTH_BYTES;
  scratch[start] = JSONB_VERSION;
  const end = start + 1 + writeCharacters(text, start + 1);
  writeLength(end - start, at);
  return end;
}

function writeBigint(value: unknown, at: number): number {
  reserve(at, LENGTH_BYTES + 8);
  const start = writeLength(8, at);
  if (typeof value === 'bigint') {
    if (BigInt.asIntN(64, value) !== value) throw outOfRange('bigint', value);
    numbers.setBigInt64(start, value);
    return start + 8;
  }
  if (typeof value !== 'number') throw notA('number', value);
  if (!Number.isSafeInteger(value)) throw new RangeError(`Not a whole number: ${value}.`);
  // Faster than by way of a bigint, and as exact.
  numbers.setInt32(start, Math.floor(value / 0x1_0000_0000));
  numbers.setUint32(start + 4, value >>> 0);
  return start + 8;
}

function writeInteger(value: unknown, at: number): number {
  reserve(at, LENGTH_BYTES + 4);
  const number = wholeNumber(value);
  if (number !== (number | 0)) throw outOfRange('integer', value);
  numbers.setInt32(writeLength(4, at), number);
  return at + LENGTH_BYTES + 4;
}

function writeSmallint(value: unknown, at: number): number {
  reserve(at, LENGTH_BYTES + 2);
  const number = wholeNumber(value);
  if (number !== (number << 16) >> 16) throw outOfRange('smallint', value);
  return writeCount(number, writeLength(2, at));
}

function wholeNumber(value: unknown): number {
  if (typeof value !== 'number' && typeof value !== 'bigint') throw notA('number', value);
  const number = Number(value);
  if (!Number.isInteger(number)) throw new RangeError(`Not a whole number: ${value}.`);
  return number;
}

function writeBoolean(value: unknown, at: number): number {
  if (typeof value !== 'boolean') throw notA('boolean', value);
  reserve(at, LENGTH_BYTES + 1);
  scratch[writeLength(1, at)] = value ? 1 : 0;
  return at + LENGTH_BYTES + 1;
}

function writeTime(value: unknown, at: number): number {
  if (!(value instanceof Date)) throw notA('date', value);
  const milliseconds = value.getTime() - POSTGRES_EPOCH_MS;
  const microseconds = milliseconds * 1_000;
  // Beyond the year 2285 a number is not exact.
  return writeBigint(Number.isSafeInteger(microseconds) ? microseconds : BigInt(milliseconds) * 1_000n, at);
}

const NUMERIC_BASE = 10_000n;
const NUMERIC_NEGATIVE = 0x4000;

/** Digits to the base 10,000, the most significant first, after their count, the power of the first, the sign and the decimals (none). */
function writeNumeric(value: unknown, at: number): number {
  if (typeof value !== 'number' && typeof value !== 'bigint') throw notA('number', value);
  const whole = BigInt(value);
  const digits: number[] = [];
  for (let rest = whole < 0n ? -whole : whole; rest > 0n; rest /= NUMERIC_BASE) digits.push(Number(rest % NUMERIC_BASE));
  const length = 8 + 2 * digits.length;
  reserve(at, LENGTH_BYTES + length);
  let next = writeLength(length, at);
  next = writeCount(digits.length, next);
  next = writeCount(Math.max(0, digits.length - 1), next);
  next = writeCount(whole < 0n ? NUMERIC_NEGATIVE : 0, next);
  next = writeCount(0, next);
  for (let index = digits.length - 1; index >= 0; index--) next = writeCount(digits[index]!, next);
  return next;
}

const UUID_LENGTH = 36;
const BARE_UUID_LENGTH = 32;
const HYPHEN = 45;

function writeUuid(value: unknown, at: number): number {
  if (typeof value !== 'string') throw notA('UUID', value);
  if (value.length === BARE_UUID_LENGTH) return writeUuid(dashed(value), at);
  if (value.length !== UUID_LENGTH) throw notA('UUID', value);
  reserve(at, LENGTH_BYTES + 16);
  const bytes = scratch;
  let next = writeLength(16, at);
  // Every digit is 0 to 15, so that a bit above those is left where one was none.
  let seen = 0;
  for (let index = 0; index < UUID_LENGTH; index += 2) {
    if (index === 8 || index === 13 || index === 18 || index === 23) {
      if (value.charCodeAt(index) !== HYPHEN) throw notA('UUID', value);
      index++;
    }
    const high = HEX_DIGITS[value.charCodeAt(index) & 0xff]!;
    const low = HEX_DIGITS[value.charCodeAt(index + 1) & 0xff]!;
    seen |= high | low | (value.charCodeAt(index) & 0xff00) | (value.charCodeAt(index + 1) & 0xff00);
    bytes[next++] = (high << 4) | low;
  }
  if (seen > 15) throw notA('UUID', value);
  return next;
}

/** By character code; 16 for what is no digit. */
const HEX_DIGITS = Uint8Array.from({ length: 256 }, (_, code) => {
  const digit = '0123456789abcdef'.indexOf(String.fromCharCode(code).toLowerCase());
  return digit === -1 ? 16 : digit;
});

function dashed(bare: string): string {
  return `${bare.slice(0, 8)}-${bare.slice(8, 12)}-${bare.slice(12, 16)}-${bare.slice(16, 20)}-${bare.slice(20)}`;
}

/** With the code that Postgres has for it: the value is to blame, and no other try changes that. */
function outOfRange(type: string, value: unknown): RangeError {
  return Object.assign(new RangeError(`Out of the range of ${type}: ${String(value)}.`), { code: NUMERIC_VALUE_OUT_OF_RANGE });
}

function notA(kind: string, value: unknown): TypeError {
  return new TypeError(`Not a ${kind}: ${String(value)}.`);
}
