import type { IncomingHttpHeaders } from 'node:http';
import { Agent, buildConnector, type Dispatcher } from 'undici';
import { ByteQueue } from './byte-queue.js';
import { answerWasRead, areLastOfPiece, headWasRead, readPieceByPiece, socketReadOptions } from './socket-reads.js';

/** Bytes that may wait in memory for a reader before the socket is paused; the rest of one read may come on top. */
const MAX_QUEUED_BYTES = 8 * 1024;
/** An answer that is over for us may still send this much, for this long, so that its connection can be used again. */
const MAX_DISCARDED_BYTES = 64 * 1024;
const MAX_DISCARD_MS = 1_000;

export interface UpstreamHttpOptions {
  /** Hard limit of a connection attempt; each attempt has its own shorter one. */
  readonly connectTimeoutMs: number;
  /** How long an idle connection is kept, unless the server says less. */
  readonly keepAliveMs: number;
  /** Extra certificate authorities, PEM. */
  readonly certificateAuthorities?: string | undefined;
}

export interface UpstreamHttpRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

/** Calls providers over HTTP/1.1 with kept connections. Redirects are never followed: a provider's API has none, and a key must not travel. */
export class UpstreamHttp {
  private readonly agent: Agent;

  constructor(options: UpstreamHttpOptions) {
    this.agent = new Agent({
      // An HTTP/2 connection would make one stopped reader hold up all others that share it.
      allowH2: false,
      pipelining: 1,
      connections: null,
      keepAliveTimeout: options.keepAliveMs,
      // Attempts have their own deadlines.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: connector(options),
    });
  }

  post(request: UpstreamHttpRequest, onConnected: () => void): UpstreamCall {
    const call = new UpstreamCall(onConnected);
    this.agent.dispatch(
      { origin: request.url.origin, path: `${request.url.pathname}${request.url.search}`, method: 'POST', headers: request.headers, body: request.body },
      call,
    );
    return call;
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }
}

function connector(options: UpstreamHttpOptions): buildConnector.connector {
  const connect = buildConnector({
    allowH2: false,
    timeout: options.connectTimeoutMs,
    keepAlive: true,
    ...socketReadOptions(),
    ...(options.certificateAuthorities === undefined ? {} : { ca: options.certificateAuthorities }),
  });
  return (target, callback) =>
    connect(target, (...result) => {
      if (result[1] != null) readPieceByPiece(result[1]);
      callback(...result);
    });
}

export interface UpstreamHead {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
}

/** One HTTP call whose body is pulled: nobody pulls, nothing is read. */
export class UpstreamCall implements Dispatcher.DispatchHandler {
  private controller: Dispatcher.DispatchController | undefined;
  private head: UpstreamHead | undefined;
  private readonly queue = new ByteQueue();
  private isEnded = false;
  private failure: Error | undefined;
  private waiter: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined;
  private discardedBytes: number | undefined;
  private discardTimer: NodeJS.Timeout | undefined;

  constructor(private readonly onConnected: () => void) {}

  /** Status and headers. @throws the transport's error, or what `abort` was given. */
  async answered(): Promise<UpstreamHead> {
    while (this.head === undefined) await this.progress();
    return this.head;
  }

  /**
   * Bytes that have come since the last call (also those before a cut), at most `maxBytes` of them; undefined at the end of the body.
   * One call at a time. The bytes are the caller's until it lets anything else happen: what comes next may take their place.
   */
  async next(maxBytes = Infinity): Promise<Buffer | undefined> {
    while (this.queue.sizeBytes === 0 && !this.isEnded) {
      // Resuming may deliver at once.
      if (this.controller?.paused) this.controller.resume();
      else await this.progress();
    }
    if (this.queue.sizeBytes > 0) return this.queue.take(maxBytes);
    if (this.failure !== undefined) throw this.failure;
    return undefined;
  }

  /** Hangs up. Whoever waits, or comes later, gets the error. */
  abort(error: Error): void {
    if (this.isEnded) return;
    this.queue.clear();
    this.fail(error);
    this.controller?.abort(error);
  }

  /** The rest of the body is of no interest; the connection is kept when little of it is left. */
  discard(): void {
    if (this.isEnded || this.discardedBytes !== undefined) return;
    this.discardedBytes = 0;
    this.queue.clear();
    this.discardTimer = setTimeout(() => this.abort(new Error('the rest of the answer took too long')), MAX_DISCARD_MS);
    this.discardTimer.unref();
    if (this.controller?.paused) this.controller.resume();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    if (this.failure !== undefined) return controller.abort(this.failure);
    this.onConnected();
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    // They are views of what the socket read last, which would stay until the end of the answer.
    controller.rawHeaders = null;
    if (status < 200) return;
    headWasRead();
    this.head = { status, headers };
    this.wake();
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.discardedBytes !== undefined) {
      this.discardedBytes += chunk.byteLength;
      if (this.discardedBytes > MAX_DISCARDED_BYTES) this.abort(new Error('the rest of the answer is too long'));
      return;
    }
    this.queue.push(chunk);
    // Paused any earlier, undici puts the rest back, a piece with memory of its own.
    if (this.queue.sizeBytes >= MAX_QUEUED_BYTES && areLastOfPiece(chunk)) controller.pause();
    this.wake();
  }

  onResponseEnd(): void {
    answerWasRead();
    this.isEnded = true;
    clearTimeout(this.discardTimer);
    this.wake();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    clearTimeout(this.discardTimer);
    this.fail(error);
  }

  private fail(error: Error): void {
    this.failure ??= error;
    this.isEnded = true;
    const waiter = this.waiter;
    this.waiter = undefined;
    waiter?.reject(this.failure);
  }

  private progress(): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      this.waiter = { resolve, reject };
    });
  }

  private wake(): void {
    const waiter = this.waiter;
    this.waiter = undefined;
    waiter?.resolve();
  }
}
