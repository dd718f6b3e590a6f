import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { DEFAULT_REQUEST_LIMITS } from '@switchyard/api';
import { billing } from '@switchyard/proto';
import { PrometheusMetrics, type Logger } from '@switchyard/telemetry';
import { captureLogger, eventually, manualClock, seededRandom } from '@switchyard/testing';
import { request } from 'undici';
import { GenerationMetrics } from '../generation-metrics.js';
import type { Gateway } from '../run-generation.js';
import { chatCompletionsRoute } from './chat-completions/chat-completions.route.js';
import { HttpMetrics } from './http-metrics.js';
import { InferenceServer, type InferenceOptions } from './inference-server.js';
import { KeepAlive } from './keep-alive.js';
import { BodyMemory } from './read-body.js';

const KEY = billing.Key.create({ kind: billing.KeyKind.INFERENCE });
const BODY_LIMITS = { maxBytes: 10_000, minBytesPerSecond: 1_000 };
const QUESTION = '{"model": "acme/writer", "messages": [{"role": "user", "content": "Hi"}]}';
const HEAD = 'POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nContent-Length: 20\r\n\r\n';

describe('the inference server', () => {
  let server: Server;
  let client: Socket;

  afterEach(() => {
    client.destroy();
    server.closeAllConnections();
    server.close();
  });

  /** A server whose key look-ups end when the spec says so, and a client that sent `bytes`. */
  async function start(
    bytes: string,
    options: Partial<InferenceOptions> = {},
    parts: { readonly gateway?: Partial<Gateway>; readonly logger?: Logger } = {},
  ): Promise<{ inference: InferenceServer; authenticated: PromiseWithResolvers<billing.Key> }> {
    const authenticated = Promise.withResolvers<billing.Key>();
    const metrics = new PrometheusMetrics();
    const inference = new InferenceServer(
      [chatCompletionsRoute],
      { metrics: new GenerationMetrics(metrics), ...parts.gateway } as Gateway,
      { authenticate: () => authenticated.promise },
      new KeepAlive(10_000),
      manualClock(),
      parts.logger ?? captureLogger(),
      new HttpMetrics(metrics),
      { body: BODY_LIMITS, bodyMemory: new BodyMemory(15_000), maxConcurrentGenerations: 10, limits: DEFAULT_REQUEST_LIMITS, ...options },
    );
    server = createServer((request, response) => void inference.handle(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    client.write(bytes);
    await eventually(() => expect(inference.running).toBe(1));
    return { inference, authenticated };
  }

  const hasNoConnection = () =>
    eventually(async () => {
      const count = await new Promise<number>((resolve, reject) => server.getConnections((error, open) => (error ? reject(error) : resolve(open))));
      expect(count).toBe(0);
    });

  it.each([
    ['before its body was complete', HEAD],
    ['after its whole body was sent', `${HEAD}${'x'.repeat(20)}`],
  ])('forgets a client that left while its key was looked up, %s', async (_case, bytes) => {
    const { inference, authenticated } = await start(bytes);
    client.destroy();
    await hasNoConnection();
    authenticated.resolve(KEY);
    await inference.idle();
    expect(inference.running).toBe(0);
  });

  it('takes a route with a trailing slash, as every other route is', async () => {
    const { inference, authenticated } = await start(HEAD.replace('/completions', '/completions/'));
    authenticated.resolve(KEY);
    client.destroy();
    await inference.idle();
  });

  it('forgets a client that leaves in the middle of its body', async () => {
    const { inference, authenticated } = await start(`${HEAD}xxx`);
    authenticated.resolve(KEY);
    client.destroy();
    await inference.idle();
    expect(inference.running).toBe(0);
  });

  it('refuses a body that comes too slowly, and forgets it: its place is for others', async () => {
    const slow = { ...BODY_LIMITS, minBytesPerSecond: 1_000_000, paceCheckMs: 20 };
    const { inference, authenticated } = await start(HEAD.replace('20', '9000') + 'x'.repeat(8_000), { body: slow });
    const answer = Promise.withResolvers<string>();
    client.once('data', (bytes) => answer.resolve(bytes.toString()));
    authenticated.resolve(KEY);
    expect(await answer.promise).toMatch(/^HTTP\/1.1 408 [^]*came too slowly: send at least 1000000 bytes per second/);
    await inference.idle();
  });

  it.each([
    ['gzip', /^HTTP\/1.1 415 [^]*encoded \(gzip\): send it without a Content-Encoding/],
    ['identity', /^HTTP\/1.1 400 [^]*not valid JSON/],
  ])('says what is the matter with a body that is encoded, and not that it were no JSON: %s', async (encoding, expected) => {
    const { authenticated } = await start(`${HEAD.replace('Host', `Content-Encoding: ${encoding}\r\nHost`)}${'x'.repeat(20)}`);
    const answer = Promise.withResolvers<string>();
    client.once('data', (bytes) => answer.resolve(bytes.toString()));
    authenticated.resolve(KEY);
    expect(await answer.promise).toMatch(expected);
  });

  it.each([
    ['than a body may be', 10_000, 15_000],
    ['than all bodies together may be, which would be told to come back for ever', 15_000, 10_000],
  ])('refuses a body that is announced as larger %s, before any of it has come', async (_case, maxBytes, heldBytes) => {
    const { authenticated } = await start(HEAD.replace('20', '10001'), { body: { ...BODY_LIMITS, maxBytes }, bodyMemory: new BodyMemory(heldBytes) });
    const answer = Promise.withResolvers<string>();
    client.once('data', (bytes) => answer.resolve(bytes.toString()));
    authenticated.resolve(KEY);
    expect(await answer.promise).toMatch(/^HTTP\/1.1 413 [^]*larger than 10000 bytes/);
  });

  it('waits for a body that comes as fast as it has to', async () => {
    const patient = { ...BODY_LIMITS, minBytesPerSecond: 1_000, paceCheckMs: 20 };
    const { authenticated } = await start(HEAD.replace('20', '9000') + 'x'.repeat(8_000), { body: patient });
    const answer = Promise.withResolvers<string>();
    client.once('data', (bytes) => answer.resolve(bytes.toString()));
    authenticated.resolve(KEY);
    // The pace is looked at more than once before the rest is sent.
    let checkCount = 0;
    const timer = setInterval(() => ++checkCount, patient.paceCheckMs);
    await eventually(() => expect(checkCount).toBeGreaterThan(3));
    clearInterval(timer);
    client.write('x'.repeat(1_000));
    expect(await answer.promise).toContain('not valid JSON');
  });

  it('takes no more body bytes than all requests may hold together, and takes them again when others are over', async () => {
    const { inference, authenticated } = await start(HEAD.replace('20', '9000') + 'x'.repeat(8_000));
    authenticated.resolve(KEY);
    const ask = async () => {
      const { port } = server.address() as AddressInfo;
      const response = await request(`http://127.0.0.1:${port}/v1/chat/completions`, { method: 'POST', body: 'x'.repeat(9_000) });
      await response.body.dump();
      return [response.statusCode, response.headers['retry-after']];
    };
    // Eight thousand bytes wait for the rest of their body; a spec's own read is the only other one.
    await eventually(async () => expect(await ask()).toEqual([503, '1']));
    client.destroy();
    await eventually(() => expect(inference.running).toBe(0));
    expect(await ask()).toEqual([400, undefined]);
  });

  it('logs why a request failed for a reason of our own under the ids that its client knows, traced or not', async () => {
    const logger = captureLogger();
    const clock = manualClock();
    const table = () => {
      throw new Error('the table is broken');
    };
    const gateway = { clock, random: seededRandom(1), billingNowMs: () => clock.nowMs(), deadlines: {}, table };
    const { authenticated } = await start(HEAD.replace('20', `${QUESTION.length}\r\nX-Request-Id: r-1`) + QUESTION, {}, { gateway, logger });
    const answer = Promise.withResolvers<string>();
    client.once('data', (bytes) => answer.resolve(bytes.toString()));
    authenticated.resolve(KEY);
    const [, generationId] = /^HTTP\/1.1 500 [^]*x-generation-id: (\S+)/i.exec(await answer.promise)!;
    expect(logger.lines).toMatchObject([{ level: 'error', fields: { generationId, requestId: 'r-1', error: { message: 'the table is broken' } } }]);
  });
});
