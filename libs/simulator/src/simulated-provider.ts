import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { anthropicMessagesWire } from './anthropic-messages-wire.js';
import { geminiEmbeddingsWire, openaiEmbeddingsWire, type EmbeddingsWire } from './embeddings-wire.js';
import { FaultPlan, faultSchema, type Fault, type FaultKind, type RefusalKind } from './fault-plan.js';
import { geminiWire } from './gemini-wire.js';
import { openaiChatWire } from './openai-chat-wire.js';
import { answerOf, pauseAskedForMs, type SimulatedAnswer, type SimulatedRequest } from './simulated-chat.js';
import type { SimulatedRefusal, SimulatedWire } from './simulated-wire.js';

export interface SimulatedProviderOptions {
  /** Address to listen on; default 127.0.0.1. */
  readonly host?: string;
  /** 0 or absent: any free port. */
  readonly port?: number;
  /** Milliseconds before the first byte of an answer; default 0. */
  readonly firstTokenMs?: number;
  /** Milliseconds between the words of a stream; default 0. */
  readonly betweenWordsMs?: number;
  readonly faults?: readonly Fault[];
  /** Reports this share more tokens than it used: 0.4 = 40 % more. */
  readonly usageInflation?: number;
  /** Ignores `max_tokens`. */
  readonly ignoresMaxTokens?: boolean;
}

export interface SimulatedProvider {
  /** `http://127.0.0.1:<port>`; every dialect answers below any path prefix. */
  readonly url: string;
  readonly port: number;
  readonly faults: FaultPlan;
  /** Requests that arrived, and those whose client went away before the end. */
  readonly counts: { requests: number; aborted: number };
  /** Body of the last inference request, for tests of translation. */
  lastBody(): unknown;
  close(): Promise<void>;
}

const MAX_BODY_BYTES = 64 * 1024 * 1024;

/**
 * A real HTTP server that answers as a provider would, over OpenAI's, Anthropic's and Google's wire formats. Answers and
 * usage are computed from the request. `POST /_simulator/faults` adds a fault, `GET` lists them, `DELETE` ends them.
 */
export async function startSimulatedProvider(options: SimulatedProviderOptions = {}): Promise<SimulatedProvider> {
  const faults = new FaultPlan();
  for (const fault of options.faults ?? []) faults.add(fault);
  const counts = { requests: 0, aborted: 0 };
  let lastBody: unknown;
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true, keepAlive: true }, (request, response) => {
    void (async () => {
      const body = await readJson(request);
      if (request.url?.startsWith('/_simulator/')) return control(request, response, body, faults);
      counts.requests++;
      lastBody = body;
      response.once('close', () => {
        if (!response.writableFinished) counts.aborted++;
      });
      await new Exchange(request, response, body, faults, options).run();
    })().catch(() => response.destroy());
  });
  server.keepAliveTimeout = 60_000;
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await listen(server, options.port ?? 0, options.host ?? '127.0.0.1');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    faults,
    counts,
    lastBody: () => lastBody,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** One request's life. */
class Exchange {
  private readonly path: string;

  constructor(
    request: IncomingMessage,
    private readonly response: ServerResponse,
    private readonly body: unknown,
    private readonly faults: FaultPlan,
    private readonly options: SimulatedProviderOptions,
  ) {
    this.path = request.url ?? '';
  }

  async run(): Promise<void> {
    if (/\/models\/?(\?|$)/.test(this.path)) return this.json(200, { object: 'list', data: [] });
    const wire = wireOf(this.path);
    if (wire) return this.chat(wire);
    const embeddings = embeddingsWireOf(this.path);
    if (embeddings) return this.embed(embeddings);
    this.json(404, { error: { message: `Nothing is served at ${this.path}.`, type: 'not_found_error' } });
  }

  private async chat(wire: SimulatedWire): Promise<void> {
    const request = wire.read(this.body, this.path);
    const fault = await this.begin(request.model);
    if (this.hasRefused(wire, fault, request.stream)) return;
    const answer = this.answer(request);
    if (request.stream) await this.stream(wire, request, answer, fault);
    else this.whole(wire.whole(request, answer), fault);
  }

  private async embed(wire: EmbeddingsWire): Promise<void> {
    const fault = await this.begin(wire.modelOf(this.body, this.path));
    if (!this.hasRefused(wire, fault, false)) this.whole(wire.answer(this.body), fault);
  }

  /** Draws what happens to the request, and lets the time before its answer pass. */
  private async begin(model: string): Promise<Fault | undefined> {
    const fault = this.faults.draw(model);
    await sleep((this.options.firstTokenMs ?? 0) + (fault?.kind === 'delay' ? fault.delayMs : 0));
    return fault;
  }

  private answer(request: SimulatedRequest): SimulatedAnswer {
    const answer = answerOf(this.options.ignoresMaxTokens ? { ...request, maxTokens: undefined } : request);
    const factor = 1 + (this.options.usageInflation ?? 0);
    if (factor === 1) return answer;
    const { inputTokens, outputTokens, reasoningTokens } = answer.usage;
    return {
      ...answer,
      usage: {
        inputTokens: Math.ceil(inputTokens * factor),
        outputTokens: Math.ceil(outputTokens * factor),
        reasoningTokens: Math.ceil(reasoningTokens * factor),
      },
    };
  }

  private whole(answer: unknown, fault: Fault | undefined): void {
    const body = JSON.stringify(answer);
    if (fault?.kind !== 'cut' && fault?.kind !== 'stall' && fault?.kind !== 'error_frame') return this.json(200, body);
    this.response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
    this.response.write(body.slice(0, fault.afterWords === 0 ? 0 : Math.ceil(body.length / 2)));
    if (fault.kind !== 'stall') setImmediate(() => this.response.destroy());
  }

  private async stream(wire: SimulatedWire, request: SimulatedRequest, answer: SimulatedAnswer, fault: Fault | undefined): Promise<void> {
    this.response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' });
    const endsAfter = fault && ['cut', 'stall', 'error_frame'].includes(fault.kind) ? fault.afterWords : Number.POSITIVE_INFINITY;
    const pauseMs = pauseAskedForMs(request) ?? this.options.betweenWordsMs;
    let sent = 0;
    for (const event of wire.stream(request, answer)) {
      if (this.response.destroyed) return;
      if (sent++ >= endsAfter) return this.breakOff(wire, fault!);
      if (!this.response.write(event)) await drained(this.response);
      if (pauseMs) await sleep(pauseMs);
    }
    this.response.end();
  }

  private breakOff(wire: SimulatedWire, fault: Fault): void {
    // A stalled connection stays open until the other side gives up.
    if (fault.kind === 'stall') return;
    if (fault.kind === 'error_frame') return void this.response.end(wire.errorFrame());
    setImmediate(() => this.response.destroy());
  }

  /** Where that is what happens, answers with a refusal or with what is no answer. */
  private hasRefused(wire: Pick<SimulatedWire, 'refusal'>, fault: Fault | undefined, isStream: boolean): boolean {
    if (fault?.kind === 'garbage') this.response.writeHead(200, { 'content-type': 'application/json' }).end('\u0000\u0001 not an answer <html>');
    else if (fault && isRefusal(fault.kind)) this.refuse(wire.refusal(fault.kind), fault.retryAfterSeconds, isStream);
    else return false;
    return true;
  }

  private refuse({ status, body }: SimulatedRefusal, retryAfterSeconds: number | undefined, isStream: boolean): void {
    if (retryAfterSeconds !== undefined) this.response.setHeader('retry-after', String(retryAfterSeconds));
    if (status !== 200 || !isStream) return this.json(status, body);
    this.response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' }).end(`data: ${JSON.stringify(body)}\n\n`);
  }

  private json(status: number, body: unknown): void {
    this.response.writeHead(status, { 'content-type': 'application/json', 'x-request-id': 'req-simulated' });
    this.response.end(typeof body === 'string' ? body : JSON.stringify(body));
  }
}

function isRefusal(kind: FaultKind): kind is RefusalKind {
  return kind === 'rate_limit' || kind === 'server_error' || kind === 'context_length' || kind === 'moderation';
}

function wireOf(path: string): SimulatedWire | undefined {
  if (/\/messages(\?|$)/.test(path)) return anthropicMessagesWire;
  if (/:(stream)?[gG]enerateContent/.test(path)) return geminiWire;
  return /\/(chat\/)?completions(\?|$)|\/chat(\?|$)/.test(path) ? openaiChatWire : undefined;
}

function embeddingsWireOf(path: string): EmbeddingsWire | undefined {
  if (/:batchEmbedContents/.test(path)) return geminiEmbeddingsWire;
  return /\/embeddings(\?|$)/.test(path) ? openaiEmbeddingsWire : undefined;
}

function control(request: IncomingMessage, response: ServerResponse, body: unknown, faults: FaultPlan): void {
  const answer = (status: number, data: unknown) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(data));
  if (request.url !== '/_simulator/faults') return void answer(404, { error: 'Only /_simulator/faults is here.' });
  if (request.method === 'DELETE') faults.clear();
  if (request.method === 'POST') {
    const parsed = faultSchema.safeParse(body);
    if (!parsed.success) return void answer(400, { error: parsed.error.issues });
    faults.add(parsed.data);
  }
  answer(200, { faults: faults.list() });
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    length += piece.byteLength;
    if (length > MAX_BODY_BYTES) throw new RangeError('the request body is too large');
    pieces.push(piece);
  }
  return length === 0 ? {} : (JSON.parse(Buffer.concat(pieces).toString()) as unknown);
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve());
  });
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}

function sleep(ms: number): Promise<void> {
  return ms <= 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, ms));
}
