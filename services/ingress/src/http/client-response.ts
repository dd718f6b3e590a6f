import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** A reader that takes nothing of a finished answer for this long is hung up on. */
const MAX_STALLED_MS = 60_000;

/** Up to this size a whole answer leaves as one text: Node joins that with the head, so that both are one write. */
const ONE_WRITE_BYTES = 64 * 1024;

/** Name, value, name, value … as Node takes them without a look at each. */
export type ResponseHeaders = readonly string[];

/**
 * One client's HTTP answer, whole or streamed. Knows when the client has gone and when its socket is full, so that a slow
 * reader slows its own upstream and nobody else's.
 */
export class ClientResponse {
  /** The client closed the connection before it had everything. */
  isGone = false;
  private goneListener: (() => void) | undefined;
  private drainListener: (() => void) | undefined;
  private lastWriteMs = 0;

  constructor(
    private readonly request: IncomingMessage,
    private readonly response: ServerResponse,
    private readonly maxStalledMs = MAX_STALLED_MS,
  ) {
    response.on('close', () => {
      if (response.writableFinished) return;
      this.isGone = true;
      this.goneListener?.();
    });
    // A broken socket shows as `close`; without a listener its error would end the process.
    response.on('error', () => undefined);
  }

  get headersSent(): boolean {
    return this.response.headersSent;
  }

  /** What the client was told; 0 when it was told nothing. */
  get status(): number {
    return this.response.headersSent ? this.response.statusCode : 0;
  }

  /** One listener at a time: whoever acts for the client at the moment. */
  onGone(listener: (() => void) | undefined): void {
    this.goneListener = listener;
    if (this.isGone) listener?.();
  }

  onDrain(listener: (() => void) | undefined): void {
    this.drainListener = listener;
  }

  /** The head leaves with the first bytes. */
  beginStream(headers: ResponseHeaders): void {
    if (this.response.headersSent) return;
    this.response.on('drain', () => this.drainListener?.());
    this.response.writeHead(200, [...STREAM_HEADERS, ...headers]);
  }

  /** False: the socket is full; the drain listener is called when it is not. */
  write(bytes: Uint8Array | string, nowMs: number): boolean {
    this.lastWriteMs = nowMs;
    if (this.isGone) return true;
    const isWaiting = (this.response.socket?.writableLength ?? 0) > 0;
    return this.response.write(isWaiting && typeof bytes !== 'string' ? ownMemory(bytes) : bytes);
  }

  /** Milliseconds since the last byte, for keep-alive comments. */
  silentForMs(nowMs: number): number {
    return nowMs - this.lastWriteMs;
  }

  /** Ends a stream; true once the socket took everything, false when the client left or stopped reading. */
  end(bytes?: Uint8Array | string): Promise<boolean> {
    return this.finish(bytes, 'utf8');
  }

  /** A whole answer in pieces that are already in memory; true once the socket took everything. */
  sendWhole(status: number, headers: ResponseHeaders, pieces: readonly (Uint8Array | string)[]): Promise<boolean> {
    if (this.isGone) return LEFT;
    let length = 0;
    for (const piece of pieces) length += typeof piece === 'string' ? Buffer.byteLength(piece) : piece.byteLength;
    this.response.writeHead(status, ['content-type', 'application/json', 'content-length', String(length), ...headers]);
    if (length <= ONE_WRITE_BYTES) return this.finish(byteText(pieces), 'latin1');
    for (const piece of pieces.slice(0, -1)) this.response.write(piece);
    return this.finish(pieces.at(-1), 'utf8');
  }

  private finish(bytes: Uint8Array | string | undefined, encoding: BufferEncoding): Promise<boolean> {
    if (this.isGone) return LEFT;
    this.response.end(bytes, encoding);
    return hasTakenAll(this.response.socket) ? ARRIVED : this.untilTaken();
  }

  private untilTaken(): Promise<boolean> {
    // Counts from the last byte that the socket took; the server sets it anew for the connection's next request.
    this.response.setTimeout(this.maxStalledMs);
    return new Promise((resolve) => {
      // Before the server's own listener, which may close the connection. A broken socket finishes its writes, too.
      this.response.prependOnceListener('finish', () => resolve(this.response.socket?.destroyed === false));
      this.response.once('close', () => resolve(false));
    });
  }

  /** Breaks the connection, so that what was cut cannot look finished. */
  destroy(): void {
    this.response.destroy();
    this.request.destroy();
  }
}

const STREAM_HEADERS: ResponseHeaders = [
  'content-type',
  'text/event-stream; charset=utf-8',
  'cache-control',
  'no-cache, no-transform',
  'x-accel-buffering',
  'no',
];

/** What has to wait must not keep a message of the session in memory with the bytes of other requests in it, nor a block of Node's shared pool. */
function ownMemory(bytes: Uint8Array): Uint8Array {
  if (bytes.buffer.byteLength <= 2 * bytes.byteLength) return bytes;
  const own = Buffer.allocUnsafeSlow(bytes.byteLength);
  own.set(bytes);
  return own;
}

const ARRIVED = Promise.resolve(true);
const LEFT = Promise.resolve(false);

/** The system took every byte at once, as it does unless the client reads slowly. Unknown while earlier answers of the connection are under way. */
function hasTakenAll(socket: Socket | null): boolean {
  return socket !== null && socket.writableLength === 0 && socket.errored === null && !socket.destroyed;
}

/** Bytes as a text with one character for each. */
function byteText(pieces: readonly (Uint8Array | string)[]): string {
  let text = '';
  for (const piece of pieces) text += asBuffer(piece).toString('latin1');
  return text;
}

function asBuffer(piece: Uint8Array | string): Buffer {
  return typeof piece === 'string' ? Buffer.from(piece) : Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
}
