import type { IncomingHttpHeaders } from 'node:http';
import { TurnBatch } from '@switchyard/runtime';
import { Agent, buildConnector, type Dispatcher } from 'undici';
import { ByteQueue } from './byte-queue.js';
import type { PulledBody } from './pulled-body.js';
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
}

export interface UpstreamHttpRequest {
  /** Best the same object for all calls of an address, which is taken apart once. */
  readonly url: URL;
  /** Or a list of name, value, name, value, which is quicker. */
  readonly headers: Readonly<Record<string, string>> | string[];
  readonly body: string | Buffer;
}

/** A URL as undici wants it: every question to a URL object is answered from its whole text. */
interface Target {
  readonly origin: string;
  readonly path: string;
}

/** Calls providers over HTTP/1.1 with kept connections. Redirects are never followed: a provider's API has none, and a key must not travel. */
export class UpstreamHttp {
  private readonly agent: Agent;
  private readonly targets = new WeakMap<URL, Target>();
  private readonly answers = new TurnBatch();

  constructor(options: UpstreamHttpOptions) {
    this.agent = new Agent({
      // An HTTP/2 connection would make one stopped reader hold up all others that share it.
      allowH2: false,
      pipelining: 1,
      connections: null,
      keepAliveTimeout: options.keepAliveMs,
      // What servers promise counts as far as it is shorter: whatever is between forgets connections earlier than they do.
      keepAliveMaxTimeout: options.keepAliveMs,
      // Attempts have their own deadlines.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: connector(options),
    });
  }

  post(request: UpstreamHttpRequest, onConnected: () => void): UpstreamCall {
    const { origin, path } = this.targetOf(request.url);
    const call = new UpstreamCall(onConnected, this.answers);
    this.agent.dispatch({ origin, path, method: 'POST', headers: request.headers, body: request.body }, call);
    return call;
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }

  private targetOf(url: URL): Target {
    let target = this.targets.get(url);
    if (target === undefined) {
      target = { origin: url.origin, path: `${url.pathname}${url.search}` };
      this.targets.set(url, target);
    }
    return target;
  }
}

function connector(options: UpstreamHttpOptions): buildConnector.connector {
  const connect = buildConnector({
    allowH2: false,
    timeout: options.connectTimeoutMs,
    keepAlive: true,
    ...socketReadOptions(),
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
export class UpstreamCall implements Dispatcher.DispatchHandler, PulledBody {
  private controller: Dispatcher.DispatchController | undefined;
  private head: UpstreamHead | undefined;
  private readonly queue = new ByteQueue();
  private isEnded = false;
  private failure: Error | undefined;
  private asker: { readonly resolve: (head: UpstreamHead) => void; readonly reject: (error: Error) => void } | undefined;
  private waiter: (() => void) | undefined;
  private discardedBytes: number | undefined;
  private discardTimer: NodeJS.Timeout | undefined;

  /** `answers`: those that have begun in this turn. */
  constructor(
    private readonly onConnected: () => void,
    private readonly answers: TurnBatch,
  ) {}

  /** Status and headers. @throws the transport's error, or what `abort` was given. */
  answered(): Promise<UpstreamHead> {
    if (this.head !== undefined) return Promise.resolve(this.head);
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      this.asker = { resolve, reject };
    });
  }

  get isAtEnd(): boolean {
    return this.isEnded && this.failure === undefined && this.queue.sizeBytes === 0;
  }

  arrival(): Promise<void> | undefined {
    // Resuming may deliver at once.
    while (!this.hasNews && this.controller?.paused === true) this.controller.resume();
    if (this.hasNews) return undefined;
    return new Promise((resolve) => {
      this.waiter = resolve;
    });
  }

  /** Bytes before a cut come first. @throws the transport's error, or what `abort` was given. */
  take(maxBytes = Infinity): Buffer | undefined {
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
    const head = { status, headers };
    this.head = head;
    const { asker } = this;
    if (asker) this.answers.add(() => asker.resolve(head));
    this.asker = undefined;
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
    this.asker?.reject(this.failure);
    this.asker = undefined;
    this.wake();
  }

  private get hasNews(): boolean {
    return this.isEnded || this.queue.sizeBytes > 0;
  }

  private wake(): void {
    this.waiter?.();
    this.waiter = undefined;
  }
}
