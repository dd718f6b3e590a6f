import { ByteReader } from './byte-reader.js';

/** What the records of one batch have in common. */
interface RecordBatch {
  readonly bytes: Buffer;
  readonly isControl: boolean;
  /** What kafkajs drops the records of aborted transactions by. */
  readonly context: { readonly inTransaction: boolean; readonly producerId: string };
}

/**
 * A record as kafkajs passes it on: what kafkajs itself reads of it, and what we do. Numbers are numbers already and texts are decoded, where kafkajs would give
 * texts and buffers. It keeps the bytes of the whole fetch: they live as long as the batch that is handled.
 */
export class FetchedMessage {
  readonly isControlRecord: boolean;
  readonly batchContext: RecordBatch['context'];

  constructor(
    private readonly batch: RecordBatch,
    readonly offset: bigint,
    /** Unix milliseconds. */
    readonly timestamp: number,
    readonly key: string | undefined,
    readonly value: string | undefined,
    private readonly headersStart: number,
    private readonly headersEnd: number,
  ) {
    this.isControlRecord = batch.isControl;
    this.batchContext = batch.context;
  }

  /** Decoded whenever they are asked for, which they are of few records: decoding them takes twice as long as all the rest. */
  get headers(): Readonly<Record<string, string>> {
    return decodeHeaders(new ByteReader(this.batch.bytes, this.headersStart, this.headersEnd));
  }
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
const RECORD_ATTRIBUTES_BYTES = 1;
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
  const responses = reader.array(() => ({ topicName: reader.text(), partitions: reader.array(() => decodePartition(bytes, reader)) }));
  // The wait is the client's to keep: the broker has not waited.
  return { throttleTime: 0, clientSideThrottleTime, errorCode, sessionId, responses };
}

function decodePartition(bytes: Buffer, reader: ByteReader): FetchedPartition {
  return {
    partition: reader.int32(),
    errorCode: reader.int16(),
    highWatermark: reader.int64().toString(),
    lastStableOffset: reader.int64().toString(),
    lastStartOffset: reader.int64().toString(),
    abortedTransactions: reader.array(() => ({ producerId: reader.int64().toString(), firstOffset: reader.int64().toString() })),
    preferredReadReplica: reader.int32(),
    messages: decodeBatches(bytes, reader.part(Math.max(0, reader.int32()))),
  };
}

function decodeBatches(bytes: Buffer, reader: ByteReader): FetchedMessage[] {
  const messages: FetchedMessage[] = [];
  while (reader.remaining > BATCH_PREFIX_BYTES) {
    const firstOffset = reader.int64();
    const byteCount = reader.int32();
    // The broker cuts the last batch where the bytes it may send end.
    if (byteCount > reader.remaining) break;
    decodeBatch(bytes, reader.part(byteCount), firstOffset, messages);
  }
  return messages;
}

function decodeBatch(bytes: Buffer, reader: ByteReader, firstOffset: bigint, messages: FetchedMessage[]): void {
  reader.skip(4);
  if (reader.int8() !== FORMAT_VERSION) throw new UnsupportedBatchError();
  reader.skip(4);
  const attributes = reader.int16();
  if ((attributes & COMPRESSION_MASK) !== 0) throw new UnsupportedBatchError();
  reader.skip(4);
  const firstTimestampMs = Number(reader.int64());
  const maxTimestampMs = Number(reader.int64());
  const hasLogTime = (attributes & LOG_APPEND_TIME_FLAG) !== 0;
  const context = { inTransaction: (attributes & TRANSACTIONAL_FLAG) !== 0, producerId: reader.int64().toString() };
  const batch: RecordBatch = { bytes, isControl: (attributes & CONTROL_FLAG) !== 0, context };
  reader.skip(6);
  for (let count = reader.int32(); count > 0; count--) {
    const byteCount = reader.varint();
    const end = reader.position + byteCount;
    reader.skip(RECORD_ATTRIBUTES_BYTES);
    const deltaMs = reader.varlong();
    const offset = firstOffset + BigInt(reader.varint());
    const key = reader.varintText();
    const value = reader.varintText();
    messages.push(new FetchedMessage(batch, offset, hasLogTime ? maxTimestampMs : firstTimestampMs + deltaMs, key, value, reader.position, end));
    reader.skip(end - reader.position);
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
