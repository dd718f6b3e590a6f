import { BinaryWriter } from '@bufbuild/protobuf/wire';
import type { MethodDefinition } from '@grpc/grpc-js';
import { worker } from '@switchyard/proto';

/** A writer that grew beyond this for one large body is not kept. */
const MAX_KEPT_BYTES = 256 * 1024;

/** `WorkerService.OpenSession` with encoders that make nothing but the finished message. */
export const openSessionMethod: MethodDefinition<worker.OpenSessionRequest, worker.OpenSessionResponse> = {
  ...worker.WorkerServiceService.openSession,
  requestSerialize: encoderOf(worker.OpenSessionRequest),
  responseSerialize: encoderOf(worker.OpenSessionResponse),
};

/** A fresh writer doubles its buffer until the message fits, and leaves several times the message's size as garbage; one that is used again has the room. */
function encoderOf<Message>(codec: { encode(message: Message, writer: BinaryWriter): BinaryWriter }): (message: Message) => Buffer {
  let kept: BinaryWriter | undefined;
  return (message) => {
    const writer = kept ?? new BinaryWriter();
    // Not kept while in use: an encoder that throws leaves half a message behind.
    kept = undefined;
    const bytes = codec.encode(message, writer).finish();
    if (bytes.byteLength <= MAX_KEPT_BYTES) kept = writer;
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}
