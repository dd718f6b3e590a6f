import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createExchange, type StreamProgress } from '@switchyard/dialects/provider';
import type { AttemptHandle, AttemptListener, AttemptTransport } from '@switchyard/grpc';
import { worker } from '@switchyard/proto';
import { AttemptRunner } from './attempt-runner.js';
import type { AttemptDependencies } from './attempt.js';
import type { AttemptResult } from './core/attempt-report.js';
import { CallHeaders } from './call-headers.js';
import { CredentialStore } from './credential.store.js';
import { EgressGuard } from './egress-guard.js';
import { MediaFetcher } from './media-fetcher.js';
import { ProviderAccessBook } from './provider-access.js';
import { UpstreamHttp } from './upstream-http.js';

export interface UpstreamHit {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The connection was closed before the answer was complete. */
  isAborted: boolean;
}

export type UpstreamScript = (response: ServerResponse, hit: UpstreamHit) => void | Promise<void>;

/** A provider's HTTP server that answers every call by the current script. */
export class ScriptedUpstream {
  readonly hits: UpstreamHit[] = [];
  script: UpstreamScript = (response) => void response.writeHead(500).end();

  private constructor(private readonly server: Server) {}

  static async start(): Promise<ScriptedUpstream> {
    const server = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        const hit: UpstreamHit = { path: request.url ?? '', headers: request.headers, body: Buffer.concat(pieces).toString(), isAborted: false };
        response.on('close', () => (hit.isAborted = !response.writableFinished));
        upstream.hits.push(hit);
        void upstream.script(response, hit);
      });
    });
    const upstream = new ScriptedUpstream(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return upstream;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/v1`;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

/** A runner with everything real but the clock of the books. */
export class RunnerHarness {
  readonly results: { start: worker.StartFrame; result: AttemptResult }[] = [];
  readonly unexpected: unknown[] = [];
  readonly runner: AttemptRunner;
  private readonly http = new UpstreamHttp({ connectTimeoutMs: 30_000, keepAliveMs: 5_000 });
  private readonly media: MediaFetcher;

  constructor(
    options: {
      readonly environment?: Readonly<Record<string, string>>;
      readonly dependencies?: Partial<AttemptDependencies>;
      readonly maxConcurrentAttempts?: number;
      readonly maxHeldBodyBytes?: number;
      readonly allowCidrs?: readonly string[];
      readonly mediaTimeoutMs?: number;
      readonly mediaMaxHeldBytes?: number;
    } = {},
  ) {
    const environment = options.environment ?? {};
    const credentials = new CredentialStore({ environment, reloadIntervalMs: 1_000, logger: { info: () => undefined, warn: () => undefined } });
    const guard = new EgressGuard({ allowCidrs: options.allowCidrs ?? [] });
    const { mediaTimeoutMs: timeoutMs = 2_000, mediaMaxHeldBytes: maxHeldBytes = 10_000_000 } = options;
    this.media = new MediaFetcher({ guard, maxBytes: 1_000_000, maxHeldBytes, timeoutMs, maxUrls: 4 });
    this.runner = new AttemptRunner(
      {
        clock: { nowMs: () => 1_763_700_000_000 + Math.round(performance.now()), monotonicMs: () => performance.now() },
        createExchange,
        providers: new ProviderAccessBook({ credentials, environment, credentialHosts: [] }),
        upstream: this.http,
        media: this.media,
        maxAnswerBytes: 1_000_000,
        callHeaders: new CallHeaders('switchyard'),
        renderDebugChunk: (_start, upstreamBody) => `data: ${JSON.stringify({ debug: { echo_upstream_body: upstreamBody }, choices: [] })}\n\n`,
        onCompleted: (start, result) => void this.results.push({ start, result }),
        onUnexpected: (_start, error) => this.unexpected.push(error),
        ...options.dependencies,
      },
      { maxConcurrentAttempts: options.maxConcurrentAttempts ?? 1_000, maxHeldBodyBytes: options.maxHeldBodyBytes ?? 1_000_000_000 },
    );
  }

  async close(): Promise<void> {
    this.runner.cancelAll('the test is over');
    await Promise.all([this.http.close(), this.media.close()]);
  }
}

/** Collects the frames of one attempt; `ended` resolves with its end. */
export class CollectingListener implements AttemptListener {
  readonly events: string[] = [];
  readonly data: worker.DataFrame[] = [];
  readonly usages: worker.UsageFrame[] = [];
  readonly ends: worker.EndFrame[] = [];
  readonly ended: Promise<worker.EndFrame>;
  headers: worker.HeadersFrame | undefined;
  receivedBytes = 0;
  private resolveEnd!: (frame: worker.EndFrame) => void;

  constructor() {
    this.ended = new Promise((resolve) => {
      this.resolveEnd = resolve;
    });
  }

  onHeaders(frame: worker.HeadersFrame): void {
    this.events.push('headers');
    this.headers = frame;
  }

  onData(frame: worker.DataFrame): void {
    this.events.push(frame.isDebug ? 'debug' : 'data');
    this.data.push(frame);
    if (!frame.isDebug) this.receivedBytes += frame.bytes.byteLength;
  }

  onUsage(frame: worker.UsageFrame): void {
    this.events.push('usage');
    this.usages.push(frame);
  }

  onEnd(frame: worker.EndFrame): void {
    this.events.push('end');
    this.ends.push(frame);
    this.resolveEnd(frame);
  }

  get text(): string {
    return Buffer.concat(this.data.filter(({ isDebug }) => !isDebug).map(({ bytes }) => bytes)).toString();
  }

  /** The JSON of every SSE event so far. */
  get chunks(): Chunk[] {
    return this.text
      .split('\n\n')
      .filter((event) => event.startsWith('data: '))
      .map((event) => JSON.parse(event.slice('data: '.length)) as Chunk);
  }

  get content(): string {
    return this.chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? '').join('');
  }
}

export interface Chunk {
  readonly id: string;
  readonly model: string;
  readonly choices: readonly {
    readonly delta?: { readonly content?: string | null; readonly tool_calls?: unknown[] };
    readonly finish_reason?: string | null;
  }[];
}

/** Starts an attempt whose reader takes everything at once. */
export function startReading(transport: AttemptTransport, frame: worker.StartFrame): CollectingListener & { handle: AttemptHandle } {
  const listener = new CollectingListener() as CollectingListener & { handle: AttemptHandle };
  const onData = listener.onData.bind(listener);
  listener.onData = (data) => {
    onData(data);
    listener.handle.grant(data.bytes.byteLength);
  };
  listener.handle = transport.start(frame, listener);
  return listener;
}

/** For attempts that are not about deadlines: none of a busy machine's. */
const PATIENT_DEADLINES: worker.Deadlines = { connectMs: 30_000n, firstTokenMs: 30_000n, betweenChunksMs: 30_000n, totalMs: 60_000n };

let generations = 0;

/** A chat request against an OpenAI-like endpoint at `baseUrl`. */
export function chatStart(baseUrl: string, fields: Partial<worker.StartFrame> = {}, endpoint: Partial<worker.AttemptEndpoint> = {}): worker.StartFrame {
  const body = { model: 'maker/model-1', messages: [{ role: 'user', content: 'Say hello, please.' }], ...(fields.stream === true ? { stream: true } : {}) };
  return {
    ...worker.StartFrame.create({
      generationId: `gen-1763700000-${String(++generations).padStart(20, '0')}`,
      clientDialect: 'openai-chat',
      apiType: 'chat',
      body: Buffer.from(JSON.stringify(body)),
      initialGrantBytes: 65_536n,
      acceptTimeMs: 1_763_700_000_000n,
      created: 1_763_700_000n,
      costSchedule: { revision: 'cost-1', ratesPico: { input_uncached: 1_000_000n, output_text: 4_000_000n }, overrides: [], discountMillionths: 0 },
      deadlines: PATIENT_DEADLINES,
    }),
    ...fields,
    endpoint: worker.AttemptEndpoint.create({
      endpointId: 'endpoint-1',
      providerSlug: 'vllm',
      providerName: 'Test Provider',
      model: 'maker/model-1',
      modelPermaslug: 'maker/model-1',
      providerModelId: 'model-1-native',
      baseUrl,
      ...endpoint,
    }),
  };
}

/** One SSE event of an OpenAI-like stream. */
export function openaiChunk(delta: object, rest: object = {}): string {
  return `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'model-1-native', choices: [{ index: 0, delta, finish_reason: null }], ...rest })}\n\n`;
}

export const OPENAI_FINISH = `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'model-1-native', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })}\n\n`;
export const OPENAI_USAGE = `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'model-1-native', choices: [], usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 } })}\n\n`;
export const DONE = 'data: [DONE]\n\n';

export function sse(response: ServerResponse): ServerResponse {
  return response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'x-request-id': 'req-upstream-1' });
}

export function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** One step of a stream; without fields it brings nothing. */
export function streamStep(fields: Partial<StreamProgress> = {}): StreamProgress {
  return { bytes: '', hasContent: false, isUsageFinal: false, outputBytes: 0, reasoningBytes: 0, done: false, ...fields };
}
