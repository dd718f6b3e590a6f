import { ByteReader } from './byte-reader.js';

/** A record as kafkajs passes it on. Texts are decoded already, where kafkajs would give buffers. */
export interface FetchedMessage {
  readonly magicByte: number;
  readonly attributes: number;
  /** Unix milliseconds. */
  readonly timestamp: string;
  readonly offset: string;
  readonly key: string | undefined;
  readonly value: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly isControlRecord: boolean;
  /** What kafkajs drops the records of aborted transactions by. */
  readonly batchContext: { readonly inTransaction: boolean; readonly producerId: string };
}

export interface FetchedPartition {
  readonly partition: number;
  readonly errorCode: number;
  readonly highWatermark: string;
  readonly lastStableOffset: string;
  readonly lastStartOffset: string;
  readonly abortedTransactions: readonly { readonly producerId: string; readonly firstOffset: string }[];
  readonly preferredReadReplica: number;
  readonly messages: readonly FetchedMessage[];
}

export interface FetchResponse {
  readonly throttleTime: number;
  readonly clientSideThrottleTime: number;
  readonly errorCode: number;
  readonly sessionId: number;
  readonly responses: readonly { readonly topicName: string; readonly partitions: readonly FetchedPartition[] }[];
}

const FORMAT_VERSION = 2;
/** Base offset and length, which come before what the length counts. */
const BATCH_PREFIX_BYTES = 12;
const COMPRESSION_MASK = 0x07;
const LOG_APPEND_TIME_FLAG = 0x08;
const TRANSACTIONAL_FLAG = 0x10;
const CONTROL_FLAG = 0x20;

/** Thrown for records that are compressed or older than version 2 of the format; kafkajs's own decoder reads them. */
export class UnsupportedBatchError extends Error {}

/** Decodes the answer to a Fetch request of version 11. @throws UnsupportedBatchError */
export function decodeFetchResponse(bytes: Buffer): FetchResponse {
  const reader = new ByteReader(bytes);
  const clientSideThrottleTime = reader.int32();
  const errorCode = reader.int16();
  const sessionId = reader.int32();
  const responses = reader.array(() => ({ topicName: reader.text(), partitions: reader.array(() => decodePartition(reader)) }));
  // The wait is the client's to keep: the broker has not waited.
  return { throttleTime: 0, clientSideThrottleTime, errorCode, sessionId, responses };
}

function decodePartition(reader: ByteReader): FetchedPartition {
  return {
    partition: reader.int32(),
    errorCode: reader.int16(),
    highWatermark: reader.int64().toString(),
    lastStableOffset: reader.int64().toString(),
    lastStartOffset: reader.int64().toString(),
    abortedTransactions: reader.array(() => ({ producerId: reader.int64().toString(), firstOffset: reader.int64().toString() })),
    preferredReadReplica: reader.int32(),
    messages: decodeBatches(reader.part(Math.max(0, reader.int32()))),
  };
}

function decodeBatches(reader: ByteReader): FetchedMessage[] {
  const messages: FetchedMessage[] = [];
  while (reader.remaining > BATCH_PREFIX_BYTES) {
    const firstOffset = reader.int64();
    const byteCount = reader.int32();
    // The broker cuts the last batch where the bytes it may send end.
    if (byteCount > reader.remaining) break;
    decodeBatch(reader.part(byteCount), firstOffset, messages);
  }
  return messages;
}

function decodeBatch(reader: ByteReader, firstOffset: bigint, messages: FetchedMessage[]): void {
  reader.skip(4);
  const magicByte = reader.int8();
  if (magicByte !== FORMAT_VERSION) throw new UnsupportedBatchError();
  reader.skip(4);
  const attributes = reader.int16();
  if ((attributes & COMPRESSION_MASK) !== 0) throw new UnsupportedBatchError();
  reader.skip(4);
  const firstTimestampMs = reader.int64();
  const maxTimestampMs = reader.int64();
  const batchContext = { inTransaction: (attributes & TRANSACTIONAL_FLAG) !== 0, producerId: reader.int64().toString() };
  reader.skip(6);
  const isControlRecord = (attributes & CONTROL_FLAG) !== 0;
  for (let count = reader.int32(); count > 0; count--) {
    const record = reader.part(reader.varint());
    const recordAttributes = record.int8();
    const deltaMs = record.varlong();
    const timestampMs = (attributes & LOG_APPEND_TIME_FLAG) !== 0 ? maxTimestampMs : firstTimestampMs + deltaMs;
    messages.push({
      magicByte,
      attributes: recordAttributes,
      timestamp: timestampMs.toString(),
      offset: (firstOffset + BigInt(record.varint())).toString(),
      key: record.varintText(),
      value: record.varintText(),
      headers: decodeHeaders(record),
      isControlRecord,
      batchContext,
    });
  }
}

/** Of a name that comes twice the first value counts. */
function decodeHeaders(reader: ByteReader): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let count = reader.varint(); count > 0; count--) {
    const name = reader.varintText() ?? '';
    const value = reader.varintText();
    if (value !== undefined) headers[name] ??= value;
  }
  return headers;
}
