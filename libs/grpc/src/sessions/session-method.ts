import { BinaryWriter } from '@bufbuild/protobuf/wire';
import type { MethodDefinition } from '@grpc/grpc-js';
import { worker } from '@switchyard/proto';

/** A writer that grew beyond this for one large body is not kept. */
const MAX_KEPT_BYTES = 256 * 1024;

/** `WorkerService.OpenSession` with encoders that make nothing but the finished message. */
export const openSessionMethod: MethodDefinition<worker.OpenSessionRequest, worker.OpenSessionResponse> = {
  ...worker.WorkerServiceService.openSession,
  requestSerialize: encoderOf(worker.OpenSessionRequest, (writer) => writer.finish()),
  // gRPC's server copies what it gets behind the message's head at once, its client only later.
  responseSerialize: encoderOf(worker.OpenSessionResponse, written),
};

/** A fresh writer doubles its buffer until the message fits, and leaves several times the message's size as garbage; one that is used again has the room. */
function encoderOf<Message>(
  codec: { encode(message: Message, writer: BinaryWriter): BinaryWriter },
  finish: (writer: BinaryWriter) => Uint8Array,
): (message: Message) => Buffer {
  let kept: BinaryWriter | undefined;
  return (message) => {
    const writer = kept ?? new BinaryWriter();
    // Not kept while in use: an encoder that throws leaves half a message behind.
    kept = undefined;
    const bytes = finish(codec.encode(message, writer));
    if (bytes.byteLength <= MAX_KEPT_BYTES) kept = writer;
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

/** The message in the writer's own memory, until it writes the next one. A writer whose insides are others than we know gives a copy. */
function written(writer: BinaryWriter): Uint8Array {
  const inside = writer as unknown as { readonly buffer?: unknown; pos?: unknown };
  const { buffer, pos } = inside;
  if (!(buffer instanceof Uint8Array) || typeof pos !== 'number') return writer.finish();
  inside.pos = 0;
  return buffer.subarray(0, pos);
}
