import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import { crc32c } from './crc32c.js';
import { decodeFetchResponse, UnsupportedBatchError, type FetchedMessage, type FetchResponse } from './fetch-response.js';
import { murmur2, partitionOfKey } from './partition-of-key.js';
import { produceRequest, type ProduceArguments, type ProduceRequest } from './produce-request.js';

const requireInternal = createRequire(import.meta.url);

/** What kafkajs itself writes and reads: a second opinion on every byte. */
const kafkajs = {
  produceRequest: requireInternal('kafkajs/src/protocol/requests/produce/v7/request.js') as (fields: ProduceArguments) => ProduceRequest,
  decodeFetch: (requireInternal('kafkajs/src/protocol/requests/fetch/v11/response.js') as { decode(bytes: Buffer): Promise<unknown> }).decode,
  createRequest: requireInternal('kafkajs/src/protocol/request.js') as (asked: object) => Promise<{ readonly buffer: Buffer }>,
  gzip: 1,
};

/** Lengths around each step of the varint, in one byte and in three bytes a character. */
const TEXTS = ['', 'a', 'xé', ...[63, 64, 8_191, 8_192, 70_000].flatMap((length) => ['x'.repeat(length), '€'.repeat(length), `ä${'x'.repeat(length - 1)}`])];
const MESSAGES = TEXTS.map((value, index) => ({ key: `gen-${index}`, value, headers: { ce_id: `id ${index}`, note: value.slice(0, 40) } }));

const fieldsOf = (messages: typeof MESSAGES) => ({
  acks: -1,
  timeout: 10_000,
  producerId: '4711',
  producerEpoch: 3,
  topicData: [
    { topic: 'first', partitions: [{ partition: 0, firstSequence: 17, messages }] },
    { topic: 'zweiter-ü', partitions: [0, 5].map((partition) => ({ partition, firstSequence: 0, messages: messages.slice(partition, partition + 2) })) },
  ],
});

describe('the wire format of Kafka', () => {
  it('writes the bytes that kafkajs writes', async () => {
    const fields = fieldsOf(MESSAGES);
    const ours = readProduce((await produceRequest(7, fields).encode()).buffer);
    const theirs = readProduce((await kafkajs.produceRequest(fields).encode()).buffer);
    expect(ours).toEqual(theirs);
    expect(ours.batches).toHaveLength(3);
  });

  it('writes each of several requests whose writing overlaps, as those to several brokers do', async () => {
    const clientId = 'test';
    const headBytes = 4 + 2 + 2 + 4 + 2 + clientId.length;
    const publications = [MESSAGES.slice(0, 4), MESSAGES.slice(4), MESSAGES.slice(2, 3)].map(fieldsOf);
    const requests = publications.map((fields) => kafkajs.createRequest({ correlationId: 1, clientId, request: produceRequest(7, fields) }));
    for (const [index, request] of (await Promise.all(requests)).entries()) {
      const theirs = readProduce((await kafkajs.produceRequest(publications[index]!).encode()).buffer);
      expect(readProduce(request.buffer.subarray(headBytes))).toEqual(theirs);
    }
  });

  it('reads a fetch as kafkajs reads it, with texts where kafkajs has buffers', async () => {
    const bytes = await fetchResponse(fieldsOf(MESSAGES));
    const theirs = withTexts(await kafkajs.decodeFetch(bytes));
    expect(comparable(decodeFetchResponse(bytes))).toMatchObject(theirs as object);
    expect(decodeFetchResponse(bytes).responses[0]!.partitions[0]!.messages.map(({ value }) => value)).toEqual(TEXTS);
  });

  it('reads every distance in time and offset as kafkajs reads it', async () => {
    const deltasMs = [0, 63, 64, -65, 2 ** 31, -(2 ** 31), 2 ** 41, ...Array.from({ length: 200 }, (_, index) => index)];
    const messages = deltasMs.map((deltaMs) => ({ ...MESSAGES[0]!, timestamp: String(1_795_253_400_000 + deltaMs) }));
    const { batches } = readProduce((await kafkajs.produceRequest(fieldsOf(messages)).encode()).buffer);
    const bytes = responseOf([{ topic: 'first', batches: batches.slice(0, 1) }]);
    const ours = comparable(decodeFetchResponse(bytes));
    expect(ours).toMatchObject(withTexts(await kafkajs.decodeFetch(bytes)) as object);
    const timesMs = decodeFetchResponse(bytes).responses[0]!.partitions[0]!.messages.map(({ timestamp }) => timestamp);
    expect(timesMs.map((timeMs) => timeMs - timesMs[0]!)).toEqual(deltasMs);
  });

  it('reads whole batches only when the broker cut the last one', async () => {
    const fields = fieldsOf(MESSAGES.slice(0, 2));
    const whole = readProduce((await produceRequest(7, fields).encode()).buffer).batches[0]!;
    const twice = Buffer.concat([whole, whole.subarray(0, whole.length - 1)]);
    const messages = decodeFetchResponse(responseOf([{ topic: 'first', batches: [twice] }])).responses[0]!.partitions[0]!.messages;
    expect(messages.map(({ value }) => value)).toEqual(TEXTS.slice(0, 2));
  });

  it('leaves compressed batches to kafkajs', async () => {
    const compressed = (await kafkajs.produceRequest({ ...fieldsOf(MESSAGES), compression: kafkajs.gzip } as ProduceArguments).encode()).buffer;
    const bytes = responseOf([{ topic: 'first', batches: [readProduce(compressed).batches[0]!] }]);
    expect(() => decodeFetchResponse(bytes)).toThrow(UnsupportedBatchError);
  });

  it("checks sums and spreads keys as Kafka's own clients do", () => {
    const sum = Buffer.from('123456789');
    expect(checksum(sum, 0)).toBe(0xe306_9283);
    expect(checksum(Buffer.concat([Buffer.alloc(3), sum]), 3)).toBe(0xe306_9283);
    const hashes = {
      '21': -973_932_308,
      foobar: -790_332_482,
      'a-little-bit-long-string': -985_981_536,
      'a-little-bit-longer-string': -1_486_304_829,
      abc: 479_470_107,
    };
    for (const [key, hash] of Object.entries(hashes)) expect(murmur2(Buffer.from(key))).toBe(hash);
    expect(partitionOfKey('foobar', 12)).toBe((-790_332_482 & 0x7fff_ffff) % 12);
  });
});

function checksum(bytes: Buffer, start: number): number {
  return crc32c(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), start, bytes.length);
}

interface ReadProduce {
  readonly head: Buffer;
  readonly batches: readonly Buffer[];
}

/** Takes a request apart, with the time of writing and the sum over it taken out. */
function readProduce(bytes: Buffer): ReadProduce {
  let position = 2 + 2 + 4;
  const head = Buffer.from(bytes.subarray(0, position));
  const int = (): number => bytes.readInt32BE((position += 4) - 4);
  const batches: Buffer[] = [];
  for (let topics = int(); topics > 0; topics--) {
    position += 2 + bytes.readInt16BE(position);
    for (let partitions = int(); partitions > 0; partitions--) {
      int();
      const byteCount = int();
      const batch = Buffer.from(bytes.subarray(position, position + byteCount));
      expect(checksum(batch, 21)).toBe(batch.readUInt32BE(17));
      batch.fill(0, 17, 21).fill(0, 27, 43);
      batches.push(batch);
      position += byteCount;
    }
  }
  expect(position).toBe(bytes.length);
  return { head, batches };
}

async function fetchResponse(fields: ReturnType<typeof fieldsOf>): Promise<Buffer> {
  const { batches } = readProduce((await produceRequest(7, fields).encode()).buffer);
  return responseOf([
    { topic: 'first', batches: batches.slice(0, 1) },
    { topic: 'zweiter-ü', batches: batches.slice(1) },
  ]);
}

function responseOf(topics: readonly { readonly topic: string; readonly batches: readonly Buffer[] }[]): Buffer {
  const int16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);
  const int32 = (value: number): Buffer => Buffer.concat([int16(value >> 16), int16(value & 0xffff)]);
  const int64 = (value: number): Buffer => Buffer.concat([int32(0), int32(value)]);
  const text = (value: string): Buffer => Buffer.concat([int16(Buffer.byteLength(value)), Buffer.from(value)]);
  const partition = (batch: Buffer, index: number): Buffer =>
    Buffer.concat([int32(index), int16(0), int64(90), int64(80), int64(0), int32(1), int64(4712), int64(5), int32(2), int32(batch.length), batch]);
  return Buffer.concat([
    int32(7),
    int16(0),
    int32(9),
    int32(topics.length),
    ...topics.map(({ topic, batches }) => Buffer.concat([text(topic), int32(batches.length), ...batches.map(partition)])),
  ]);
}

/** With what kafkajs reads of a message, and the texts that it has for numbers. */
function comparable(response: FetchResponse): object {
  const messageOf = ({ offset, timestamp, key, value, headers, isControlRecord, batchContext }: FetchedMessage): object => ({
    offset: String(offset),
    timestamp: String(timestamp),
    key,
    value,
    headers,
    isControlRecord,
    batchContext,
  });
  const responses = response.responses.map(({ topicName, partitions }) => ({
    topicName,
    partitions: partitions.map((partition) => ({ ...partition, messages: partition.messages.map(messageOf) })),
  }));
  return { ...response, responses };
}

/** As JSON has it, every buffer as its text; without what nobody reads of a message. */
function withTexts(value: unknown): unknown {
  const text = JSON.stringify(value, (name, inner: unknown) => {
    if (name === 'magicByte' || name === 'attributes') return undefined;
    const isBuffer = typeof inner === 'object' && inner !== null && (inner as { type?: unknown }).type === 'Buffer';
    if (name === 'batchContext')
      return { producerId: (inner as { producerId: string }).producerId, inTransaction: (inner as { inTransaction: boolean }).inTransaction };
    return isBuffer ? Buffer.from((inner as { data: number[] }).data).toString() : inner;
  });
  return JSON.parse(text);
}
