import { crc32c } from './crc32c.js';

const MAX_VARINT_BYTES = 5;
/** A UTF-16 unit takes three bytes of UTF-8 at most. */
const MAX_BYTES_PER_CHARACTER = 3;
/** Characters that are written one by one sooner than by a call into the runtime. */
const SHORT_TEXT_CHARACTERS = 48;

/** Writes the big-endian fields of Kafka's protocol into one buffer that grows. */
export class ByteWriter {
  private buffer: Buffer;
  private view: DataView;
  private position = 0;

  constructor(initialBytes: number) {
    this.buffer = Buffer.allocUnsafe(initialBytes);
    this.view = viewOf(this.buffer);
  }

  get length(): number {
    return this.position;
  }

  /** What was written; valid until the next write. */
  get bytes(): Buffer {
    return this.buffer.subarray(0, this.position);
  }

  /** Writes over what was written. */
  restart(): void {
    this.position = 0;
  }

  int8(value: number): void {
    this.ensure(1);
    this.buffer[this.position++] = value;
  }

  int16(value: number): void {
    this.ensure(2);
    this.view.setInt16(this.position, value);
    this.position += 2;
  }

  int32(value: number): void {
    this.ensure(4);
    this.view.setInt32(this.position, value);
    this.position += 4;
  }

  int64(value: bigint): void {
    this.ensure(8);
    this.view.setBigInt64(this.position, value);
    this.position += 8;
  }

  /** A text behind its length in 16 bits; undefined is the protocol's null. */
  text(value: string | undefined): void {
    if (value === undefined) return this.int16(-1);
    this.int16(Buffer.byteLength(value));
    this.ensure(value.length * MAX_BYTES_PER_CHARACTER);
    this.position += this.buffer.write(value, this.position);
  }

  /** Zigzag, seven bits a byte, the low ones first. */
  varint(value: number): void {
    this.ensure(MAX_VARINT_BYTES);
    this.position = this.putVarint(value, this.position);
  }

  /** A text behind its length as a varint. */
  varintText(value: string): void {
    this.ensure(MAX_VARINT_BYTES + value.length * MAX_BYTES_PER_CHARACTER);
    const start = this.position;
    // Text is nearly always ASCII, whose length is known before it is encoded.
    const prefixBytes = varintBytes(value.length);
    const byteCount = this.putText(value, start + prefixBytes);
    this.position = start + prefixBytes + byteCount;
    this.putLengthBefore(start, prefixBytes, byteCount);
  }

  /** What `write` writes, behind its length as a varint; the closer the guess, the less is moved. */
  sizedByVarint(guessedBytes: number, write: () => void): void {
    this.ensure(MAX_VARINT_BYTES);
    const start = this.position;
    const prefixBytes = varintBytes(guessedBytes);
    this.position = start + prefixBytes;
    write();
    this.putLengthBefore(start, prefixBytes, this.position - start - prefixBytes);
  }

  /** Leaves four bytes free and returns where they are. */
  reserveInt32(): number {
    this.ensure(4);
    this.position += 4;
    return this.position - 4;
  }

  /** Fills reserved bytes with the length of all that was written behind them. */
  patchLength(position: number): void {
    this.view.setInt32(position, this.position - position - 4);
  }

  /** Fills reserved bytes with the checksum of all that was written behind them. */
  patchChecksum(position: number): void {
    this.view.setUint32(position, crc32c(this.view, position + 4, this.position));
  }

  /** Returns how many bytes it took. */
  private putText(value: string, position: number): number {
    if (value.length > SHORT_TEXT_CHARACTERS) return this.buffer.write(value, position);
    for (let index = 0; index < value.length; index++) {
      const code = value.charCodeAt(index);
      if (code > 0x7f) return this.buffer.write(value, position);
      this.buffer[position + index] = code;
    }
    return value.length;
  }

  private putLengthBefore(start: number, prefixBytes: number, byteCount: number): void {
    const neededBytes = varintBytes(byteCount);
    if (neededBytes !== prefixBytes) {
      this.ensure(MAX_VARINT_BYTES);
      this.buffer.copyWithin(start + neededBytes, start + prefixBytes, start + prefixBytes + byteCount);
      this.position = start + neededBytes + byteCount;
    }
    this.putVarint(byteCount, start);
  }

  private putVarint(value: number, position: number): number {
    let rest = ((value << 1) ^ (value >> 31)) >>> 0;
    while (rest > 0x7f) {
      this.buffer[position++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.buffer[position++] = rest;
    return position;
  }

  private ensure(byteCount: number): void {
    if (this.position + byteCount <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.position + byteCount));
    this.buffer.copy(larger, 0, 0, this.position);
    this.buffer = larger;
    this.view = viewOf(larger);
  }
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** Bytes of a varint of a number that is not negative. */
function varintBytes(value: number): number {
  if (value < 0x40) return 1;
  if (value < 0x2000) return 2;
  if (value < 0x10_0000) return 3;
  return value < 0x800_0000 ? 4 : 5;
}
