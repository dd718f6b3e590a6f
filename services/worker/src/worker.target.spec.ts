import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { decodeAttemptCompleted, PostgresEventLog, TOPICS } from '@switchyard/events';
import { createPortClient, SessionPool } from '@switchyard/grpc';
import { CredentialPort, events, worker } from '@switchyard/proto';
import { runTargets, type Platform } from '@switchyard/runtime';
import { captureLogger, eventually, startTestPostgres, type TestPostgres } from '@switchyard/testing';
import { chatStart, DONE, json, openaiChunk, OPENAI_FINISH, OPENAI_USAGE, ScriptedUpstream, sse, startReading } from './runner-harness.fake.js';
import { workerTarget } from './worker.target.js';

let postgres: TestPostgres;
let upstream: ScriptedUpstream;
const closers: (() => unknown)[] = [];

beforeAll(async () => {
  postgres = await startTestPostgres();
  upstream = await ScriptedUpstream.start();
}, 60_000);

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

afterAll(async () => {
  upstream.close();
  await postgres.close();
});

/** Between an ingress and its worker: while it holds back what the ingress sends, the worker is still heard. */
async function holdingProxy(address: string): Promise<{ readonly address: string; hold(): void; release(): void }> {
  const [host, port] = address.split(':');
  const sockets = new Set<Socket>();
  const server = createServer((ingress) => {
    const served = connect(Number(port), host);
    sockets.add(ingress);
    for (const [from, to] of [
      [ingress, served],
      [served, ingress],
    ] as const)
      from.on('error', () => to.destroy()).pipe(to);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => server.close());
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    hold: () => sockets.forEach((socket) => socket.pause()),
    release: () => sockets.forEach((socket) => socket.resume()),
  };
}

async function startWorker(environment: Record<string, string> = {}): Promise<{ platform: Platform; sessions: SessionPool }> {
  const folder = await mkdtemp(join(tmpdir(), 'worker-'));
  closers.push(() => rm(folder, { recursive: true, force: true }));
  const defaults = {
    SWITCHYARD_DATA_DIR: folder,
    SWITCHYARD_GRPC_PORT: '0',
    SWITCHYARD_HEALTH_PORT: '0',
    SWITCHYARD_DRAIN_DELAY_MS: '0',
    SWITCHYARD_DATABASE_URL: postgres.url,
  };
  const platform = await runTargets({ targets: [workerTarget], environment: { ...defaults, ...environment }, logger: captureLogger() });
  closers.push(() => platform.stop());
  return { platform, sessions: await openSessions(platform.grpcAddress!) };
}

async function openSessions(address: string): Promise<SessionPool> {
  const sessions = new SessionPool({ addresses: [address], sessionsPerAddress: 1, logger: captureLogger() });
  closers.push(() => sessions.close());
  await sessions.open();
  await eventually(() => expect(sessions.isReady).toBe(true));
  return sessions;
}

describe('a worker of its own', () => {
  it('runs attempts over sessions and publishes what each cost', async () => {
    upstream.script = (response) => void sse(response).end(openaiChunk({ content: 'Hello.' }) + OPENAI_FINISH + OPENAI_USAGE + DONE);
    const { platform, sessions } = await startWorker();
    const frame = chatStart(upstream.url, { stream: true });
    const listener = startReading(sessions, frame);
    expect((await listener.ended).end).toBe(worker.AttemptEnd.COMPLETED);
    expect(listener.content).toBe('Hello.');
    expect(platform.readiness()).toMatchObject({ ready: true, degraded: false });
    const eventLog = new PostgresEventLog({ url: postgres.url, logger: captureLogger(), pollIntervalMs: 100 });
    closers.push(() => eventLog.close());
    const values: string[] = [];
    const subscription = await eventLog.subscribe({
      group: 'test',
      topics: [TOPICS.attemptCompleted],
      maxBatchSize: 10,
      handler: (batch) => {
        values.push(...batch.map(({ value }) => value));
        return Promise.resolve();
      },
    });
    closers.push(() => subscription.close());
    await eventually(() => expect(values).toHaveLength(1));
    const published = decodeAttemptCompleted(values[0]!);
    expect(published).toMatchObject({
      attemptId: `${frame.generationId}:0`,
      outcome: events.AttemptOutcome.COMPLETED,
      usage: { meters: { input_uncached: 11, output_text: 7 } },
      costRevision: 'cost-1',
      costPico: 39_000_000n,
      reporter: events.AttemptReporter.WORKER,
    });
  });

  it('tells which providers it can authenticate to', async () => {
    const { platform } = await startWorker();
    const client = createPortClient(CredentialPort, platform.grpcAddress!);
    closers.push(() => client.close());
    expect(await client.port.listProviderCredentials({ providerSlugs: ['vllm', 'no-such-provider'] })).toEqual({ providerSlugs: ['vllm'] });
  });

  it('drains: what runs finishes, nothing new begins, and the process ends', async () => {
    let finish: () => void = () => undefined;
    upstream.script = (response) => {
      sse(response).write(openaiChunk({ content: 'Hel' }));
      finish = () => void response.end(openaiChunk({ content: 'lo.' }) + OPENAI_FINISH + OPENAI_USAGE + DONE);
    };
    const { platform, sessions } = await startWorker();
    const running = startReading(sessions, chatStart(upstream.url, { stream: true }));
    await eventually(() => expect(running.content).toBe('Hel'));
    const stopping = platform.stop();
    await eventually(() => expect(sessions.status()).toMatchObject([{ state: 'draining', openAttempts: 1 }]));
    finish();
    expect((await running.ended).end).toBe(worker.AttemptEnd.COMPLETED);
    expect(running.content).toBe('Hello.');
    await stopping;
    expect(sessions.isReady).toBe(false);
  });

  it('drains no sooner than its ingresses have heard of it: what they started before runs to its end, too', async () => {
    let finish: () => void = () => undefined;
    upstream.script = (response) => {
      sse(response).write(openaiChunk({ content: 'Hel' }));
      finish = () => void response.end(openaiChunk({ content: 'lo.' }) + OPENAI_FINISH + OPENAI_USAGE + DONE);
    };
    const { platform, sessions: idle } = await startWorker();
    idle.close();
    const proxy = await holdingProxy(platform.grpcAddress!);
    const sessions = await openSessions(proxy.address);
    proxy.hold();
    const running = startReading(sessions, chatStart(upstream.url, { stream: true }));
    const stopping = platform.stop();
    await eventually(() => expect(sessions.status()).toMatchObject([{ state: 'draining', openAttempts: 1 }]));
    proxy.release();
    await eventually(() => expect(running.content).toBe('Hel'));
    const client = createPortClient(CredentialPort, platform.grpcAddress!);
    closers.push(() => client.close());
    expect(await client.port.listProviderCredentials({ providerSlugs: ['vllm'] })).toEqual({ providerSlugs: ['vllm'] });
    finish();
    expect((await running.ended).end).toBe(worker.AttemptEnd.COMPLETED);
    await stopping;
  });

  it('cancels what still runs when the time to drain is over', async () => {
    upstream.script = (response) => void sse(response).write(openaiChunk({ content: 'Hel' }));
    const { platform, sessions } = await startWorker({ SWITCHYARD_WORKER_DRAIN_TIMEOUT: '100ms' });
    const running = startReading(sessions, chatStart(upstream.url, { stream: true }));
    await eventually(() => expect(running.content).toBe('Hel'));
    await platform.stop();
    expect((await running.ended).end).toBe(worker.AttemptEnd.CANCELLED);
    await eventually(() => expect(upstream.hits.at(-1)!.isAborted).toBe(true));
  });

  it('serves a whole answer to an ingress of the same process too', async () => {
    upstream.script = (response) =>
      json(response, 200, { id: 'c', choices: [{ index: 0, message: { role: 'assistant', content: 'Hi.' }, finish_reason: 'stop' }] });
    const { sessions } = await startWorker();
    expect((await startReading(sessions, chatStart(upstream.url)).ended).end).toBe(worker.AttemptEnd.COMPLETED);
  });
});
