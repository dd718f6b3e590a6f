import type { IncomingMessage, ServerResponse } from 'node:http';

/** A reader that takes nothing of a finished answer for this long is hung up on. */
const MAX_STALLED_MS = 60_000;

export type ResponseHeaders = Readonly<Record<string, string>>;

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
    response.once('close', () => {
      if (response.writableFinished) return;
      this.isGone = true;
      this.goneListener?.();
    });
    // A broken socket shows as `close`; without a listener its error would end the process.
    response.on('error', () => undefined);
    response.on('drain', () => this.drainListener?.());
  }

  get headersSent(): boolean {
    return this.response.headersSent;
  }

  /** One listener at a time: whoever acts for the client at the moment. */
  onGone(listener: (() => void) | undefined): void {
    this.goneListener = listener;
    if (this.isGone) listener?.();
  }

  onDrain(listener: (() => void) | undefined): void {
    this.drainListener = listener;
  }

  beginStream(headers: ResponseHeaders): void {
    if (this.response.headersSent) return;
    this.response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
      ...headers,
    });
    this.response.flushHeaders();
  }

  /** False: the socket is full; the drain listener is called when it is not. */
  write(bytes: Uint8Array | string, nowMs: number): boolean {
    this.lastWriteMs = nowMs;
    return this.isGone || this.response.write(bytes);
  }

  /** Milliseconds since the last byte, for keep-alive comments. */
  silentForMs(nowMs: number): number {
    return nowMs - this.lastWriteMs;
  }

  /** Ends a stream; true once the socket took everything, false when the client left or stopped reading. */
  end(bytes?: Uint8Array | string): Promise<boolean> {
    if (this.isGone) return Promise.resolve(false);
    // Counts from the last byte that the socket took; the server sets it anew for the connection's next request.
    this.response.setTimeout(this.maxStalledMs);
    return new Promise((resolve) => {
      // Before the server's own listener, which may close the connection. A broken socket finishes its writes, too.
      this.response.prependOnceListener('finish', () => resolve(this.response.socket?.destroyed === false));
      this.response.once('close', () => resolve(false));
      this.response.end(bytes);
    });
  }

  /** A whole answer in pieces that are already in memory; true once the socket took everything. */
  sendWhole(status: number, headers: ResponseHeaders, pieces: readonly (Uint8Array | string)[]): Promise<boolean> {
    if (this.isGone) return Promise.resolve(false);
    let length = 0;
    for (const piece of pieces) length += typeof piece === 'string' ? Buffer.byteLength(piece) : piece.byteLength;
    this.response.writeHead(status, { 'content-type': 'application/json', 'content-length': String(length), ...headers });
    for (const piece of pieces.slice(0, -1)) this.response.write(piece);
    return this.end(pieces.at(-1));
  }

  /** Breaks the connection, so that what was cut cannot look finished. */
  destroy(): void {
    this.response.destroy();
    this.request.destroy();
  }
}
