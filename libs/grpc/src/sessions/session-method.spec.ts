import { Client, credentials, Server, ServerCredentials } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { worker } from '@switchyard/proto';
import { MESSAGE_HEAD_BYTES } from './frame-batcher.js';
import { encodeWorkerFrame, http2StreamOf, messageWriter, openSessionMethod, type SessionCall } from './session-method.js';

const closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers.splice(0)) close();
});

const frameOf = (requestId: number): worker.WorkerFrame => ({ requestId, frame: { $case: 'draining', value: {} } });

/** Head and message of the frames. */
function messageOf(...requestIds: number[]): Buffer {
  const message = Buffer.concat(requestIds.map((requestId) => Buffer.from(encodeWorkerFrame(frameOf(requestId)))));
  const head = Buffer.alloc(MESSAGE_HEAD_BYTES);
  head.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([head, message]);
}

/** A session's call as the server has it, and what its client receives. */
async function openCall(): Promise<{ call: SessionCall; received: worker.OpenSessionResponse[]; ended: Promise<void> }> {
  const server = new Server();
  const served = new Promise<SessionCall>((resolve) => {
    server.addService({ openSession: openSessionMethod }, { openSession: resolve });
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  closers.push(
    () => client.close(),
    () => server.forceShutdown(),
  );
  const { path, requestSerialize, responseDeserialize } = openSessionMethod;
  const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  const received: worker.OpenSessionResponse[] = [];
  stream.on('data', (message: worker.OpenSessionResponse) => received.push(message));
  const ended = new Promise<void>((resolve, reject) => stream.on('end', resolve).on('error', reject));
  return { call: await served, received, ended };
}

describe('messages of a served session', () => {
  it('go straight to its HTTP/2 stream, and arrive', async () => {
    const { call, received, ended } = await openCall();
    expect(http2StreamOf(call)).toBeDefined();
    call.sendMetadata(call.metadata.clone());
    const write = messageWriter(call);
    await new Promise<void>((resolve, reject) => write(messageOf(1, 2), (error) => (error ? reject(error) : resolve())));
    write(messageOf(3), () => undefined);
    call.end();
    await ended;
    expect(received.map(({ frames }) => frames.map(({ requestId }) => requestId))).toEqual([[1, 2], [3]]);
  });

  it('go gRPC’s own way where that stream is not found', async () => {
    const { call, received, ended } = await openCall();
    const write = messageWriter({ write: call.write.bind(call) } as SessionCall);
    write(messageOf(1, 2), () => undefined);
    call.end();
    await ended;
    expect(received).toEqual([{ frames: [frameOf(1), frameOf(2)] }]);
  });
});
