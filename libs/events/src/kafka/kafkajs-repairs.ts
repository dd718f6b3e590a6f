import { createRequire } from 'node:module';
import { decodeFetchResponse, UnsupportedBatchError } from './fetch-response.js';
import { produceRequest, type ProduceArguments } from './produce-request.js';

/*
 * kafkajs 2.2.4 is its last release. What it does at a cost that shows is done otherwise here, at places that it exposes as plain modules; what it does
 * besides (connections, TLS, SASL, metadata, groups) stays its own.
 */
const requireInternal = createRequire(import.meta.url);

interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

interface Encoder {
  buf: Buffer;
  readonly offset: number;
  ensureAvailable(byteCount: number): void;
}

interface ProtocolCall {
  readonly request: unknown;
  readonly response: { decode(bytes: Buffer): Promise<unknown> };
}

interface ProtocolDefinition<Fields> {
  protocol(chosen: { version: number }): (fields: Fields) => ProtocolCall;
}

/** The versions of Produce whose requests look the same: record batches, without flexible fields. */
const FIRST_BATCH_VERSION = 3;
const LAST_BATCH_VERSION = 7;
/** The newest version of Fetch that kafkajs speaks; every broker since 2.3 does. */
const FETCH_VERSION = 11;

let isRepaired = false;

/** Once per process, before the first connection. */
export function repairKafkajs(): void {
  if (isRepaired) return;
  isRepaired = true;
  repairRequestQueue();
  repairEncoder();
  repairProduce();
  repairFetch();
}

/** After the first answer every connection looks once per millisecond, for ever, whether a request waits: only a request that waits is worth a timer. */
function repairRequestQueue(): void {
  const { prototype } = requireInternal('kafkajs/src/network/requestQueue/index.js') as { readonly prototype: RequestQueue };
  const scheduleCheck = Reflect.get(prototype, 'scheduleCheckPendingRequests');
  prototype.scheduleCheckPendingRequests = function scheduleWhenPending() {
    if (this.pending.length > 0) scheduleCheck.call(this);
  };
}

/** It grows to the next power of two and fills with zeros what is written over at once: a request of 80 kB takes two buffers of 128 kB each. */
function repairEncoder(): void {
  const { prototype } = requireInternal('kafkajs/src/protocol/encoder.js') as { readonly prototype: Encoder };
  prototype.ensureAvailable = function growAsNeeded(byteCount) {
    const neededBytes = this.offset + byteCount;
    if (neededBytes <= this.buf.length) return;
    const larger = Buffer.allocUnsafe(Math.max(neededBytes, this.buf.length * 2));
    this.buf.copy(larger, 0, 0, this.offset);
    this.buf = larger;
  };
}

/** Its encoder makes a buffer for every number and copies every byte seven times. */
function repairProduce(): void {
  const produce = requireInternal('kafkajs/src/protocol/requests/produce/index.js') as ProtocolDefinition<ProduceArguments>;
  const originalProtocol = Reflect.get(produce, 'protocol');
  produce.protocol = ({ version }) => {
    const original = originalProtocol({ version });
    if (version < FIRST_BATCH_VERSION || version > LAST_BATCH_VERSION) return original;
    return (fields) => ({ request: produceRequest(version, fields), response: original({ ...fields, topicData: [] }).response });
  };
}

/** Its decoder makes several buffers of every field, and 64-bit objects of every number. */
function repairFetch(): void {
  const fetch = requireInternal('kafkajs/src/protocol/requests/fetch/index.js') as ProtocolDefinition<unknown>;
  const originalProtocol = Reflect.get(fetch, 'protocol');
  fetch.protocol = ({ version }) => {
    const original = originalProtocol({ version });
    if (version !== FETCH_VERSION) return original;
    return (fields) => {
      const call = original(fields);
      return { ...call, response: { ...call.response, decode: (bytes) => decodeFetch(bytes, call.response) } };
    };
  };
}

async function decodeFetch(bytes: Buffer, original: ProtocolCall['response']): Promise<unknown> {
  try {
    return decodeFetchResponse(bytes);
  } catch (error) {
    if (error instanceof UnsupportedBatchError) return original.decode(bytes);
    throw error;
  }
}
