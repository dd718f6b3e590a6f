import type { ServerWritableStream } from '@grpc/grpc-js';
import { iterateUntilAborted } from './abortable-iteration.js';

/** Writes a source to a call, reading on only as fast as the other side takes it. `onSent` is called with every message that is on its way. */
export async function pumpToCall<Message>(
  source: AsyncIterable<Message>,
  call: ServerWritableStream<unknown, Message>,
  signal: AbortSignal,
  onSent?: () => void,
): Promise<void> {
  for await (const message of iterateUntilAborted(source, signal)) {
    const hasRoom = call.write(message);
    onSent?.();
    if (!hasRoom) await drained(call, signal);
  }
}

function drained(call: ServerWritableStream<unknown, unknown>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      call.off('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    call.on('drain', done);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}
