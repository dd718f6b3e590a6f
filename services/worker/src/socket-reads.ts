import type { OnReadOpts, Socket } from 'node:net';
import { Duplex } from 'node:stream';

/** One read from the network, and what may wait in a socket before it stops reading. */
const READ_BYTES = 16 * 1024;
const SMALLEST_MEMORY_BYTES = 1024;
/** Almost what makes the socket stop, and one read more. */
const LARGEST_MEMORY_BYTES = 2 * READ_BYTES;
/** The end of one chunk and the size of the next, in HTTP/1.1. */
const MAX_CHUNK_FRAME_BYTES = 16;

export interface SocketReadOptions {
  readonly highWaterMark: number;
  readonly onread?: OnReadOpts;
}

const readsOf = new WeakMap<Socket, SocketReads>();
/** Of the socket that was read last. undici parses what it gave, and tells its handler, before anything else happens. */
let latest: SocketReads | undefined;

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
  const bytes = readsOf.get(this)?.memoryFor(bytesRead) ?? Buffer.allocUnsafeSlow(bytesRead);
  bytes.set(buffer.subarray(0, bytesRead));
  return this.push(bytes);
}

/** Lets a socket give its reader what came in one read, and read into memory that is used again. */
export function readPieceByPiece(socket: Socket): void {
  readsOf.set(socket, new SocketReads(socket));
}

/** The head of the answer that is being parsed has been read, and its body follows. */
export function headWasRead(): void {
  if (latest !== undefined) latest.reading = 'body';
}

/** The next that comes on the connection is another answer's head. */
export function answerWasRead(): void {
  if (latest !== undefined) latest.reading = 'nothing';
}

/** Nothing but a chunk's frame may follow these bytes of a body in what the socket gave. */
export function areLastOfPiece(bytes: Uint8Array): boolean {
  return latest === undefined || latest.pieceEnd - bytes.byteOffset - bytes.byteLength < MAX_CHUNK_FRAME_BYTES;
}

/**
 * undici empties a socket at every read and puts back what a paused parser did not take; emptied, the socket reads on from the network.
 * Given all at once, a reader slower than its provider would have it gathered and copied anew at every read.
 */
class SocketReads {
  /** undici keeps views of a head until it is whole, of a body it keeps none. (It may of trailers; nobody here looks at those.) */
  reading: 'nothing' | 'head' | 'body' = 'nothing';
  /** Where what was given last ends in its memory. */
  pieceEnd = 0;
  /** Sizes of what waits in the socket, piece by piece. */
  private readonly waiting: number[] = [];
  private memory: Buffer | undefined;
  private usedBytes = 0;

  constructor(private readonly socket: Socket) {
    const { push, unshift, read } = Duplex.prototype;
    socket.push = (piece: Uint8Array | null): boolean => {
      if (piece !== null && piece.byteLength > 0) this.waiting.push(piece.byteLength);
      return push.call(socket, piece);
    };
    socket.unshift = (piece: Uint8Array): void => {
      if (piece.byteLength > 0) this.waiting.unshift(piece.byteLength);
      unshift.call(socket, piece);
    };
    socket.read = (sizeBytes?: number): unknown => {
      if (sizeBytes !== undefined) return read.call(socket, sizeBytes);
      // Also where nothing comes: undici may see only now, on a socket it resumes, that an answer was at its end.
      noteLatest(this);
      const piece = read.call(socket, this.waiting.shift()) as Uint8Array | null;
      if (piece === null) return null;
      this.pieceEnd = piece.byteOffset + piece.byteLength;
      return piece;
    };
  }

  /** Behind what waits in the socket, or from the start where nothing does. Undefined: take new memory. */
  memoryFor(sizeBytes: number): Buffer | undefined {
    if (this.reading === 'head') {
      // The beginning of the head, which is not whole yet, may lie in it.
      this.memory = undefined;
      return undefined;
    }
    if (this.reading === 'nothing') this.reading = 'head';
    if (this.socket.readableLength === 0) this.usedBytes = 0;
    const neededBytes = this.usedBytes + sizeBytes;
    if (neededBytes > LARGEST_MEMORY_BYTES) return undefined;
    if (this.memory === undefined || neededBytes > this.memory.byteLength) {
      this.memory = Buffer.allocUnsafeSlow(Math.max(SMALLEST_MEMORY_BYTES, 2 ** Math.ceil(Math.log2(neededBytes))));
      this.usedBytes = 0;
    }
    const start = this.usedBytes;
    this.usedBytes += sizeBytes;
    return this.memory.subarray(start, this.usedBytes);
  }
}

function noteLatest(reads: SocketReads): void {
  latest = reads;
}
