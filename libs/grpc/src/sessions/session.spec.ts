import { createServer, connect, Socket, type AddressInfo, type Server as TcpServer } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from '@jest/globals';
import { worker } from '@switchyard/proto';
import { eventually, freePort } from '@switchyard/testing';
import { SERVER_OPTIONS } from '../channel-options.js';
import type { AttemptTransport } from './attempt-transport.js';
import { RecordingListener, ScriptedTransport } from './scripted-transport.fake.js';
import { DEFAULT_KEEPALIVE, sessionChannelOptions } from './session-options.js';
import { SessionPool, type SessionPoolOptions } from './session-pool.js';
import { SessionServer } from './session-server.js';

const logger = { info: () => undefined, warn: () => undefined };
const closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
});

interface ServedWorker {
  readonly address: string;
  readonly sessions: SessionServer;
  readonly runner: ScriptedTransport;
  stop(): void;
}

async function serveWorker(port = 0, transport?: AttemptTransport, host = '127.0.0.1'): Promise<ServedWorker> {
  const runner = new ScriptedTransport();
  const sessions = new SessionServer({ transport: transport ?? runner, logger });
  const server = new Server(sessionChannelOptions());
  const { definition, implementation } = sessions.nativeGrpcService();
  server.addService(definition, implementation);
  const boundPort = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`${host}:${port}`, ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  closers.push(() => server.forceShutdown());
  return { address: `${host}:${boundPort}`, sessions, runner, stop: () => server.forceShutdown() };
}

async function openPool(options: Partial<SessionPoolOptions> & { addresses: readonly string[] }): Promise<SessionPool> {
  const pool = new SessionPool({ logger, sessionsPerAddress: 1, ...options });
  closers.push(() => pool.close());
  await pool.open();
  return pool;
}

async function readyPool(options: Partial<SessionPoolOptions> & { addresses: readonly string[] }): Promise<SessionPool> {
  const pool = await openPool(options);
  await eventually(() => expect(pool.isReady).toBe(true));
  return pool;
}

function startFrame(generationId: string, fields: Partial<worker.StartFrame> = {}): worker.StartFrame {
  return { ...worker.StartFrame.create({ generationId, initialGrantBytes: 65_536n }), ...fields };
}

function* pieces(count: number, sizeBytes: number): Iterable<Uint8Array> {
  for (let index = 0; index < count; index++) yield Buffer.alloc(sizeBytes, String(index % 10));
}

describe('a session', () => {
  it('delivers headers, data in order and one end', async () => {
    const served = await serveWorker();
    const pool = await readyPool({ addresses: [served.address] });
    const listener = new RecordingListener();
    pool.start(startFrame('a', { body: Buffer.from('{"model":"m"}') }), listener);
    await eventually(() => expect(served.runner.attempts.has('a')).toBe(true));
    expect(Buffer.from(served.runner.get('a').start.body).toString()).toBe('{"model":"m"}');
    served.runner.get('a').produce(['one ', 'two ', 'three'].map((text) => Buffer.from(text)));
    await eventually(() => expect(listener.ends).toHaveLength(1));
    expect(listener.events).toEqual(['headers', 'data', 'data', 'data', 'end']);
    expect(listener.text).toBe('one two three');
    expect(listener.ends[0]!.end).toBe(worker.AttemptEnd.COMPLETED);
  });

  it('waits for no full packets on either side', async () => {
    const undelayed = new Set<number>();
    const original = Socket.prototype.setNoDelay;
    Socket.prototype.setNoDelay = function (noDelay?: boolean) {
      if (noDelay !== false && this.localPort !== undefined) undelayed.add(this.localPort);
      return original.call(this, noDelay);
    };
    try {
      const served = await serveWorker();
      await readyPool({ addresses: [served.address] });
      expect(undelayed.has(Number(served.address.split(':')[1]))).toBe(true);
      expect(undelayed.size).toBe(2);
    } finally {
      Socket.prototype.setNoDelay = original;
    }
  });

  it('carries a start frame of 32 MiB', async () => {
    const served = await serveWorker();
    const pool = await readyPool({ addresses: [served.address] });
    pool.start(startFrame('a', { body: Buffer.alloc(32 * 1024 * 1024, 'x') }), new RecordingListener());
    await eventually(() => expect(served.runner.attempts.has('a')).toBe(true), { timeoutMs: 10_000 });
    expect(served.runner.get('a').start.body.byteLength).toBe(32 * 1024 * 1024);
  });

  it('refuses an attempt that is larger than a message, and goes on with the others', async () => {
    const served = await serveWorker();
    const pool = await readyPool({ addresses: [served.address] });
    const neighbour = new RecordingListener();
    pool.start(startFrame('a'), neighbour);
    await eventually(() => expect(served.runner.attempts.has('a')).toBe(true));
    const large = new RecordingListener();
    pool.start(startFrame('b', { body: Buffer.alloc(65 * 1024 * 1024, 'x') }), large);
    await eventually(() => expect(large.ends).toHaveLength(1), { timeoutMs: 10_000 });
    expect(large.ends[0]).toMatchObject({ end: worker.AttemptEnd.FAILED, error: { errorType: 'payload_too_large' } });
    served.runner.get('a').produce(pieces(3, 10));
    await eventually(() => expect(neighbour.ends).toHaveLength(1));
    expect(neighbour.ends[0]!.end).toBe(worker.AttemptEnd.COMPLETED);
  });

  it('sends no more than the window, and more after a grant', async () => {
    const served = await serveWorker();
    const pool = await readyPool({ addresses: [served.address] });
    const listener = new RecordingListener();
    const handle = pool.start(startFrame('a', { initialGrantBytes: 10_000n }), listener);
    await eventually(() => expect(served.runner.attempts.has('a')).toBe(true));
    served.runner.get('a').produce(pieces(100, 1_000));
    await eventually(() => expect(listener.receivedBytes).toBe(10_000));
    // A second attempt goes through whole meanwhile: nothing waits behind the stopped one.
    const other = new RecordingListener();
    pool.start(startFrame('b', { initialGrantBytes: 1_000_000n }), other);
    await eventually(() => expect(served.runner.attempts.has('b')).toBe(true));
    served.runner.get('b').produce(pieces(500, 1_000));
    await eventually(() => expect(other.ends).toHaveLength(1));
    expect(other.receivedBytes).toBe(500_000);
    expect(listener.receivedBytes).toBe(10_000);
    // What is granted in one turn travels together.
    handle.grant(2_000);
    handle.grant(3_000);
    await eventually(() => expect(listener.receivedBytes).toBe(15_000));
    handle.grant(1_000_000);
    await eventually(() => expect(listener.ends).toHaveLength(1));
    expect(listener.receivedBytes).toBe(100_000);
  });

  it('lets cancel reach the attempt although its window is used up', async () => {
    const served = await serveWorker();
    const pool = await readyPool({ addresses: [served.address] });
    const listener = new RecordingListener();
    const handle = pool.start(startFrame('a', { initialGrantBytes: 1n }), listener);
    await eventually(() => expect(served.runner.attempts.has('a')).toBe(true));
    served.runner.get('a').produce(pieces(100, 1_000));
    await eventually(() => expect(listener.receivedBytes).toBe(1_000));
    handle.cancel('client went away');
    handle.cancel('again');
    await eventually(() => expect(listener.ends).toHaveLength(1));
    expect(served.runner.get('a').cancelReason).toBe('client went away');
    expect(listener.ends[0]!.end).toBe(worker.AttemptEnd.CANCELLED);
  });

  it('keeps a listener that throws from harming other attempts', async () => {
    const served = await serveWorker();
    const pool = await readyPool({ addresses: [served.address] });
    const broken = new RecordingListener();
    broken.onData = () => {
      throw new Error('bug');
    };
    const sound = new RecordingListener();
    pool.start(startFrame('a'), broken);
    pool.start(startFrame('b'), sound);
    await eventually(() => expect(served.runner.attempts.size).toBe(2));
    served.runner.get('a').produce(pieces(3, 10));
    served.runner.get('b').produce(pieces(3, 10));
    await eventually(() => expect([broken.ends.length, sound.ends.length]).toEqual([1, 1]));
    expect(sound.receivedBytes).toBe(30);
  });
});

describe('a lost session', () => {
  it('ends every open attempt with SESSION_LOST once, cancels them at the worker, and reconnects', async () => {
    const served = await serveWorker();
    const { port, drop } = await relayTo(served.address);
    const pool = await readyPool({ addresses: [`127.0.0.1:${port}`] });
    const listeners = [new RecordingListener(), new RecordingListener()];
    pool.start(startFrame('a'), listeners[0]!);
    pool.start(startFrame('b'), listeners[1]!);
    await eventually(() => expect(served.runner.attempts.size).toBe(2));
    drop();
    await eventually(() => expect(listeners.map(({ ends }) => ends.length)).toEqual([1, 1]));
    expect(listeners.map(({ ends }) => ends[0]!.end)).toEqual([worker.AttemptEnd.SESSION_LOST, worker.AttemptEnd.SESSION_LOST]);
    await eventually(() =>
      expect([served.runner.get('a').cancelReason, served.runner.get('b').cancelReason]).toEqual([
        expect.stringContaining('session lost'),
        expect.stringContaining('session lost'),
      ]),
    );
    const again = new RecordingListener();
    await eventually(() => expect(pool.isReady).toBe(true));
    pool.start(startFrame('c'), again);
    await eventually(() => expect(served.runner.attempts.has('c')).toBe(true));
    served.runner.get('c').produce(pieces(1, 10));
    await eventually(() => expect(again.ends[0]?.end).toBe(worker.AttemptEnd.COMPLETED));
    expect(listeners.map(({ ends }) => ends.length)).toEqual([1, 1]);
  });

  it('notices a half-open connection by its unanswered ping', async () => {
    const served = await serveWorker();
    const { port, freeze } = await relayTo(served.address);
    const pool = await readyPool({ addresses: [`127.0.0.1:${port}`], keepalive: { timeMs: 100, timeoutMs: 100 } });
    const listener = new RecordingListener();
    pool.start(startFrame('a'), listener);
    await eventually(() => expect(served.runner.attempts.has('a')).toBe(true));
    freeze();
    await eventually(() => expect(listener.ends[0]?.end).toBe(worker.AttemptEnd.SESSION_LOST), { timeoutMs: 10_000 });
  });

  it('is given up by the worker no sooner than by the ingress', () => {
    expect(SERVER_OPTIONS['grpc.keepalive_timeout_ms']).toBe(DEFAULT_KEEPALIVE.timeoutMs);
  });
});

describe('a worker that drains', () => {
  it('gets no new attempts, and its running ones finish', async () => {
    const [first, second] = [await serveWorker(), await serveWorker()];
    const pool = await readyPool({ addresses: [first.address, second.address] });
    await eventually(() => expect(pool.status().filter(({ state }) => state === 'open')).toHaveLength(2));
    const listeners = ['a', 'b'].map((generationId) => {
      const listener = new RecordingListener();
      pool.start(startFrame(generationId), listener);
      return listener;
    });
    await eventually(() => expect([first.runner.attempts.size, second.runner.attempts.size]).toEqual([1, 1]));
    first.sessions.drain();
    await eventually(() => expect(pool.status().some(({ state }) => state === 'draining')).toBe(true));
    for (let index = 0; index < 5; index++) pool.start(startFrame(`later-${index}`), new RecordingListener());
    await eventually(() => expect(second.runner.attempts.size).toBe(6));
    expect(first.runner.attempts.size).toBe(1);
    for (const { runner } of [first, second]) for (const attempt of runner.attempts.values()) attempt.produce(pieces(1, 10));
    await eventually(() => expect(listeners.map(({ ends }) => ends[0]?.end)).toEqual([worker.AttemptEnd.COMPLETED, worker.AttemptEnd.COMPLETED]));
    await eventually(() => expect(first.sessions.openAttempts).toBe(0));
  });

  it('is asked again now and then, not without end, by sessions that it sends away', async () => {
    const served = await serveWorker();
    const sentAwayMs: number[] = [];
    await openPool({ addresses: [served.address], sessionsPerAddress: 2, logger: { ...logger, info: () => sentAwayMs.push(performance.now()) } });
    await eventually(() => expect(served.sessions.openSessions).toBe(2));
    served.sessions.drain();
    await eventually(() => expect(sentAwayMs.length).toBeGreaterThanOrEqual(4));
    const [first = 0, , third = 0] = sentAwayMs;
    expect(third - first).toBeGreaterThan(400);
  });
});

describe('a worker that is replaced', () => {
  it('hands over to a successor that did not answer before, and to one that its name has got, without waiting for the next look', async () => {
    const port = await freePort();
    const first = await serveWorker();
    let addresses = ['127.0.0.1'];
    const never = 1_000_000;
    const pool = await openPool({ addresses: [first.address, `workers.test:${port}`], resolve: () => Promise.resolve(addresses), resolveIntervalMs: never });
    await eventually(() => expect(pool.isReady).toBe(true));
    const named = await serveWorker(port, undefined, '127.0.0.2');
    addresses = ['127.0.0.2'];
    first.sessions.drain();
    await eventually(() => expect(pool.status().map(({ address, state }) => `${state} ${address}`)).toContain(`open 127.0.0.2:${port}`));
    const listener = new RecordingListener();
    pool.start(startFrame('a'), listener);
    await eventually(() => expect(named.runner.attempts.has('a')).toBe(true));
  });
});

describe('a pool of sessions', () => {
  it('spreads attempts over its sessions', async () => {
    const served = await serveWorker();
    const pool = await openPool({ addresses: [served.address], sessionsPerAddress: 3 });
    await eventually(() => expect(pool.status().filter(({ state }) => state === 'open')).toHaveLength(3));
    for (let index = 0; index < 9; index++) pool.start(startFrame(`g${index}`), new RecordingListener());
    expect(pool.status().map(({ openAttempts }) => openAttempts)).toEqual([3, 3, 3]);
  });

  it('gives a worker that reaches no provider, and is therefore never busy, no more than its share', async () => {
    const error = { errorType: 'provider_unavailable', message: '', metadataJson: '', retryAfterMs: undefined, providerCode: 'EAI_AGAIN', upstreamStatus: 0 };
    const cutOff: AttemptTransport = {
      start: (_start, listener) => {
        setImmediate(() => listener.onEnd(worker.EndFrame.create({ end: worker.AttemptEnd.FAILED, error })));
        return { grant: () => undefined, cancel: () => undefined };
      },
    };
    const [first, sound] = [await serveWorker(0, cutOff), await serveWorker()];
    const pool = await readyPool({ addresses: [first.address, sound.address] });
    await eventually(() => expect(pool.status().filter(({ state }) => state === 'open')).toHaveLength(2));
    for (let index = 0; index < 20; index++) {
      const listener = new RecordingListener();
      pool.start(startFrame(`a-${index}`), listener);
      await eventually(() => expect(listener.ends.length === 1 || sound.runner.attempts.has(`a-${index}`)).toBe(true));
    }
    expect(sound.runner.attempts.size).toBeGreaterThanOrEqual(9);
  });

  it('says once that a worker is away, and once that it is back', async () => {
    const port = await freePort();
    let tries = 0;
    const refusing = createServer((socket) => void (tries++, socket.destroy())).listen(port, '127.0.0.1');
    const said: string[] = [];
    const pool = await openPool({ addresses: [`127.0.0.1:${port}`], logger: { ...logger, info: (message) => void said.push(message) } });
    await eventually(() => expect(tries).toBeGreaterThanOrEqual(4));
    refusing.close();
    await serveWorker(port);
    await eventually(() => expect(pool.isReady).toBe(true), { timeoutMs: 10_000 });
    expect(said).toEqual(['a worker session closed; it is opened again', 'a worker session is open again']);
  });

  it('says once that a name does not resolve, and once that it does', async () => {
    const served = await serveWorker();
    const said: string[] = [];
    const say = (message: string): void => void said.push(message);
    let lookups = 0;
    let addresses: string[] = [];
    const pool = await openPool({
      addresses: [`workers.test:${served.address.split(':')[1]!}`],
      logger: { info: say, warn: say },
      resolve: () => Promise.resolve((lookups++, addresses)),
      resolveIntervalMs: 5,
    });
    await eventually(() => expect(lookups).toBeGreaterThanOrEqual(4));
    addresses = ['127.0.0.1'];
    await eventually(() => expect(pool.isReady).toBe(true));
    expect(said).toEqual(['a worker name did not resolve; its last addresses stay in use', 'a worker name resolves again']);
  });

  describe('where a worker has no room for an attempt', () => {
    const error = { errorType: 'gateway_unavailable', message: '', metadataJson: '', retryAfterMs: 1_000n, providerCode: '', upstreamStatus: 0 };
    const full: AttemptTransport = {
      start: (_start, listener) => {
        setImmediate(() => listener.onEnd(worker.EndFrame.create({ end: worker.AttemptEnd.FAILED, error })));
        return { grant: () => undefined, cancel: () => undefined };
      },
    };
    const readyPoolOf = async (...workers: readonly ServedWorker[]): Promise<SessionPool> => {
      const pool = await readyPool({ addresses: workers.map(({ address }) => address), sessionsPerAddress: 2 });
      await eventually(() => expect(pool.status().filter(({ state }) => state === 'open')).toHaveLength(workers.length * 2));
      return pool;
    };

    it('has another run it, with all that was granted, and cancels it there', async () => {
      const roomy = await serveWorker();
      const pool = await readyPoolOf(await serveWorker(0, full), await serveWorker(0, full), roomy);
      const listeners = Array.from({ length: 20 }, () => new RecordingListener());
      const handles = listeners.map((listener, index) => {
        const handle = pool.start(startFrame(`g${index}`, { initialGrantBytes: 1n, body: Buffer.from(String(index)) }), listener);
        handle.grant(10_000);
        return handle;
      });
      await eventually(() => expect(roomy.runner.attempts.size).toBe(20));
      expect(Buffer.from(roomy.runner.get('g7').start.body).toString()).toBe('7');
      for (let index = 0; index < 19; index++) roomy.runner.get(`g${index}`).produce(pieces(10, 1_000));
      handles[19]!.cancel('the client left');
      await eventually(() => expect(listeners.map(({ ends }) => ends.length)).toEqual(listeners.map(() => 1)));
      expect(listeners.slice(0, 19).map(({ ends, receivedBytes }) => [ends[0]!.end, receivedBytes])).toEqual(
        listeners.slice(0, 19).map(() => [worker.AttemptEnd.COMPLETED, 10_000]),
      );
      expect([roomy.runner.get('g19').cancelReason, listeners[19]!.ends[0]!.end]).toEqual(['the client left', worker.AttemptEnd.CANCELLED]);
      expect(pool.status().reduce((sum, { openAttempts }) => sum + openAttempts, 0)).toBe(0);
    });

    it('says so when none has, and asks each worker once', async () => {
      let asked = 0;
      const counting: AttemptTransport = { start: (start, listener) => (asked++, full.start(start, listener)) };
      const pool = await readyPoolOf(await serveWorker(0, counting), await serveWorker(0, counting));
      const listener = new RecordingListener();
      pool.start(startFrame('a'), listener);
      await eventually(() => expect(listener.ends).toHaveLength(1));
      expect(listener.ends[0]).toMatchObject({ end: worker.AttemptEnd.FAILED, error: { errorType: 'gateway_unavailable', retryAfterMs: 1_000n } });
      expect(asked).toBe(2);
    });
  });

  it('follows a name to its new addresses and lets attempts at the old one finish', async () => {
    const [first, second] = [await serveWorker(), await serveWorker()];
    // Two spellings of one loopback address stand for two workers; the relay decides which one is reached.
    const { port, retarget } = await relayTo(first.address);
    let addresses = ['127.0.0.1'];
    const pool = await readyPool({ addresses: [`workers.test:${port}`], resolve: () => Promise.resolve(addresses), resolveIntervalMs: 20 });
    const listener = new RecordingListener();
    pool.start(startFrame('a'), listener);
    await eventually(() => expect(first.runner.attempts.has('a')).toBe(true));
    retarget(second.address);
    addresses = ['::ffff:127.0.0.1'];
    await eventually(() => expect(pool.status()).toContainEqual({ address: `[::ffff:127.0.0.1]:${port}`, state: 'open', openAttempts: 0 }));
    pool.start(startFrame('b'), new RecordingListener());
    await eventually(() => expect(second.runner.attempts.has('b')).toBe(true));
    first.runner.get('a').produce(pieces(1, 10));
    await eventually(() => expect(listener.ends[0]?.end).toBe(worker.AttemptEnd.COMPLETED));
    await eventually(() => expect(pool.status().map(({ address }) => address)).toEqual([`[::ffff:127.0.0.1]:${port}`]));
  });

  it.each([1, 12])('gives workers that are added an even share of the attempts, %i at a time, and lets those that leave finish theirs', async (concurrency) => {
    const port = await freePort();
    const hosts = ['127.0.0.1', '127.0.0.2', '127.0.0.3'];
    const workers = [await serveWorker(port)];
    let addresses = hosts.slice(0, 1);
    const pool = await readyPool({
      addresses: [`workers.test:${port}`],
      resolve: () => Promise.resolve(addresses),
      resolveIntervalMs: 20,
      sessionsPerAddress: 2,
    });
    let started = 0;
    const listeners: RecordingListener[] = [];
    const runOne = async (): Promise<void> => {
      const [name, listener] = [`g${started++}`, new RecordingListener()];
      listeners.push(listener);
      pool.start(startFrame(name), listener);
      const runner = await eventually(() => workers.find((served) => served.runner.attempts.has(name))!.runner.get(name));
      runner.produce(pieces(1, 10));
      await eventually(() => expect(listener.ends).toHaveLength(1));
    };
    const run = async (count: number): Promise<void> => {
      for (let done = 0; done < count; done += concurrency) await Promise.all(Array.from({ length: concurrency }, runOne));
    };
    await run(12);
    for (const host of hosts.slice(1)) workers.push(await serveWorker(port, undefined, host));
    addresses = hosts;
    await eventually(() => expect(pool.status().filter(({ state }) => state === 'open')).toHaveLength(6));
    await run(60);
    expect(workers.map(({ runner }) => runner.attempts.size)).toEqual([32, 20, 20]);
    const open = hosts.map((_, index) => {
      pool.start(startFrame(`open-${index}`), (listeners[index] = new RecordingListener()));
      return `open-${index}`;
    });
    await eventually(() => expect(open.every((name) => workers.some(({ runner }) => runner.attempts.has(name)))).toBe(true));
    const before = workers.map(({ runner }) => runner.attempts.size);
    addresses = hosts.slice(2);
    await eventually(() => expect(pool.status().filter(({ state }) => state === 'open')).toHaveLength(2));
    await run(12);
    expect(workers.map(({ runner }) => runner.attempts.size)).toEqual([before[0], before[1], before[2]! + 12]);
    for (const name of open)
      workers
        .find(({ runner }) => runner.attempts.has(name))!
        .runner.get(name)
        .produce(pieces(1, 10));
    await eventually(() => expect(listeners.every(({ ends }) => ends[0]?.end === worker.AttemptEnd.COMPLETED)).toBe(true));
  });

  it('keeps its addresses while a name does not resolve', async () => {
    const served = await serveWorker();
    const port = served.address.split(':')[1]!;
    let lookups = 0;
    const resolve = () => (lookups++ === 0 ? Promise.resolve(['127.0.0.1']) : Promise.reject(new Error('SERVFAIL')));
    const pool = await readyPool({ addresses: [`workers.test:${port}`], resolve, resolveIntervalMs: 10 });
    await eventually(() => expect(lookups).toBeGreaterThan(3));
    expect(pool.isReady).toBe(true);
  });

  it('holds an attempt for a worker that comes up, and refuses it when none does', async () => {
    const port = await freePort();
    const pool = await openPool({ addresses: [`127.0.0.1:${port}`], startWaitMs: 5_000 });
    const early = new RecordingListener();
    pool.start(startFrame('a', { initialGrantBytes: 1n }), early).grant(100_000);
    const served = await serveWorker(port);
    await eventually(() => expect(served.runner.attempts.has('a')).toBe(true), { timeoutMs: 5_000 });
    served.runner.get('a').produce(pieces(50, 1_000));
    await eventually(() => expect(early.ends[0]?.end).toBe(worker.AttemptEnd.COMPLETED));

    const lonely = await openPool({ addresses: [`127.0.0.1:${await freePort()}`], startWaitMs: 50 });
    const refused = new RecordingListener();
    lonely.start(startFrame('b'), refused);
    expect(refused.ends).toHaveLength(0);
    await eventually(() => expect(refused.ends[0]?.error?.errorType).toBe('gateway_unavailable'));
    expect(refused.ends[0]!.end).toBe(worker.AttemptEnd.FAILED);
  });

  it('refuses attempts beyond the limit of its sessions', async () => {
    const served = await serveWorker();
    const pool = await readyPool({ addresses: [served.address], maxAttemptsPerSession: 2 });
    const listeners = [0, 1, 2].map((index) => {
      const listener = new RecordingListener();
      pool.start(startFrame(`g${index}`), listener);
      return listener;
    });
    await eventually(() => expect(listeners[2]!.ends[0]?.error?.errorType).toBe('gateway_unavailable'));
    expect(listeners.map(({ ends }) => ends.length)).toEqual([0, 0, 1]);
  });

  it('ends what runs when it closes', async () => {
    const served = await serveWorker();
    const pool = await readyPool({ addresses: [served.address] });
    const listener = new RecordingListener();
    pool.start(startFrame('a'), listener);
    pool.close();
    expect(listener.ends.map(({ end }) => end)).toEqual([worker.AttemptEnd.SESSION_LOST]);
    const late = new RecordingListener();
    pool.start(startFrame('b'), late);
    await eventually(() => expect(late.ends[0]?.error?.errorType).toBe('gateway_unavailable'));
  });
});

describe('a congested connection', () => {
  it('stops every attempt of the session after a bounded amount', async () => {
    const served = await serveWorker();
    const { port, freeze, thaw } = await relayTo(served.address);
    const pool = await readyPool({ addresses: [`127.0.0.1:${port}`] });
    const listeners = Array.from({ length: 20 }, (_, index) => {
      const listener = new RecordingListener();
      pool.start(startFrame(`g${index}`, { initialGrantBytes: 4_000_001n }), listener);
      return listener;
    });
    await eventually(() => expect(served.runner.attempts.size).toBe(20));
    freeze();
    const attempts = [...served.runner.attempts.values()];
    for (const attempt of attempts) attempt.produce(pieces(1_000, 4_000));
    const sentBytes = () => attempts.reduce((sum, attempt) => sum + attempt.sentBytes, 0);
    // 80 MB are on offer. What leaves is what kernel buffers, the HTTP/2 window and our own bounds take.
    let before = -1;
    await eventually(() => {
      const now = sentBytes();
      const isStable = now === before;
      before = now;
      expect(isStable).toBe(true);
    });
    expect(sentBytes()).toBeLessThan(32_000_000);
    thaw();
    // All get their share as the connection frees up: nobody waits until the others are done.
    await eventually(() => expect(Math.min(...listeners.map(({ receivedBytes }) => receivedBytes))).toBeGreaterThan(500_000), { intervalMs: 1 });
    expect(listeners.some(({ ends }) => ends.length === 0)).toBe(true);
    await eventually(() => expect(listeners.every(({ ends }) => ends.length === 1)).toBe(true), { timeoutMs: 60_000 });
    expect(listeners.map(({ receivedBytes }) => receivedBytes)).toEqual(listeners.map(() => 4_000_000));
  }, 90_000);
});

interface Relay {
  readonly port: number;
  /** Resets all connections. */
  drop(): void;
  /** Passes nothing on any more, without a word. */
  freeze(): void;
  thaw(): void;
  /** Where later connections go. */
  retarget(address: string): void;
}

/** A TCP relay whose connections can be cut or silenced. */
async function relayTo(address: string): Promise<Relay> {
  let target = address;
  const sockets = new Set<Socket>();
  const server: TcpServer = createServer((inbound) => {
    const [host, port] = target.split(':');
    const outbound = connect(Number(port), host);
    for (const [from, to] of [
      [inbound, outbound],
      [outbound, inbound],
    ] as const) {
      sockets.add(from);
      from.on('data', (bytes) => {
        if (!to.write(bytes)) from.pause();
      });
      to.on('drain', () => {
        if (!isFrozen) from.resume();
      });
      from.on('error', () => undefined);
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  let isFrozen = false;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const drop = () => {
    for (const socket of sockets) socket.destroy();
  };
  closers.push(() => {
    drop();
    server.close();
  });
  return {
    port: (server.address() as AddressInfo).port,
    drop,
    freeze: () => {
      isFrozen = true;
      for (const socket of sockets) socket.pause();
    },
    thaw: () => {
      isFrozen = false;
      for (const socket of sockets) socket.resume();
    },
    retarget: (next) => {
      target = next;
    },
  };
}
