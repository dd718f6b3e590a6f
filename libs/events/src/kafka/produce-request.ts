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
const INITIAL_BYTES = 256 * 1024;
const NO_BYTES = Buffer.alloc(0);
const NO_PRODUCER = -1n;
/** Of all requests: a buffer of its own for each would be what the whole heap is collected for again and again. */
const scratch = new ByteWriter(INITIAL_BYTES);

/** A Produce request of the versions 3 to 7, without transactions and compression, which this system uses neither of. */
export function produceRequest(apiVersion: number, fields: ProduceArguments): ProduceRequest {
  return {
    apiKey: API_KEY,
    apiVersion,
    apiName: 'Produce',
    expectResponse: () => fields.acks !== 0,
    encode: async () => new LateEncoding(fields),
  };
}

/** Encoded at the moment in which kafkajs copies the bytes, so that requests to several brokers do not need a buffer each. */
class LateEncoding implements EncodedRequest {
  /** kafkajs only looks whether it is a buffer. */
  readonly buf = NO_BYTES;

  constructor(private readonly fields: ProduceArguments) {}

  /** Valid until the next request is encoded. */
  get buffer(): Buffer {
    return encode(this.fields);
  }
}

function encode({ acks, timeout, producerId, producerEpoch, topicData }: ProduceArguments): Buffer {
  const writer = scratch;
  writer.restart();
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
