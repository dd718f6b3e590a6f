import { crc32 } from 'node:zlib';
import type { EventRecord } from '../event-log.js';
import type { SpoolRecord } from './spool-record.js';

/*
 * A frame: payload length (u32, little endian), CRC-32 of the payload (u32), payload. A payload: one byte of kind, then UTF-8 text, whose fields are lines:
 *   accepted   generation id, body            delivered  generation id
 *   completed  generation id, topic, key, headers as JSON, value        attempt  attempt id, then the same
 * Only the last field may itself hold line ends.
 */
const HEADER_BYTES = 8;
const KINDS = ['accepted', 'completed', 'delivered', 'attempt'] as const;
const LINE_END = '\n';

/** Longest payload that is written or believed: below the 1 MiB that Kafka takes, because a record that the log never takes would stop all behind it. */
export const MAX_PAYLOAD_BYTES = 900_000;

/** Frames of one event-loop turn, encoded in place into one buffer that is used again. */
export class FrameBuffer {
  private buffer: Buffer;
  private length = 0;

  constructor(initialBytes = 256 * 1024) {
    this.buffer = Buffer.allocUnsafe(initialBytes);
  }

  get byteLength(): number {
    return this.length;
  }

  add(record: SpoolRecord): void {
    const head = headOf(record);
    const rest = restOf(record);
    // A UTF-16 unit takes three bytes of UTF-8 at most.
    this.reserve(HEADER_BYTES + 1 + (head.length + rest.length) * 3);
    const payloadStart = this.length + HEADER_BYTES;
    this.buffer[payloadStart] = KINDS.indexOf(record.kind);
    // The long text by itself: together they would be copied once more, to be one text.
    const headBytes = this.buffer.write(head, payloadStart + 1, 'utf8');
    const payloadBytes = 1 + headBytes + this.buffer.write(rest, payloadStart + 1 + headBytes, 'utf8');
    if (payloadBytes > MAX_PAYLOAD_BYTES) throw new RangeError(`A spool record of ${payloadBytes} bytes is above the bound of ${MAX_PAYLOAD_BYTES}.`);
    this.buffer.writeUInt32LE(payloadBytes, this.length);
    this.buffer.writeUInt32LE(crc32(this.buffer.subarray(payloadStart, payloadStart + payloadBytes)), this.length + 4);
    this.length = payloadStart + payloadBytes;
  }

  /** The frames so far; valid until the next `add`. */
  take(): Buffer {
    const frames = this.buffer.subarray(0, this.length);
    this.length = 0;
    return frames;
  }

  private reserve(byteCount: number): void {
    if (this.length + byteCount <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.length + byteCount));
    this.buffer.copy(larger, 0, 0, this.length);
    this.buffer = larger;
  }
}

export interface DecodedFrames {
  readonly records: readonly SpoolRecord[];
  /** Bytes that whole, sound frames took. */
  readonly consumedBytes: number;
  /** What follows is not the beginning of a frame that more bytes could complete. */
  readonly isDamaged: boolean;
}

/** Decodes whole frames from the front. `verify` checks sums: needed for what an earlier process wrote. */
export function decodeFrames(bytes: Buffer, verify: boolean): DecodedFrames {
  const records: SpoolRecord[] = [];
  let offset = 0;
  while (bytes.length - offset >= HEADER_BYTES) {
    const payloadBytes = bytes.readUInt32LE(offset);
    if (payloadBytes === 0 || payloadBytes > MAX_PAYLOAD_BYTES) return { records, consumedBytes: offset, isDamaged: true };
    const payloadStart = offset + HEADER_BYTES;
    const payloadEnd = payloadStart + payloadBytes;
    if (payloadEnd > bytes.length) break;
    const isSound = !verify || crc32(bytes.subarray(payloadStart, payloadEnd)) === bytes.readUInt32LE(offset + 4);
    const record = isSound ? recordOf(bytes[payloadStart]!, bytes.toString('utf8', payloadStart + 1, payloadEnd)) : undefined;
    if (record === undefined) return { records, consumedBytes: offset, isDamaged: true };
    records.push(record);
    offset = payloadEnd;
  }
  return { records, consumedBytes: offset, isDamaged: false };
}

/** All fields of the payload but the last, with their line ends. */
function headOf(record: SpoolRecord): string {
  switch (record.kind) {
    case 'accepted':
      return record.generationId + LINE_END;
    case 'completed':
      return record.generationId + eventHead(record.event);
    case 'delivered':
      return '';
    case 'attempt':
      return record.attemptId + eventHead(record.event);
  }
}

function eventHead({ topic, key, headers }: EventRecord): string {
  return LINE_END + topic + LINE_END + key + LINE_END + JSON.stringify(headers) + LINE_END;
}

function restOf(record: SpoolRecord): string {
  switch (record.kind) {
    case 'accepted':
      return record.body;
    case 'delivered':
      return record.generationId;
    case 'completed':
    case 'attempt':
      return record.event.value;
  }
}

function recordOf(kindCode: number, text: string): SpoolRecord | undefined {
  const kind = KINDS[kindCode];
  if (kind === 'delivered') return { kind, generationId: text };
  const idEnd = text.indexOf(LINE_END);
  if (kind === undefined || idEnd < 0) return undefined;
  const id = text.slice(0, idEnd);
  if (kind === 'accepted') return { kind, generationId: id, body: text.slice(idEnd + 1) };
  const event = eventOf(text, idEnd + 1);
  if (event === undefined) return undefined;
  return kind === 'completed' ? { kind, generationId: id, event } : { kind, attemptId: id, event };
}

function eventOf(text: string, start: number): EventRecord | undefined {
  const topicEnd = text.indexOf(LINE_END, start);
  const keyEnd = topicEnd < 0 ? -1 : text.indexOf(LINE_END, topicEnd + 1);
  const headersEnd = keyEnd < 0 ? -1 : text.indexOf(LINE_END, keyEnd + 1);
  if (headersEnd < 0) return undefined;
  return {
    topic: text.slice(start, topicEnd),
    key: text.slice(topicEnd + 1, keyEnd),
    headers: JSON.parse(text.slice(keyEnd + 1, headersEnd)) as Record<string, string>,
    value: text.slice(headersEnd + 1),
  };
}
