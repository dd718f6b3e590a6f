import { BinaryWriter } from '@bufbuild/protobuf/wire';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { worker } from '@switchyard/proto';
import { MESSAGE_HEAD_BYTES } from './frame-batcher.js';

/** A writer that grew beyond this for one large body is not kept. */
const MAX_KEPT_BYTES = 256 * 1024;

/** Whoever sends in a session has its messages finished. */
const asItIs = (message: Buffer): Buffer => message;

/** `WorkerService.OpenSession` for both sides. */
export const openSessionMethod = { ...worker.WorkerServiceService.openSession, requestSerialize: asItIs, responseSerialize: asItIs };

/** The method's full name. */
export const OPEN_SESSION = openSessionMethod.path.slice(1);

export type SessionCall = ServerDuplexStream<worker.OpenSessionRequest, Buffer>;

/** A message of one frame; it stays until the next. */
export const encodeIngressFrame = encoderOf((frame: worker.IngressFrame, writer) => worker.OpenSessionRequest.encode({ frames: [frame] }, writer));
export const encodeWorkerFrame = encoderOf((frame: worker.WorkerFrame, writer) => worker.OpenSessionResponse.encode({ frames: [frame] }, writer));

/** A fresh writer doubles its buffer until the message fits, and leaves several times the message's size as garbage; one that is used again has the room. */
function encoderOf<Frame>(encode: (frame: Frame, writer: BinaryWriter) => BinaryWriter): (frame: Frame) => Uint8Array {
  let kept: BinaryWriter | undefined;
  return (frame) => {
    const writer = kept ?? new BinaryWriter();
    // Not kept while in use: an encoder that throws leaves half a message behind.
    kept = undefined;
    const bytes = written(encode(frame, writer));
    if (bytes.byteLength <= MAX_KEPT_BYTES) kept = writer;
    return bytes;
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

type Write = (headAndMessage: Buffer, done: (error?: Error | null) => void) => void;

/**
 * Writes messages of a served session to its HTTP/2 stream, from where they are. gRPC's own way copies each into fresh memory, which is
 * garbage a moment later; a call whose insides are others than we know goes that way.
 */
export function messageWriter(call: SessionCall): Write {
  const stream = http2StreamOf(call);
  if (stream === undefined) return (headAndMessage, done) => void call.write(headAndMessage.subarray(MESSAGE_HEAD_BYTES), done);
  return (headAndMessage, done) => void stream.write(headAndMessage, done);
}

/** Where a call without interceptors writes to. */
export function http2StreamOf(call: SessionCall): { write: Write } | undefined {
  const { stream } = (call as unknown as { readonly call?: { readonly stream?: { readonly write?: unknown; readonly respond?: unknown } } }).call ?? {};
  return typeof stream?.write === 'function' && typeof stream.respond === 'function' ? (stream as { write: Write }) : undefined;
}
