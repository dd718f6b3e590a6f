import { Server, ServerCredentials } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { sessionChannelOptions, SessionPool, SessionServer, type AttemptTransport } from '@switchyard/grpc';
import { common, worker } from '@switchyard/proto';
import { eventually } from '@switchyard/testing';
import {
  chatStart,
  CollectingListener,
  DONE,
  json,
  openaiChunk,
  OPENAI_FINISH,
  OPENAI_USAGE,
  RunnerHarness,
  ScriptedUpstream,
  sse,
  startReading,
} from '@switchyard/worker/runner-harness.fake';

interface Binding {
  readonly transport: AttemptTransport;
  close(): Promise<void>;
}

const logger = { info: () => undefined, warn: () => undefined };

/** The runner itself, as an ingress in the worker's process has it. */
function inProcess(harness: RunnerHarness): Promise<Binding> {
  return Promise.resolve({ transport: harness.runner, close: () => Promise.resolve() });
}

/** The same runner behind sessions, as an ingress elsewhere has it. */
async function overGrpc(harness: RunnerHarness): Promise<Binding> {
  const sessions = new SessionServer({ transport: harness.runner, logger });
  const server = new Server(sessionChannelOptions());
  const { definition, implementation } = sessions.nativeGrpcService();
  server.addService(definition, implementation);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  const pool = new SessionPool({ addresses: [`127.0.0.1:${port}`], sessionsPerAddress: 1, logger });
  await pool.open();
  await eventually(() => expect(pool.isReady).toBe(true));
  return {
    transport: pool,
    close: () => {
      pool.close();
      server.forceShutdown();
      return Promise.resolve();
    },
  };
}

describe.each([
  ['in process', inProcess],
  ['over gRPC', overGrpc],
])('attempts %s', (_name, bind) => {
  let upstream: ScriptedUpstream;
  let harness: RunnerHarness;
  let binding: Binding;
  let transport: AttemptTransport;

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    harness = new RunnerHarness();
    binding = await bind(harness);
    transport = binding.transport;
  });

  afterEach(() => {
    upstream.hits.length = 0;
  });

  afterAll(async () => {
    await binding.close();
    await harness.close();
    upstream.close();
  });

  it('deliver headers, data in the upstream’s order, usage, and one end, last', async () => {
    upstream.script = (response) => {
      sse(response);
      for (let index = 0; index < 200; index++) response.write(openaiChunk({ content: `${index} ` }));
      response.end(OPENAI_FINISH + OPENAI_USAGE + DONE);
    };
    const listener = startReading(transport, chatStart(upstream.url, { stream: true }));
    expect(listener.events).toEqual([]);
    expect(await listener.ended).toMatchObject({ end: worker.AttemptEnd.COMPLETED, error: undefined });
    expect(listener.content).toBe(Array.from({ length: 200 }, (_, index) => `${index} `).join(''));
    expect(listener.events[0]).toBe('headers');
    expect(listener.events.filter((event) => event === 'end')).toHaveLength(1);
    expect(listener.events.at(-1)).toBe('end');
    expect(listener.usages.at(-1)).toEqual({ usage: { meters: { input_uncached: 11, output_text: 7 }, source: common.UsageSource.PROVIDER }, isFinal: true });
    expect(listener.data.at(-1)!.finishReason).toBe('stop');
  });

  it('let the first chunk out before the last exists', async () => {
    let finish: () => void = () => undefined;
    upstream.script = (response) => {
      sse(response).write(openaiChunk({ content: 'first' }));
      finish = () => void response.end(OPENAI_FINISH + OPENAI_USAGE + DONE);
    };
    const listener = startReading(transport, chatStart(upstream.url, { stream: true }));
    await eventually(() => expect(listener.content).toBe('first'));
    expect(listener.ends).toHaveLength(0);
    finish();
    expect((await listener.ended).end).toBe(worker.AttemptEnd.COMPLETED);
  });

  it('respect the window, and go on after a grant', async () => {
    const piece = openaiChunk({ content: 'x'.repeat(1_000) });
    upstream.script = (response) => void sse(response).end(piece.repeat(2_000) + OPENAI_FINISH + OPENAI_USAGE + DONE);
    const listener = new CollectingListener();
    const handle = transport.start(chatStart(upstream.url, { stream: true, initialGrantBytes: 20_000n }), listener);
    await eventually(() => expect(listener.receivedBytes).toBeGreaterThanOrEqual(20_000));
    const stopped = listener.receivedBytes;
    // Another attempt is not held up meanwhile.
    const other = startReading(transport, chatStart(upstream.url, { stream: true }));
    expect((await other.ended).end).toBe(worker.AttemptEnd.COMPLETED);
    expect(other.content).toHaveLength(2_000_000);
    expect(listener.receivedBytes).toBe(stopped);
    expect(stopped).toBeLessThan(20_000 + 150_000);
    handle.grant(10_000_000);
    expect((await listener.ended).end).toBe(worker.AttemptEnd.COMPLETED);
    expect(listener.content).toHaveLength(2_000_000);
  });

  it('carry cancel to the upstream, also with the window used up, and end once', async () => {
    upstream.script = (response) => void sse(response).write(openaiChunk({ content: 'y'.repeat(10_000) }));
    const listener = new CollectingListener();
    const handle = transport.start(chatStart(upstream.url, { stream: true, initialGrantBytes: 1n }), listener);
    await eventually(() => expect(listener.receivedBytes).toBeGreaterThan(0));
    handle.cancel('the client left');
    handle.cancel('again');
    expect(await listener.ended).toMatchObject({ end: worker.AttemptEnd.CANCELLED });
    await eventually(() => expect(upstream.hits[0]!.isAborted).toBe(true));
    expect(listener.usages.at(-1)).toMatchObject({ isFinal: true, usage: { source: common.UsageSource.ESTIMATED } });
    handle.grant(1);
    handle.cancel('late');
    expect(listener.ends).toHaveLength(1);
  });

  it('cancel before anything was sent asks nothing of the provider', async () => {
    const listener = new CollectingListener();
    const handle = transport.start(chatStart(upstream.url, { stream: true }), listener);
    handle.cancel('at once');
    expect((await listener.ended).end).toBe(worker.AttemptEnd.CANCELLED);
    expect(upstream.hits).toHaveLength(0);
  });

  it('keep the type, the time to wait and the provider’s code of a failure', async () => {
    upstream.script = (response) => json(response, 429, { error: { message: 'Slow down', code: 'rate_limit_exceeded' } }, { 'retry-after': '3' });
    const end = await startReading(transport, chatStart(upstream.url)).ended;
    expect(end).toMatchObject({ end: worker.AttemptEnd.FAILED, error: { errorType: 'rate_limit_exceeded', retryAfterMs: 3_000n, upstreamStatus: 429 } });
  });

  it('report a cut stream as a failure after the data that came', async () => {
    upstream.script = (response) => void sse(response).end(openaiChunk({ content: 'half' }));
    const listener = startReading(transport, chatStart(upstream.url, { stream: true }));
    expect(await listener.ended).toMatchObject({ end: worker.AttemptEnd.FAILED, error: { errorType: 'provider_unavailable' } });
    expect(listener.content).toBe('half');
  });

  it('render a whole answer to splice usage into', async () => {
    upstream.script = (response) =>
      json(response, 200, {
        id: 'c',
        object: 'chat.completion',
        choices: [{ index: 0, message: { role: 'assistant', content: 'z'.repeat(300_000) }, finish_reason: 'stop' }],
        usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
      });
    const listener = startReading(transport, chatStart(upstream.url));
    await listener.ended;
    expect(JSON.parse(`${listener.text.slice(0, -1)},"usage":{}}`)).toMatchObject({ usage: {}, choices: [{ message: { content: 'z'.repeat(300_000) } }] });
  });
});

describe('attempts whose session breaks', () => {
  it('end once, as lost, and their upstream is stopped', async () => {
    const upstream = await ScriptedUpstream.start();
    const harness = new RunnerHarness();
    const binding = await overGrpc(harness);
    upstream.script = (response) => void sse(response).write(openaiChunk({ content: 'half' }));
    const listeners = [1, 2, 3].map(() => startReading(binding.transport, chatStart(upstream.url, { stream: true })));
    await eventually(() => expect(listeners.every(({ content }) => content === 'half')).toBe(true));
    await binding.close();
    for (const listener of listeners) expect((await listener.ended).end).toBe(worker.AttemptEnd.SESSION_LOST);
    await eventually(() => expect(upstream.hits.every(({ isAborted }) => isAborted)).toBe(true));
    expect(listeners.map(({ ends }) => ends.length)).toEqual([1, 1, 1]);
    // The worker still reports what its side saw.
    await eventually(() => expect(harness.results).toHaveLength(3));
    await harness.close();
    upstream.close();
  });
});
