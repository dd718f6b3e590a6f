import type { OnReadOpts, Socket } from 'node:net';
import { Duplex } from 'node:stream';

/** One read from the network, and what may wait in a socket before it stops reading. */
const READ_BYTES = 16 * 1024;

export interface SocketReadOptions {
  readonly highWaterMark: number;
  readonly onread?: OnReadOpts;
}

/** Memory of sockets for one full read each. */
const fullReads = new WeakMap<Socket, Buffer>();

/**
 * Options of sockets that each hold little for a slow reader, and leave little behind for a quick one. Node takes 64 KiB of fresh
 * memory for every read, and all of it stays as long as any part of it is waiting somewhere.
 */
export function socketReadOptions(): SocketReadOptions {
  // All sockets share the buffer: outside Windows the system fills it only right before the callback.
  if (process.platform === 'win32') return { highWaterMark: READ_BYTES };
  return { highWaterMark: READ_BYTES, onread: { buffer: Buffer.allocUnsafeSlow(READ_BYTES), callback: pushCopy } };
}

function pushCopy(this: Socket, bytesRead: number, buffer: Uint8Array): boolean {
  const bytes = memoryFor(this, bytesRead);
  bytes.set(buffer.subarray(0, bytesRead));
  return this.push(bytes);
}

/**
 * A full read, of which a flood consists, comes into the memory of the one before, once that has been read; others get memory of
 * exactly their size. undici keeps views of an unfinished head alone, which a full read always finishes, or is refused.
 */
function memoryFor(socket: Socket, bytesRead: number): Buffer {
  if (bytesRead < READ_BYTES || socket.readableLength > 0) return Buffer.allocUnsafeSlow(bytesRead);
  const known = fullReads.get(socket);
  if (known !== undefined) return known;
  const memory = Buffer.allocUnsafeSlow(READ_BYTES);
  fullReads.set(socket, memory);
  return memory;
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
