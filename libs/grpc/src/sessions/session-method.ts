import type { MethodDefinition } from '@grpc/grpc-js';
import { worker } from '@switchyard/proto';

/** `WorkerService.OpenSession` with encoders that do not copy a finished message once more. */
export const openSessionMethod: MethodDefinition<worker.OpenSessionRequest, worker.OpenSessionResponse> = {
  ...worker.WorkerServiceService.openSession,
  requestSerialize: (message) => asBuffer(worker.OpenSessionRequest.encode(message).finish()),
  responseSerialize: (message) => asBuffer(worker.OpenSessionResponse.encode(message).finish()),
};

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
