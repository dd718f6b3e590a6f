import { Server, ServerCredentials } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from '@jest/globals';
import { worker } from '@switchyard/proto';
import type { Tracer } from '@switchyard/telemetry';
import { eventually, freePort, recordingTracing } from '@switchyard/testing';
import { RecordingListener, ScriptedTransport } from './scripted-transport.fake.js';
import { sessionChannelOptions } from './session-options.js';
import { SessionPool } from './session-pool.js';
import { SessionServer } from './session-server.js';

const METHOD = 'switchyard.worker.v1.WorkerService/OpenSession';
const logger = { info: () => undefined, warn: () => undefined };
const closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
});

async function serveWorker(port: number, tracer?: Tracer): Promise<void> {
  const sessions = new SessionServer({ transport: new ScriptedTransport(), logger, tracer });
  const server = new Server(sessionChannelOptions());
  const { definition, implementation } = sessions.nativeGrpcService();
  server.addService(definition, implementation);
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve())),
  );
  closers.push(() => server.forceShutdown());
}

/** A pool of one session to a worker by this name, and its traces. */
async function tracedPool(port: number) {
  const { tracer, finished } = recordingTracing();
  const pool = new SessionPool({ addresses: [`workers.test:${port}`], sessionsPerAddress: 1, logger, tracer, resolve: async () => ['127.0.0.1'] });
  closers.push(() => pool.close());
  await pool.open();
  return { pool, finished };
}

const startFrame = (generationId: string) => worker.StartFrame.create({ generationId, initialGrantBytes: 65_536n });

describe('the opening of a session', () => {
  it('is a trace of its own, which every attempt over the session tells', async () => {
    const port = await freePort();
    await serveWorker(port);
    const { pool, finished } = await tracedPool(port);
    await eventually(() => expect(pool.isReady).toBe(true));
    const [one, two] = [pool.start(startFrame('one'), new RecordingListener()), pool.start(startFrame('two'), new RecordingListener())];
    pool.close();
    const [opening, ...others] = await finished();
    expect(others).toEqual([]);
    expect(opening).toMatchObject({ name: METHOD, kind: 'client', parentSpanId: undefined, errorType: undefined });
    expect(opening!.attributes).toEqual({
      'rpc.system.name': 'grpc',
      'rpc.method': METHOD,
      'rpc.status_code': 'OK',
      'server.address': 'workers.test',
      'server.port': port,
      'network.peer.address': '127.0.0.1',
      'network.peer.port': port,
    });
    expect([one.session?.link(), two.session?.link()]).toEqual([opening!.context, opening!.context]);
  });

  it('has a span in the worker below the one in the ingress', async () => {
    const port = await freePort();
    const served = recordingTracing();
    await serveWorker(port, served.tracer);
    const { pool, finished } = await tracedPool(port);
    await eventually(() => expect(pool.isReady).toBe(true));
    pool.close();
    const [opening] = await finished();
    const { traceId, spanId } = opening!.context;
    const [span, ...others] = await served.finished();
    expect(others).toEqual([]);
    expect(span).toMatchObject({ name: METHOD, kind: 'server', parentSpanId: spanId, context: { traceId }, errorType: undefined });
    expect(span!.attributes).toEqual({ 'rpc.system.name': 'grpc', 'rpc.method': METHOD, 'rpc.status_code': 'OK' });
  });

  it('that fails says why; an attempt that waits for a worker tells the opening that it got', async () => {
    const port = await freePort();
    const { pool, finished } = await tracedPool(port);
    const waiting = pool.start(startFrame('one'), new RecordingListener());
    expect(waiting.session).toBeUndefined();
    await eventually(() => expect(pool.status()).toEqual([]));
    await serveWorker(port);
    await eventually(() => expect(waiting.session).toBeDefined());
    pool.close();
    const openings = await finished();
    expect(openings.at(-1)).toMatchObject({ context: waiting.session?.link(), errorType: undefined });
    const failed = openings.slice(0, -1);
    expect(failed.length).toBeGreaterThan(0);
    for (const { errorType, attributes } of failed) expect([errorType, attributes['rpc.status_code']]).toEqual(['UNAVAILABLE', 'UNAVAILABLE']);
  });

  it('that we gave up ourselves is nobody’s failure', async () => {
    const { pool, finished } = await tracedPool(await freePort());
    pool.close();
    expect(await finished()).toEqual([]);
  });
});
