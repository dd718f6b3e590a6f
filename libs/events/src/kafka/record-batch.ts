import type { ByteWriter } from './byte-writer.js';

/** A record as Kafka stores it. */
export interface BatchedMessage {
  readonly key: string;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface BatchProducer {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly firstSequence: number;
  /** Of all records of the batch, unix milliseconds. */
  readonly timestampMs: number;
}

const FORMAT_VERSION = 2;
const NO_ATTRIBUTES = 0;
const UNKNOWN_LEADER_EPOCH = 0;
/** Every record of a batch bears the first one's time. */
const NO_TIMESTAMP_DELTA = 0;

/** Appends a record batch (magic 2, not compressed). */
export function writeRecordBatch(writer: ByteWriter, messages: readonly BatchedMessage[], producer: BatchProducer): void {
  writer.int64(0n);
  const lengthPosition = writer.reserveInt32();
  writer.int32(UNKNOWN_LEADER_EPOCH);
  writer.int8(FORMAT_VERSION);
  const sumPosition = writer.reserveInt32();
  writer.int16(NO_ATTRIBUTES);
  writer.int32(messages.length - 1);
  writer.int64(BigInt(producer.timestampMs));
  writer.int64(BigInt(producer.timestampMs));
  writer.int64(producer.producerId);
  writer.int16(producer.producerEpoch);
  writer.int32(producer.firstSequence);
  writer.int32(messages.length);
  messages.forEach((message, index) => writeRecord(writer, message, index));
  writer.patchLength(lengthPosition);
  writer.patchChecksum(sumPosition);
}

function writeRecord(writer: ByteWriter, { key, value, headers }: BatchedMessage, offsetDelta: number): void {
  const names = Object.keys(headers);
  writer.sizedByVarint(key.length + value.length + characters(headers, names), () => {
    writer.int8(NO_ATTRIBUTES);
    writer.varint(NO_TIMESTAMP_DELTA);
    writer.varint(offsetDelta);
    writer.varintText(key);
    writer.varintText(value);
    writer.varint(names.length);
    for (const name of names) {
      writer.varintText(name);
      writer.varintText(headers[name]!);
    }
  });
}

function characters(headers: Readonly<Record<string, string>>, names: readonly string[]): number {
  let count = 0;
  for (const name of names) count += name.length + headers[name]!.length;
  return count;
}
