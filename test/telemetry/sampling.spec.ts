import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { call, Customer, MODELS, startFixture, type Fixture } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';
import { CONTENT_ATTRIBUTES } from './content-capture.suite.js';
import { requestTree } from './expected-trees.js';
import { startOtlpReceiver, type OtlpReceiver, type ReceivedSpan } from './otlp-receiver.js';
import { TRACED_SOON } from './request-trees.suite.js';
import { treesOf } from './span-tree.js';

const WHOLE_ANSWER = JSON.stringify({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: 'yes' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 },
});
const ECHO = 'acme/echo';

/** A provider that remembers the headers it was called with. */
class HeaderKeeper {
  readonly seen: (string | undefined)[] = [];
  readonly states: (string | undefined)[] = [];
  private readonly server: Server = createServer((request, response) => {
    this.seen.push(request.headers['traceparent'] as string | undefined);
    this.states.push(request.headers['tracestate'] as string | undefined);
    request.resume().once('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end(WHOLE_ANSWER));
  });

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/v1`;
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}

describe('a sampler that takes next to nothing', () => {
  const provider = new HeaderKeeper();
  let fixture: Fixture;
  let receiver: OtlpReceiver;
  beforeAll(async () => {
    receiver = await startOtlpReceiver();
    fixture = await startFixture({
      shape: 'all',
      providers: { echo: { baseUrl: await provider.start(), endpoints: [{ model: ECHO, prices: { prompt: '1', completion: '2' } }] } },
      environment: {
        ...TRACED_SOON,
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${receiver.url}/v1/traces`,
        OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
        OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
        OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=blue',
        OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
        OTEL_TRACES_SAMPLER_ARG: '0',
        OTEL_SERVICE_NAME: 'gateway',
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test%20stand,service.name=not-this',
        // Longer than a busy machine takes for what goes well.
        SWITCHYARD_TRACE_SLOW: '2500ms',
        SWITCHYARD_TRACE_SLOW_FIRST_TOKEN: '1s',
      },
    });
  }, 180_000);
  afterAll(async () => {
    await fixture.stop();
    await receiver.close();
    provider.stop();
  }, 60_000);

  const chat = (body: object, headers: Record<string, string> = {}) =>
    call(fixture.platform.baseUrl, '/chat/completions', {
      key: fixture.platform.apiKey,
      body: { model: MODELS.writer, messages: [{ role: 'user', content: 'say 5 words' }], provider: { only: ['alpha'] }, ...body },
      headers,
    });
  const withFault = async <Result>(fault: object, run: () => Promise<Result>): Promise<Result> => {
    const { faults } = fixture.upstreams['alpha']!;
    faults.add({ share: 1, seed: 1, delayMs: 0, afterWords: 3, ...fault } as Parameters<typeof faults.add>[0]);
    try {
      return await run();
    } finally {
      faults.clear();
    }
  };
  /** By the generation's id: the headers of a stream have left before it is known to be slow. */
  const traceOf = ({ headers }: { readonly headers: Readonly<Record<string, unknown>> }) =>
    eventually(() => {
      const request = receiver.spans.find(({ attributes }) => attributes['switchyard.request.id'] === headers['x-generation-id']);
      const spans = receiver.ofTrace(request?.traceId ?? '');
      expect(spans.map(({ name }) => name)).toEqual(expect.arrayContaining(['ledger post', 'gateway.request', 'process switchyard.generation-completed.v1']));
      return spans;
    });

  it('exports a request that fails all the same, whole: its attempts as the ingress saw them, and what billing did', async () => {
    // The key is known from here on.
    await chat({});
    const spans = await traceOf(await withFault({ kind: 'server_error' }, () => chat({})));
    const attempt = { provider: 'alpha', status: 500, errorType: '500', hasUsage: false, hasContent: false, isFromIngress: true } as const;
    const expected = requestTree({
      system: 'postgresql',
      calls: 'local',
      isStream: false,
      httpStatus: 502,
      serverError: '502',
      gatewayError: 'provider_unavailable',
      end: 'upstream_failed',
      keptFor: 'error',
      hasFirstToken: false,
      chargedMeters: [],
      attempts: [
        { ...attempt, reason: 'primary' },
        { ...attempt, reason: 'retry' },
      ],
    });
    // One name for every service was asked for.
    const named = (received: readonly ReceivedSpan[]) => received.map((span) => ({ ...span, service: serviceOf(span.name) }));
    await eventually(() => expect(treesOf(named(spans), named(receiver.spans))).toEqual([expected]));
  });

  it('exports a stream whose first token came late, and a request that took long', async () => {
    const late = await traceOf(await withFault({ kind: 'delay', delayMs: 1_050 }, () => chat({ stream: true })));
    const long = await traceOf(await withFault({ kind: 'delay', delayMs: 2_550 }, () => chat({})));
    for (const spans of [late, long]) expect(spans.find(({ kind }) => kind === 'server')?.attributes['switchyard.trace.kept_for']).toBe('slow');
  });

  it('exports nothing of what goes well, and gives providers no trace that is not there', async () => {
    provider.seen.length = 0;
    const answer = await chat({ model: ECHO, provider: {} });
    expect(answer.status).toBe(200);
    expect(answer.headers).not.toHaveProperty('x-switchyard-trace-id');
    const failed = await withFault({ kind: 'server_error' }, () => chat({}));
    await traceOf(failed);
    expect(receiver.spans.filter(({ attributes }) => attributes['switchyard.model.routed'] === ECHO)).toEqual([]);
    const isLinked = (span: ReceivedSpan) => receiver.spans.some(({ links }) => links.some(({ spanId }) => spanId === span.spanId));
    const calls = receiver.spans.filter(({ attributes, status }) => attributes['rpc.method'] !== undefined && status !== 'error');
    expect(calls.filter((span) => !isLinked(span))).toEqual([]);
    expect(provider.seen).toEqual([undefined]);
  });

  it('follows a client that samples, and hands the trace on to the provider', async () => {
    provider.seen.length = 0;
    const traceId = '3af7651916cd43dd8448eb211c80319c';
    const answer = await chat({ model: ECHO, provider: {} }, { traceparent: `00-${traceId}-b7ad6b7169203331-01` });
    const spans = await traceOf(answer);
    const call = spans.find(({ name }) => name === 'POST')!;
    expect(provider.seen).toEqual([`00-${traceId}-${call.spanId}-01`]);
  });

  it('holds no content where the deployment does not allow it, whatever a key says', async () => {
    const customer = await Customer.create(fixture.platform, '1');
    try {
      const { secret: key } = await customer.newKey({ include_content_in_traces: true });
      const body = { model: MODELS.writer, messages: [{ role: 'user', content: 'say 5 words' }] };
      const headers = { traceparent: '00-5af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' };
      const spans = await traceOf(await call(fixture.platform.baseUrl, '/chat/completions', { key, body, headers }));
      const attempt = spans.find(({ name }) => name === `chat ${MODELS.writer}`)!;
      expect(attempt.attributes).toMatchObject({ 'gen_ai.response.finish_reasons': ['stop'] });
      expect(Object.keys(attempt.attributes).filter((name) => CONTENT_ATTRIBUTES.includes(name))).toEqual([]);
    } finally {
      customer.close();
    }
  });

  it('hands on what other systems keep beside a trace that is continued, and nothing without one', async () => {
    provider.states.length = 0;
    const tracestate = 'vendor=t61rcWkgMzE,ot=th:c';
    const traceparent = '00-6af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0';
    for (const headers of [
      { traceparent: `${traceparent}1`, tracestate },
      { traceparent: `${traceparent}0`, tracestate },
      { tracestate },
      { traceparent: `${traceparent}1` },
    ])
      expect((await chat({ model: ECHO, provider: {} }, headers)).status).toBe(200);
    expect(provider.states).toEqual([tracestate, tracestate, undefined, undefined]);
  });

  it('hands a client’s unsampled trace on as it is', async () => {
    provider.seen.length = 0;
    const traceparent = '00-4af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00';
    await chat({ model: ECHO, provider: {} }, { traceparent });
    expect(provider.seen).toEqual([traceparent]);
  });

  it('speaks JSON, zipped, with the headers and the resource of the standard environment', () => {
    expect(receiver.requests.length).toBeGreaterThan(0);
    for (const { path, contentType, headers } of receiver.requests) {
      expect({ path, contentType, tenant: headers['x-tenant'], encoding: headers['content-encoding'] }).toEqual({
        path: '/v1/traces',
        contentType: 'application/json',
        tenant: 'blue',
        encoding: 'gzip',
      });
    }
    for (const { resource } of receiver.spans) expect(resource).toMatchObject({ 'service.name': 'gateway', 'deployment.environment.name': 'test stand' });
  });
});

/** Whose span it is by its name. */
function serviceOf(name: string): string {
  if (name === 'ledger post' || name.startsWith('process ')) return 'switchyard-billing';
  return 'switchyard-ingress';
}
