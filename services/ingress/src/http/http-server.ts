import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { DynamicModule, INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { listenFailure } from '@switchyard/runtime';
import { CrossOrigin } from './cross-origin.js';
import { MAX_PATH_PARAMETER_LENGTH, sendClientError, sendFrameworkError } from './framework-errors.js';
import type { InferenceServer } from './inference-server.js';

/** Bytes of an answer that may wait for a slow reader's socket before its provider has to wait, too. */
const WAITING_BYTES = 16 * 1024;

/** Longer than any report takes. A reader that takes nothing of a management answer for so long is hung up on. */
const MAX_SILENT_MS = 180_000;

export interface HttpServerOptions {
  readonly host: string;
  readonly port: number;
  readonly maxHeaderBytes: number;
  readonly requestTimeoutMs: number;
  readonly maxSilentMs?: number;
  /** Whose pages may call from a browser; `*` stands for all. */
  readonly corsOrigins?: readonly string[];
  /** Once aborted every answer closes its connection, so that load balancers that hold some open take their next request elsewhere. */
  readonly drainSignal?: AbortSignal;
}

/** Sets up the management side's Fastify instance before its routes are registered. */
export type PrepareManagement = (adapter: FastifyAdapter) => void;

/**
 * The one public port: hot routes go straight to the inference server, everything else to the management routes on
 * Nest and Fastify.
 */
export class HttpServer {
  private server: Server | undefined;
  private management: INestApplication | undefined;
  private isStopping = false;
  private managementCount = 0;
  private idleListener: (() => void) | undefined;
  /** Answers to requests that came before the one ahead of them on their connection was answered. */
  private readonly queued = new WeakMap<Socket, Set<ServerResponse>>();

  constructor(
    private readonly inference: InferenceServer,
    private readonly managementModule: DynamicModule,
    private readonly prepare: PrepareManagement,
    private readonly options: HttpServerOptions,
  ) {}

  async start(): Promise<void> {
    const adapter = new FastifyAdapter({
      serverFactory: (handler: RequestListener) => this.createServer(handler),
      routerOptions: { ignoreTrailingSlash: true, maxParamLength: MAX_PATH_PARAMETER_LENGTH },
      frameworkErrors: sendFrameworkError,
      clientErrorHandler: sendClientError,
    });
    this.prepare(adapter);
    const application = await NestFactory.create<NestFastifyApplication>(this.managementModule, adapter, {
      logger: false,
      abortOnError: false,
      bodyParser: false,
    });
    this.management = application;
    const { host, port } = this.options;
    try {
      await application.listen(port, host);
    } catch (error) {
      throw listenFailure(error, { env: 'SWITCHYARD_HTTP_HOST', host });
    }
  }

  /** Port the server listens on. */
  get port(): number {
    return (this.server?.address() as AddressInfo | null)?.port ?? 0;
  }

  /** Takes no new connections and lets idle ones go; requests under way finish, and a busy connection gets one more answer, which closes it. */
  stopAccepting(): void {
    this.isStopping = true;
    this.server?.close();
    this.server?.closeIdleConnections();
  }

  /** Resolves when no management request is under way any more. */
  idle(): Promise<void> {
    if (this.managementCount === 0) return Promise.resolve();
    return new Promise((resolve) => (this.idleListener = resolve));
  }

  async close(): Promise<void> {
    this.server?.closeAllConnections();
    await this.management?.close();
  }

  private createServer(handleManagement: RequestListener): Server {
    const crossOrigin = new CrossOrigin(this.options.corsOrigins ?? []);
    const server = createServer(
      {
        noDelay: true,
        keepAlive: true,
        highWaterMark: WAITING_BYTES,
        maxHeaderSize: this.options.maxHeaderBytes,
        requestTimeout: this.options.requestTimeoutMs,
        headersTimeout: Math.min(60_000, this.options.requestTimeoutMs),
      },
      (request, response) => {
        if (response.socket === null) this.closeWithConnection(request.socket, response);
        if (this.isStopping || this.options.drainSignal?.aborted === true) response.setHeader('connection', 'close');
        if (crossOrigin.answers(request, response)) return;
        if (!this.inference.handle(request, response)) this.serveManagement(request, response, handleManagement);
      },
    );
    // Longer than the idle time of usual load balancers, so that they, not we, end idle connections.
    server.keepAliveTimeout = 75_000;
    this.server = server;
    return server;
  }

  /** An answer that waits for its turn on a connection has no socket yet, and the first versions of Node 24 do not tell it when that closes: whoever makes it would wait for good. */
  private closeWithConnection(socket: Socket, response: ServerResponse): void {
    const answers = this.queued.get(socket) ?? new Set();
    if (!this.queued.has(socket)) {
      this.queued.set(socket, answers);
      socket.once('close', () => process.nextTick(() => closeAll(answers)));
    }
    answers.add(response);
    response.once('socket', () => answers.delete(response));
  }

  private serveManagement(request: IncomingMessage, response: ServerResponse, handle: RequestListener): void {
    this.managementCount++;
    response.once('close', () => {
      this.managementCount--;
      if (this.managementCount === 0) this.idleListener?.();
    });
    // The server sets it anew for the connection's next request.
    response.setTimeout(this.options.maxSilentMs ?? MAX_SILENT_MS);
    handle(request, response);
  }
}

/** Those that Node did not close itself. */
function closeAll(answers: ReadonlySet<ServerResponse>): void {
  for (const answer of answers) if (!answer.closed) answer.emit('close');
}
