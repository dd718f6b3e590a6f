import { ByteWriter } from './byte-writer.js';
import { writeRecordBatch, type BatchedMessage } from './record-batch.js';

/** What kafkajs hands to the encoder of a Produce request. */
export interface ProduceArguments {
  readonly acks: number;
  /** Milliseconds that the broker may take. */
  readonly timeout: number;
  /** -1 without idempotence; kafkajs holds it as text or as its own 64-bit number. */
  readonly producerId?: { toString(): string };
  readonly producerEpoch?: number;
  readonly topicData: readonly {
    readonly topic: string;
    readonly partitions: readonly { readonly partition: number; readonly firstSequence?: number; readonly messages: readonly BatchedMessage[] }[];
  }[];
}

/** What kafkajs reads of an encoder. */
interface EncodedRequest {
  readonly buf: Buffer;
  readonly buffer: Buffer;
}

export interface ProduceRequest {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly apiName: string;
  expectResponse(): boolean;
  encode(): Promise<EncodedRequest>;
}

const API_KEY = 0;
const BYTES_AROUND_RECORDS = 8 * 1024;
/** Of a record besides its key and value: mostly its headers. */
const BYTES_AROUND_VALUE = 512;
const NO_PRODUCER = -1n;

/** A Produce request of the versions 3 to 7, without transactions and compression, which this system uses neither of. */
export function produceRequest(apiVersion: number, fields: ProduceArguments): ProduceRequest {
  return {
    apiKey: API_KEY,
    apiVersion,
    apiName: 'Produce',
    expectResponse: () => fields.acks !== 0,
    encode: async () => {
      const buffer = encode(fields);
      return { buf: buffer, buffer };
    },
  };
}

function encode({ acks, timeout, producerId, producerEpoch, topicData }: ProduceArguments): Buffer {
  const writer = new ByteWriter(likelyBytes(topicData));
  const timestampMs = Date.now();
  writer.text(undefined);
  writer.int16(acks);
  writer.int32(timeout);
  writer.int32(topicData.length);
  for (const { topic, partitions } of topicData) {
    writer.text(topic);
    writer.int32(partitions.length);
    for (const { partition, firstSequence = 0, messages } of partitions) {
      writer.int32(partition);
      const sizePosition = writer.reserveInt32();
      writeRecordBatch(writer, messages, {
        producerId: producerId === undefined ? NO_PRODUCER : BigInt(producerId.toString()),
        producerEpoch: producerEpoch ?? 0,
        firstSequence,
        timestampMs,
      });
      writer.patchLength(sizePosition);
    }
  }
  return writer.bytes;
}

/** Enough for events in ASCII, so that the buffer need not grow. */
function likelyBytes(topicData: ProduceArguments['topicData']): number {
  let byteCount = BYTES_AROUND_RECORDS;
  for (const { partitions } of topicData) {
    for (const { messages } of partitions) {
      for (const { key, value } of messages) byteCount += key.length + value.length + BYTES_AROUND_VALUE;
    }
  }
  return byteCount;
}
