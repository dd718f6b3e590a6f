import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { call, MODELS, type Fixture } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';
import { request } from 'undici';
import { requestTree, type ExpectedAttempt, type ExpectedRequest } from './expected-trees.js';
import type { OtlpReceiver, ReceivedSpan } from './otlp-receiver.js';
import { STATED_COST_USD } from './quoting-upstream.js';
import { timeProblems, treesOf } from './span-tree.js';

/** Settings under which every span is sent soon. */
export const TRACED_SOON = { OTEL_BSP_SCHEDULE_DELAY: '100' };

const SENDING = { timeoutMs: 20_000 };
const TOPIC = 'switchyard.generation-completed.v1';
const ANSWERED: Pick<ExpectedAttempt, 'finishReason' | 'hasUsage' | 'hasContent'> = { finishReason: 'stop', hasUsage: true, hasContent: true };
const NOTHING: Pick<ExpectedAttempt, 'hasUsage' | 'hasContent'> = { hasUsage: false, hasContent: false };

/** What a trace is: the expected tree as a table, against what reaches a collector. */
export function requestTreesSuite(fixture: () => Fixture, receiver: () => OtlpReceiver, place: Pick<ExpectedRequest, 'system' | 'calls'>): void {
  const url = () => fixture().platform.baseUrl;
  const chat = (body: object, headers: Record<string, string> = {}) =>
    call(url(), '/chat/completions', {
      key: fixture().platform.apiKey,
      body: { model: MODELS.writer, messages: [{ role: 'user', content: 'say 5 words' }], ...body },
      headers,
    });
  const withFault = async <Result>(slug: string, fault: object, run: () => Promise<Result>): Promise<Result> => {
    const { faults } = fixture().upstreams[slug]!;
    faults.add({ share: 1, seed: 1, delayMs: 0, afterWords: 3, ...fault } as Parameters<typeof faults.add>[0]);
    try {
      return await run();
    } finally {
      faults.clear();
    }
  };
  const traceIdOf = ({ headers }: { readonly headers: Readonly<Record<string, unknown>> }) => String(headers['x-switchyard-trace-id']);
  const logLines = (): Record<string, unknown>[] => {
    const folder = join(fixture().platform.dataDirectory, 'logs');
    const files = readdirSync(folder).filter((name) => /^(switchyard|ingress).*\.log$/.test(name));
    const lines = files.flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'));
    return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Record<string, unknown>);
  };
  /** The trace once the ledger has the request: its spans come from every service. */
  const wholeTrace = (traceId: string): Promise<readonly ReceivedSpan[]> =>
    eventually(() => {
      const spans = receiver().ofTrace(traceId);
      const names = spans.map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining(['gateway.request', `send ${TOPIC}`, `process ${TOPIC}`, 'ledger post']));
      // Each service sends when it comes to it: the worker perhaps last.
      const attempts = spans.filter(({ name }) => name.startsWith('chat '));
      expect(attempts).toHaveLength(Number(spans.find(({ name }) => name === 'gateway.request')!.attributes['switchyard.attempt.count']));
      expect(names.filter((name) => name === 'POST')).toHaveLength(attempts.filter(({ service }) => service === 'switchyard-worker').length);
      return spans;
    }, SENDING);
  const expectTree = async (traceId: string, wanted: Omit<ExpectedRequest, 'system' | 'calls'>): Promise<readonly ReceivedSpan[]> => {
    const spans = await wholeTrace(traceId);
    expect(treesOf(spans, receiver().spans)).toEqual([requestTree({ ...place, ...wanted })]);
    expect(timeProblems(spans)).toEqual([]);
    return spans;
  };

  describe('the trace of a request', () => {
    // From here on the key is known, so that nothing more is linked to its check.
    beforeAll(async () => expect((await chat({})).status).toBe(200));

    it('that is streamed after one fallback leads from the client to the ledger', async () => {
      const body = { stream: true, provider: { order: ['alpha', 'beta'] } };
      const answer = await withFault('alpha', { kind: 'rate_limit' }, () => chat(body));
      expect(answer.status).toBe(200);
      const spans = await expectTree(traceIdOf(answer), {
        isStream: true,
        httpStatus: 200,
        end: 'completed',
        hasFirstToken: true,
        chargedMeters: ['input', 'output'],
        attempts: [
          { provider: 'alpha', reason: 'primary', status: 429, errorType: '429', ...NOTHING },
          { provider: 'beta', reason: 'fallback_provider', ...ANSWERED },
        ],
      });
      const [first, second] = spans.filter(({ name }) => name.startsWith('chat ')).sort((a, b) => Number(a.startNanos - b.startNanos));
      expect(first!.endNanos).toBeLessThanOrEqual(second!.startNanos);
    });

    it('that is answered whole has one attempt, whose cost is what the client is told', async () => {
      const answer = await chat({ provider: { only: ['alpha'] } });
      const spans = await expectTree(traceIdOf(answer), {
        isStream: false,
        httpStatus: 200,
        end: 'completed',
        hasFirstToken: false,
        chargedMeters: ['input', 'output'],
        attempts: [{ provider: 'alpha', reason: 'primary', ...ANSWERED }],
      });
      const { usage } = answer.body as { usage: { prompt_tokens: number; completion_tokens: number; cost: number } };
      const attributesOf = (name: string) => spans.find((span) => span.name === name)!.attributes;
      expect(attributesOf(`chat ${MODELS.writer}`)).toMatchObject({
        'gen_ai.usage.input_tokens': usage.prompt_tokens,
        'gen_ai.usage.output_tokens': usage.completion_tokens,
      });
      expect(Number(attributesOf('gateway.request')['switchyard.cost.charged'])).toBe(usage.cost);
      expect(attributesOf('ledger post')['switchyard.cost.charged']).toBe(attributesOf('gateway.request')['switchyard.cost.charged']);
    });

    it('tells the cost that the provider stated, where it did', async () => {
      const attemptOf = async (body: object) => {
        const answer = await chat(body);
        expect(answer.status).toBe(200);
        return (await wholeTrace(traceIdOf(answer))).find(({ name }) => name.startsWith('chat '))!.attributes;
      };
      for (const stream of [false, true])
        expect(await attemptOf({ model: 'acme/quoting-200', stream })).toMatchObject({
          'gen_ai.usage.cost.amount': STATED_COST_USD,
          'gen_ai.usage.cost.currency': 'USD',
          'gen_ai.usage.cost.source': 'provider',
        });
      expect(await attemptOf({ provider: { only: ['alpha'] } })).toMatchObject({ 'gen_ai.usage.cost.source': 'local' });
    });

    it('that every attempt failed is an error, and its attempts say why', async () => {
      const answer = await withFault('alpha', { kind: 'server_error' }, () => chat({ provider: { only: ['alpha'] } }));
      expect(answer.status).toBeGreaterThanOrEqual(500);
      const failed: ExpectedAttempt = { provider: 'alpha', reason: 'primary', status: 500, errorType: '500', ...NOTHING };
      await expectTree(traceIdOf(answer), {
        isStream: false,
        httpStatus: answer.status,
        serverError: String(answer.status),
        gatewayError: 'provider_unavailable',
        end: 'upstream_failed',
        hasFirstToken: false,
        chargedMeters: [],
        attempts: [failed, { ...failed, reason: 'retry' }],
      });
    });

    it('whose stream is cut after its first content is an error although its status was 200', async () => {
      const answer = await withFault('alpha', { kind: 'cut' }, () => chat({ stream: true, provider: { only: ['alpha'] } }));
      await expectTree(traceIdOf(answer), {
        isStream: true,
        httpStatus: 200,
        serverError: 'stream_interrupted',
        gatewayError: 'provider_unavailable',
        end: 'upstream_failed',
        hasFirstToken: true,
        chargedMeters: [],
        attempts: [
          { provider: 'alpha', reason: 'primary', errorType: 'stream_interrupted', finishReason: 'error', hasUsage: true, hasContent: true, isEstimated: true },
        ],
      });
    });

    it('that its client aborted is no error, and is charged', async () => {
      const traceId = await withFault('alpha', { kind: 'stall' }, async () => {
        const response = await request(`${url()}/chat/completions`, {
          method: 'POST',
          headers: { authorization: `Bearer ${fixture().platform.apiKey}`, 'content-type': 'application/json' },
          body: JSON.stringify({ model: MODELS.writer, stream: true, provider: { only: ['alpha'] }, messages: [{ role: 'user', content: 'say 9 words' }] }),
        });
        await response.body[Symbol.asyncIterator]().next();
        response.body.destroy();
        return traceIdOf(response);
      });
      await expectTree(traceId, {
        isStream: true,
        httpStatus: 200,
        end: 'client_aborted',
        hasFirstToken: true,
        chargedMeters: ['input', 'output'],
        attempts: [{ provider: 'alpha', reason: 'primary', hasUsage: true, hasContent: true, isEstimated: true }],
      });
    });

    it('that is refused for its key ends at the check of the key, without an error of ours', async () => {
      const answer = await call(url(), '/chat/completions', { key: 'sk-sy-v1-unknown', body: {} });
      expect(answer.status).toBe(401);
      const spans = await eventually(() => {
        const found = receiver().ofTrace(traceIdOf(answer));
        expect(found).toHaveLength(3);
        return found;
      }, SENDING);
      expect(spans.map(({ name, status, attributes }) => ({ name, status, errorType: attributes['error.type'] }))).toEqual([
        { name: 'POST /api/v1/chat/completions', status: 'unset', errorType: undefined },
        { name: 'gateway.request', status: 'unset', errorType: undefined },
        { name: 'auth.api_key', status: 'error', errorType: 'authentication' },
      ]);
    });

    it('is linked from the trace of the batch that analytics stored it in', async () => {
      const traceId = traceIdOf(await chat({ provider: { only: ['alpha'] } }));
      const send = (await wholeTrace(traceId)).find(({ kind }) => kind === 'producer')!;
      await eventually(() => {
        const batch = receiver().spans.find((span) => span.service === 'switchyard-analytics' && span.links.some(({ spanId }) => spanId === send.spanId));
        expect(batch).toMatchObject({
          kind: 'consumer',
          name: `process ${TOPIC}`,
          parentSpanId: '',
          attributes: { 'messaging.system': place.system, 'messaging.consumer.group.name': 'analytics', 'messaging.batch.message_count': expect.any(Number) },
        });
        expect(batch!.traceId).not.toBe(traceId);
      }, SENDING);
    });
  });

  it('a failed request is in the log with the ids of its trace', async () => {
    const answer = await withFault('alpha', { kind: 'server_error' }, () => chat({ provider: { only: ['alpha'] } }, { 'x-request-id': 'ask-for-this-4711' }));
    const spans = await wholeTrace(traceIdOf(answer));
    const line = await eventually(() => {
      const found = logLines().find(({ generationId }) => generationId === answer.headers['x-generation-id']);
      expect(found).toBeDefined();
      return found!;
    });
    const { spanId } = spans.find(({ name }) => name === 'gateway.request')!;
    expect(line).toMatchObject({
      level: 'warn',
      target: 'ingress',
      trace_id: traceIdOf(answer),
      span_id: spanId,
      requestId: 'ask-for-this-4711',
      providerSlug: 'alpha',
    });
  });

  describe('a client’s traceparent', () => {
    const CLIENT = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };

    it('is continued: the request is a child of the client’s span', async () => {
      const traceparent = `00-${CLIENT.traceId}-${CLIENT.spanId}-01`;
      expect(traceIdOf(await chat({ provider: { only: ['alpha'] } }, { traceparent }))).toBe(CLIENT.traceId);
      const spans = await wholeTrace(CLIENT.traceId);
      expect(spans.find(({ kind }) => kind === 'server')).toMatchObject({ parentSpanId: CLIENT.spanId });
    });

    it.each(['', 'nonsense', `ff-${CLIENT.traceId}-${CLIENT.spanId}-01`, `00-${'0'.repeat(32)}-${CLIENT.spanId}-01`, `00-${CLIENT.traceId}-${CLIENT.spanId}`])(
      'that is invalid (%j) is ignored: the request begins a trace of its own',
      async (traceparent) => {
        const answer = await chat({ provider: { only: ['alpha'] } }, { traceparent });
        expect(answer.status).toBe(200);
        expect(traceIdOf(answer)).toMatch(/^(?!0af7651916cd43dd8448eb211c80319c)[0-9a-f]{32}$/);
        const spans = await wholeTrace(traceIdOf(answer));
        expect(spans.find(({ kind }) => kind === 'server')).toMatchObject({ parentSpanId: '' });
      },
    );

    it('has its tracestate on every span of the request, to the ledger, as far as the standard bounds it, and none that is malformed', async () => {
      const tracestate = `tenant@vendor=a:b/c,${Array.from({ length: 8 }, (_, index) => `k${index}=`.padEnd(60, 'x')).join(',')}`;
      const statesOf = async (traceId: string, sent: string) => {
        await chat({ provider: { only: ['alpha'] } }, { traceparent: `00-${traceId}-${CLIENT.spanId}-01`, tracestate: sent });
        const spans = await wholeTrace(traceId);
        expect(spans.find(({ kind }) => kind === 'server')).toMatchObject({ parentSpanId: CLIENT.spanId });
        return spans.flatMap((span) => {
          const name = `${span.service.replace('switchyard-', '')} ${span.name}`;
          const within = span.links.filter((link) => link.traceId === traceId);
          return [`${name} ${span.traceState}`, ...within.map((link) => `${name} is linked ${link.traceState}`)];
        });
      };
      const wanted = (state: string) =>
        [
          ...['POST /api/v1/chat/completions', 'gateway.request', 'auth.api_key', 'decide', 'reserve'].map((name) => `ingress ${name} ${state}`),
          ...[`chat ${MODELS.writer}`, 'POST'].map((name) => `worker ${name} ${state}`),
          ...[`send ${TOPIC}`, `send ${TOPIC} is linked`].map((name) => `ingress ${name} ${state}`),
          ...[`process ${TOPIC}`, `process ${TOPIC} is linked`, 'ledger post'].map((name) => `billing ${name} ${state}`),
        ].sort();
      expect(tracestate).toHaveLength(507);
      expect((await statesOf('7af7651916cd43dd8448eb211c80319c', tracestate)).sort()).toEqual(wanted(tracestate));
      expect((await statesOf('8af7651916cd43dd8448eb211c80319c', `${tracestate},last=1`)).sort()).toEqual(wanted(tracestate));
      expect((await statesOf('9af7651916cd43dd8448eb211c80319c', 'not valid')).sort()).toEqual(wanted(''));
    });

    it('that is not sampled keeps the request out, unless it fails', async () => {
      const quiet = { traceId: '1af7651916cd43dd8448eb211c80319c', spanId: CLIENT.spanId };
      const failing = { traceId: '2af7651916cd43dd8448eb211c80319c', spanId: CLIENT.spanId };
      const answer = await chat({ provider: { only: ['alpha'] } }, { traceparent: `00-${quiet.traceId}-${quiet.spanId}-00` });
      expect(answer.headers).not.toHaveProperty('x-switchyard-trace-id');
      await withFault('alpha', { kind: 'server_error' }, () =>
        chat({ provider: { only: ['alpha'] } }, { traceparent: `00-${failing.traceId}-${failing.spanId}-00` }),
      );
      await wholeTrace(failing.traceId);
      expect(receiver().ofTrace(quiet.traceId)).toEqual([]);
    });
  });

  it('every span names its service, its program’s version and the conventions that it follows', async () => {
    await wholeTrace(traceIdOf(await chat({})));
    const spans = receiver().spans;
    expect([...new Set(spans.map(({ service }) => service))].sort()).toEqual(
      expect.arrayContaining(['switchyard-analytics', 'switchyard-billing', 'switchyard-ingress', 'switchyard-worker']),
    );
    for (const { resource, scope } of spans) {
      expect(resource).toMatchObject({ 'service.namespace': 'switchyard', 'service.version': expect.any(String), 'service.instance.id': expect.any(String) });
      expect(scope).toEqual({ name: 'switchyard', schemaUrl: 'https://opentelemetry.io/schemas/1.41.0' });
    }
  });
}
