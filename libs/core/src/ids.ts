import type { Clock, RandomSource } from './clock.js';

const BASE62 = Buffer.from('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz', 'latin1');

/** `gen-<unix seconds>-<20 base62 characters>`, the public id of a generation; it carries its own creation time. */
export function newGenerationId(clock: Clock, random: RandomSource): string {
  return `gen-${Math.floor(clock.nowMs() / 1000)}-${base62(random, 20)}`;
}

/** Unix milliseconds inside a generation id, or undefined when it is not one. */
export function generationIdTimeMs(generationId: string): number | undefined {
  const match = /^gen-(\d{1,12})-[0-9A-Za-z]{20}$/.exec(generationId);
  return match ? Number(match[1]) * 1000 : undefined;
}

/** `<generation>:<index>`. */
export function attemptId(generationId: string, index: number): string {
  return `${generationId}:${index}`;
}

/** UUIDv7 (RFC 9562): 48 bits of unix milliseconds, then randomness. */
export function newEventId(clock: Clock, random: RandomSource): string {
  const bytes = random.bytes(16);
  let timeMs = clock.nowMs();
  for (let index = 5; index >= 0; index--) {
    bytes[index] = timeMs % 256;
    timeMs = Math.floor(timeMs / 256);
  }
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return dashedHex(bytes);
}

/** Ids are put together here: one text in one piece, instead of pieces that its first reader would have to join. */
const letters = Buffer.alloc(64);
const HEX_LETTERS = Buffer.from('0123456789abcdef', 'latin1');
const DASH = 45;

function dashedHex(bytes: Uint8Array): string {
  let end = 0;
  for (let index = 0; index < 16; index++) {
    if (index === 4 || index === 6 || index === 8 || index === 10) letters[end++] = DASH;
    letters[end++] = HEX_LETTERS[bytes[index]! >> 4]!;
    letters[end++] = HEX_LETTERS[bytes[index]! & 0x0f]!;
  }
  return letters.toString('latin1', 0, end);
}

/** Unix milliseconds inside a UUIDv7, or undefined when it is not one. */
export function eventIdTimeMs(eventId: string): number | undefined {
  const hex = DASHED.test(eventId) ? eventId.slice(0, 8) + eventId.slice(9, 13) : bareTimeDigits(eventId.replaceAll('-', ''));
  return hex === undefined ? undefined : Number.parseInt(hex, 16);
}

const DASHED = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

function bareTimeDigits(hex: string): string | undefined {
  return /^[0-9a-f]{12}7[0-9a-f]{19}$/i.test(hex) ? hex.slice(0, 12) : undefined;
}

/** Another event id, always the same for the same id: for a second event that whoever repeats the first has to name alike. */
export function companionEventId(eventId: string): string {
  const last = Number.parseInt(eventId.slice(-1), 16);
  return eventId.slice(0, -1) + (last ^ 1).toString(16);
}

/** Uniform base62 text; bytes that would bias it are thrown away. */
export function base62(random: RandomSource, length: number): string {
  if (length > letters.length) throw new RangeError(`An id of ${length} characters is longer than ${letters.length}.`);
  for (let end = 0; end < length;) {
    const bytes = random.bytes(length + 8);
    for (let index = 0; index < bytes.length && end < length; index++) {
      if (bytes[index]! < 248) letters[end++] = BASE62[bytes[index]! % 62]!;
    }
  }
  return letters.toString('latin1', 0, length);
}
