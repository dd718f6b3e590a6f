import type { OnReadOpts, Socket } from 'node:net';
import { Duplex } from 'node:stream';

/** One read from the network, and what may wait in a socket before it stops reading. */
const READ_BYTES = 16 * 1024;

export interface SocketReadOptions {
  readonly highWaterMark: number;
  readonly onread?: OnReadOpts;
}

/**
 * Options of sockets that each hold little for a slow reader. Node takes 64 KiB of fresh memory for every read, and all of it stays
 * as long as any part of it is waiting somewhere; here a read leaves memory of exactly its own size.
 */
export function socketReadOptions(): SocketReadOptions {
  // All sockets share the buffer: outside Windows the system fills it only right before the callback.
  if (process.platform === 'win32') return { highWaterMark: READ_BYTES };
  return { highWaterMark: READ_BYTES, onread: { buffer: Buffer.allocUnsafeSlow(READ_BYTES), callback: pushCopy } };
}

function pushCopy(this: Socket, bytesRead: number, buffer: Uint8Array): boolean {
  const bytes = Buffer.allocUnsafeSlow(bytesRead);
  bytes.set(buffer.subarray(0, bytesRead));
  return this.push(bytes);
}

/**
 * Lets a socket give its reader slices instead of all it holds. undici empties the socket at every read and puts back what a
 * paused parser did not take; emptied, the socket reads on from the network. So without this, a reader slower than its provider
 * would gather the whole answer in memory, copied anew at every read.
 */
export function readInSlices(socket: Socket): void {
  const read = Duplex.prototype.read.bind(socket);
  socket.read = (sizeBytes?: number): unknown => read(sizeBytes ?? (socket.readableLength > READ_BYTES ? READ_BYTES : undefined));
}
