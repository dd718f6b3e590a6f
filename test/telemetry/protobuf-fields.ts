/** One field of a message as the wire has it: a varint, eight or four bytes, or bytes of some length. */
export interface WireField {
  readonly number: number;
  readonly value: bigint | Buffer;
}

/** Reads a protobuf message without its schema, field by field (https://protobuf.dev/programming-guides/encoding/). */
export function* wireFields(message: Buffer): Generator<WireField> {
  let position = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[position++];
      if (byte === undefined) throw new RangeError('a message ends in the middle of a number');
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const bytes = (length: number): Buffer => {
    if (position + length > message.length) throw new RangeError('a message ends in the middle of a field');
    position += length;
    return message.subarray(position - length, position);
  };
  while (position < message.length) {
    const tag = Number(varint());
    const wireType = tag & 7;
    if (wireType === 0) yield { number: tag >>> 3, value: varint() };
    else if (wireType === 1) yield { number: tag >>> 3, value: bytes(8) };
    else if (wireType === 2) yield { number: tag >>> 3, value: bytes(Number(varint())) };
    else if (wireType === 5) yield { number: tag >>> 3, value: bytes(4) };
    else throw new TypeError(`there is no wire type ${wireType}`);
  }
}
