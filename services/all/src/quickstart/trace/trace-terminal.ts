import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import type { Environment } from '@switchyard/config';
import { HTTP } from '@switchyard/telemetry';
import { UsageError } from '../../targets.js';
import { readSpans, type ReceivedSpan } from './received-span.js';
import { waterfall } from './waterfall.js';

/** What happens after a request, its posting above all, is waited for this long. */
const PATIENCE_MS = 2_000;
/** The end of the request itself: its first attempt may be over long before. Longer than any answer may take. */
const LONGEST_REQUEST_MS = 660_000;
/** Traces that may wait to be shown; with more the oldest is shown as far as it came. */
const MAX_WAITING = 1_000;

interface WaitingTrace {
  readonly spans: ReceivedSpan[];
  timer: NodeJS.Timeout | undefined;
  /** The request's own span is there. */
  hasEnded: boolean;
}

/** A collector on loopback that shows every request in the terminal. */
export class TraceTerminal {
  private readonly waiting = new Map<string, WaitingTrace>();
  private readonly server = createServer((request, response) => void this.receive(request, response));

  private constructor(private readonly say: (text: string) => void) {}

  /** @throws UsageError when spans are to go elsewhere. */
  static async start(given: Environment, say: (text: string) => void): Promise<TraceTerminal> {
    const other = ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'].find((name) => (given[name] ?? '').trim() !== '');
    if (other !== undefined) throw new UsageError(`--trace shows traces here, and ${other} sends them elsewhere: use one of them.`);
    const terminal = new TraceTerminal(say);
    await new Promise<void>((resolve, reject) => terminal.server.once('error', reject).listen(0, '127.0.0.1', resolve));
    return terminal;
  }

  /** What leads the spans of every process here. */
  get environment(): Environment {
    const { port } = this.server.address() as AddressInfo;
    return {
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `http://127.0.0.1:${port}/v1/traces`,
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json',
      OTEL_TRACES_EXPORTER: 'otlp',
      OTEL_TRACES_SAMPLER: 'always_on',
      OTEL_BSP_SCHEDULE_DELAY: '100',
    };
  }

  async stop(): Promise<void> {
    for (const { timer } of this.waiting.values()) clearTimeout(timer);
    await new Promise<void>((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  private async receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece as Buffer);
      const sent = Buffer.concat(pieces);
      const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent;
      for (const span of readSpans(body.toString())) this.add(span);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    } catch {
      response.writeHead(400).end();
    }
  }

  private add(span: ReceivedSpan): void {
    let trace = this.waiting.get(span.traceId);
    if (!trace) {
      const [oldest] = this.waiting.keys();
      if (oldest !== undefined && this.waiting.size >= MAX_WAITING) this.show(oldest);
      trace = { spans: [], timer: undefined, hasEnded: false };
      this.showAfter(span.traceId, trace, LONGEST_REQUEST_MS);
      this.waiting.set(span.traceId, trace);
    }
    trace.spans.push(span);
    if (!trace.hasEnded && span.attributes[HTTP.route] !== undefined) {
      trace.hasEnded = true;
      this.showAfter(span.traceId, trace, PATIENCE_MS);
    }
    // The sending may be on its way from another process: what a whole request has is what ends the waiting.
    if (isWhole(trace.spans)) this.show(span.traceId);
  }

  private showAfter(traceId: string, trace: WaitingTrace, waitMs: number): void {
    clearTimeout(trace.timer);
    trace.timer = setTimeout(() => this.show(traceId), waitMs);
  }

  private show(traceId: string): void {
    const trace = this.waiting.get(traceId);
    if (!trace) return;
    clearTimeout(trace.timer);
    this.waiting.delete(traceId);
    const shown = waterfall(trace.spans);
    if (shown !== '') this.say(`${shown}\n`);
  }
}

/** The request, all its attempts, and its posting with all that is above it. */
function isWhole(spans: readonly ReceivedSpan[]): boolean {
  const names = spans.map(({ name }) => name);
  const attemptCount = spans.find(({ name }) => name === 'gateway.request')?.attributes['switchyard.attempt.count'];
  const attempts = spans.filter(({ attributes }) => attributes['switchyard.attempt.index'] !== undefined && attributes['gen_ai.operation.name'] !== undefined);
  const has = (start: string) => names.some((name) => name.startsWith(start));
  return attemptCount !== undefined && attempts.length >= Number(attemptCount) && has('POST /') && has('send ') && has('process ') && has('ledger post');
}
