const LAST_VARINT_SHIFT = 28;
const LAST_VARLONG_SHIFT = 63;

/** Reads the big-endian fields of Kafka's protocol from a buffer. @throws RangeError at its end */
export class ByteReader {
  constructor(
    private readonly buffer: Buffer,
    private at = 0,
    private readonly end = buffer.length,
  ) {}

  get position(): number {
    return this.at;
  }

  get remaining(): number {
    return this.end - this.at;
  }

  /** The next bytes as a reader of their own; this one goes on behind them. */
  part(byteCount: number): ByteReader {
    const start = this.advance(byteCount);
    return new ByteReader(this.buffer, start, start + byteCount);
  }

  skip(byteCount: number): void {
    this.advance(byteCount);
  }

  int8(): number {
    return this.buffer.readInt8(this.advance(1));
  }

  int16(): number {
    return this.buffer.readInt16BE(this.advance(2));
  }

  int32(): number {
    return this.buffer.readInt32BE(this.advance(4));
  }

  int64(): bigint {
    return this.buffer.readBigInt64BE(this.advance(8));
  }

  /** A text behind its length in 16 bits; the protocol's null is read as empty. */
  text(): string {
    return this.utf8(this.int16());
  }

  /** Elements behind their count; the protocol's null is read as empty. */
  array<Element>(readElement: () => Element): Element[] {
    const elements: Element[] = [];
    for (let count = this.int32(); count > 0; count--) elements.push(readElement());
    return elements;
  }

  /** Zigzag, seven bits a byte, the low ones first; up to 32 bits. */
  varint(): number {
    let bits = 0;
    for (let shift = 0; shift <= LAST_VARINT_SHIFT; shift += 7) {
      const byte = this.buffer[this.advance(1)]!;
      bits |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (bits >>> 1) ^ -(bits & 1);
    }
    throw new RangeError('A varint is longer than 32 bits.');
  }

  /** Zigzag up to 64 bits; exact up to 53. */
  varlong(): number {
    let bits = 0;
    for (let shift = 0, unit = 1; shift <= LAST_VARLONG_SHIFT; shift += 7, unit *= 0x80) {
      const byte = this.buffer[this.advance(1)]!;
      bits += (byte & 0x7f) * unit;
      if (byte < 0x80) return bits % 2 === 0 ? bits / 2 : -(bits + 1) / 2;
    }
    throw new RangeError('A varlong is longer than 64 bits.');
  }

  /** A text behind its length as a varint; undefined is the protocol's null. */
  varintText(): string | undefined {
    const byteCount = this.varint();
    return byteCount < 0 ? undefined : this.utf8(byteCount);
  }

  private utf8(byteCount: number): string {
    if (byteCount <= 0) return '';
    const start = this.advance(byteCount);
    return this.buffer.toString('utf8', start, start + byteCount);
  }

  private advance(byteCount: number): number {
    const start = this.at;
    if (byteCount < 0 || start + byteCount > this.end) throw new RangeError(`${byteCount} bytes are not there.`);
    this.at = start + byteCount;
    return start;
  }
}
