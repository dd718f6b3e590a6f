import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { call, MODELS, startFixture, type Fixture } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';
import { TRACED_SOON } from './request-trees.suite.js';

interface Jaeger {
  readonly otlpUrl: string;
  readonly queryUrl: string;
  stop(): Promise<void>;
}

interface JaegerTrace {
  readonly spans: readonly {
    readonly spanID: string;
    readonly operationName: string;
    readonly processID: string;
    readonly references: readonly { readonly spanID: string }[];
    readonly tags: readonly { readonly key: string; readonly value: unknown }[];
    readonly warnings: readonly string[] | null;
  }[];
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
}

/** Once per machine it is built first. */
const BUILD_MS = 900_000;

let jaeger: Jaeger;
let fixture: Fixture;
beforeAll(async () => {
  const { startJaeger } = (await import(new URL('../../tools/jaeger/jaeger.mjs', import.meta.url).href)) as { startJaeger(): Promise<Jaeger> };
  jaeger = await startJaeger();
  fixture = await startFixture({
    shape: 'all',
    environment: { ...TRACED_SOON, OTEL_EXPORTER_OTLP_ENDPOINT: jaeger.otlpUrl, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
  });
}, BUILD_MS);
afterAll(async () => {
  await fixture.stop();
  await jaeger.stop();
}, 60_000);

it('a real Jaeger, fed over gRPC, shows a streamed request with one fallback as one whole trace', async () => {
  fixture.upstreams['alpha']!.faults.add({ kind: 'rate_limit', share: 1, seed: 1, delayMs: 0, afterWords: 3 });
  const answer = await call(fixture.platform.baseUrl, '/chat/completions', {
    key: fixture.platform.apiKey,
    body: { model: MODELS.writer, stream: true, provider: { order: ['alpha', 'beta'] }, messages: [{ role: 'user', content: 'say 5 words' }] },
  });
  const trace = await eventually(async () => {
    const found = await call<{ data: readonly JaegerTrace[] | null }>(jaeger.queryUrl, `/api/traces/${String(answer.headers['x-switchyard-trace-id'])}`);
    const [first] = found.body.data ?? [];
    expect(first?.spans.map(({ operationName }) => operationName)).toEqual(
      expect.arrayContaining(['ledger post', 'gateway.request', 'POST /api/v1/chat/completions']),
    );
    return first!;
  });
  const nameOf = (span: JaegerTrace['spans'][number]) => `${trace.processes[span.processID]!.serviceName} ${span.operationName}`;
  const parentOf = (span: JaegerTrace['spans'][number]) => {
    // Where a span is linked to its parent, Jaeger keeps the link alone.
    const parent = trace.spans.find(({ spanID }) => span.references.some((reference) => reference.spanID === spanID));
    return parent === undefined ? '' : nameOf(parent);
  };
  expect(trace.spans.map((span) => `${parentOf(span)} > ${nameOf(span)}`).sort()).toEqual(
    [
      ' > switchyard-ingress POST /api/v1/chat/completions',
      'switchyard-ingress POST /api/v1/chat/completions > switchyard-ingress gateway.request',
      'switchyard-ingress gateway.request > switchyard-ingress auth.api_key',
      'switchyard-ingress gateway.request > switchyard-ingress decide',
      'switchyard-ingress gateway.request > switchyard-ingress reserve',
      'switchyard-ingress gateway.request > switchyard-ingress reserve',
      'switchyard-ingress gateway.request > switchyard-worker chat acme/writer',
      'switchyard-ingress gateway.request > switchyard-worker chat acme/writer',
      'switchyard-worker chat acme/writer > switchyard-worker POST',
      'switchyard-worker chat acme/writer > switchyard-worker POST',
      'switchyard-ingress gateway.request > switchyard-ingress send switchyard.generation-completed.v1',
      'switchyard-ingress send switchyard.generation-completed.v1 > switchyard-billing process switchyard.generation-completed.v1',
      'switchyard-billing process switchyard.generation-completed.v1 > switchyard-billing ledger post',
    ].sort(),
  );
  // That posting happens after the answer is no skew of clocks, but looks like one.
  expect(trace.spans.flatMap(({ warnings }) => warnings ?? []).filter((warning) => !warning.startsWith('clock skew'))).toEqual([]);
  const providers = trace.spans.flatMap(({ tags }) => tags.filter(({ key }) => key === 'gen_ai.provider.name').map(({ value }) => value));
  expect(providers.sort()).toEqual(['alpha', 'beta']);
});
