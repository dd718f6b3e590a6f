import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SwitchyardError } from '@switchyard/errors';
import { billing, KeyPort, type CallOptions } from '@switchyard/proto';
import { formatTraceparent, type Tracer } from '@switchyard/telemetry';
import { eventually, recordingTracing } from '@switchyard/testing';
import { createLocalPort, createPortClient, startPortServer, type PortClient, type PortServer } from './index.js';

type Answer = (request: billing.ResolveKeyRequest, options?: CallOptions) => Promise<billing.ResolveKeyResponse>;

/** A key service whose answers the tests choose. */
class ScriptedKeys implements Pick<KeyPort, 'resolveKey' | 'watchKeys'> {
  answer: Answer = () => Promise.resolve({ key: undefined, sequence: 7n });
  payload = '';
  produced = 0;
  streamLength = Number.POSITIVE_INFINITY;
  isSilent = false;
  streamError: Error | undefined;
  streamSignal: AbortSignal | undefined;
  isStreamClosed = false;

  resolveKey(request: billing.ResolveKeyRequest, options?: CallOptions): Promise<billing.ResolveKeyResponse> {
    return this.answer(request, options);
  }

  async *watchKeys(_request: billing.WatchKeysRequest, options?: CallOptions): AsyncGenerator<billing.WatchKeysResponse> {
    this.streamSignal = options?.signal;
    try {
      while (this.produced < this.streamLength) {
        yield watchMessage(this.produced++, this.payload);
        if (this.isSilent) await new Promise<void>((resolve) => options?.signal?.addEventListener('abort', () => resolve()));
      }
      if (this.streamError !== undefined) throw this.streamError;
    } finally {
      this.isStreamClosed = true;
    }
  }
}

const logged: { errorId: string; method: string; error: unknown }[] = [];
const logger = { error: (_message: string, fields: (typeof logged)[number]) => void logged.push(fields) };

interface Binding {
  readonly name: string;
  open(keys: ScriptedKeys): Promise<{ port: KeyPort; close(): Promise<void> }>;
}

const BINDINGS: Binding[] = [
  {
    name: 'in process',
    open: (keys) => Promise.resolve({ port: createLocalPort(KeyPort, () => keys as unknown as KeyPort, logger), close: () => Promise.resolve() }),
  },
  {
    name: 'over gRPC',
    open: async (keys) => {
      const { client, server } = await openGrpc(keys);
      return { port: client.port, close: () => closeGrpc(client, server) };
    },
  },
];

describe.each(BINDINGS)('a port $name', ({ open }) => {
  let keys: ScriptedKeys;
  let port: KeyPort;
  let close: () => Promise<void>;

  beforeEach(async () => {
    keys = new ScriptedKeys();
    logged.length = 0;
    ({ port, close } = await open(keys));
  });
  afterEach(() => close());

  it('answers a unary call, 64-bit numbers whole', async () => {
    keys.answer = (request) => Promise.resolve({ key: undefined, sequence: BigInt(request.secretHash) });
    await expect(port.resolveKey({ secretHash: '9223372036854775807' })).resolves.toMatchObject({ sequence: 9223372036854775807n });
  });

  it('carries a typed error with all its parts', async () => {
    const original = new SwitchyardError('rate_limit_exceeded', 'Slow down', {
      retryAfterMs: 1500,
      metadata: { limit: 5 },
      providerCode: 'busy',
      upstreamStatus: 429,
      httpStatus: 403,
    });
    keys.answer = () => Promise.reject(original);
    const error = await failure(port.resolveKey({ secretHash: '' }));
    expect(error).toMatchObject({
      type: 'rate_limit_exceeded',
      message: 'Slow down',
      retryAfterMs: 1500,
      metadata: { limit: 5 },
      providerCode: 'busy',
      upstreamStatus: 429,
      httpStatus: 403,
    });
  });

  it('masks an unknown exception and logs it under the id that the caller sees', async () => {
    keys.answer = () => Promise.reject(new TypeError('password is hunter2'));
    const error = await failure(port.resolveKey({ secretHash: '' }));
    expect(error.type).toBe('server');
    expect(error.message).not.toContain('hunter2');
    expect(logged).toMatchObject([
      { errorId: error.metadata?.['errorId'], method: 'billing.KeyService/resolveKey', error: { message: 'password is hunter2' } },
    ]);
  });

  it.each([
    ['refuses connections', Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:5432'), { code: 'ECONNREFUSED' })],
    ['is shut down', Object.assign(new Error('terminating connection due to administrator command'), { code: '57P01' })],
    ['wants a new password', Object.assign(new Error('password authentication failed for user "switchyard"'), { code: '28P01' })],
    ['gave up a transaction that fell silent', Object.assign(new Error('terminating connection due to idle-in-transaction timeout'), { code: '25P03' })],
    ['starts', Object.assign(new Error('the database system is starting up'), { code: '57P03' })],
    ['breaks the connection', new Error('Connection terminated unexpectedly')],
    ['has a full disk', Object.assign(new Error('could not extend file "base/5/16384": No space left on device'), { code: '53100' })],
    ['answers no more', new Error('Query read timeout')],
    ['is the primary no more', Object.assign(new Error('cannot execute INSERT in a read-only transaction'), { code: '25006' })],
    ['is at no address', new AggregateError([Object.assign(new Error('a'), { code: 'ECONNREFUSED' })], 'no address of database.internal answers')],
  ])('asks to come back when the database %s, and tells nobody where it is', async (_how, cause) => {
    keys.answer = () => Promise.reject(cause);
    const error = await failure(port.resolveKey({ secretHash: '' }));
    expect(error).toMatchObject({ type: 'gateway_unavailable', httpStatus: 503, retryAfterMs: 1_000 });
    expect(error.message).not.toContain(cause.message);
    expect(logged).toMatchObject([{ errorId: error.metadata?.['errorId'], error: { message: cause.message } }]);
  });

  it('gives up after the deadline and tells the implementation', async () => {
    let seen: AbortSignal | undefined;
    keys.answer = (_request, options) => {
      seen = options?.signal;
      return new Promise(() => undefined);
    };
    const error = await failure(port.resolveKey({ secretHash: '' }, { timeoutMs: 500 }));
    expect(error).toMatchObject({ type: 'gateway_unavailable', metadata: { port: 'billing.KeyService', timeoutMs: 500 } });
    await eventually(() => expect(seen?.aborted).toBe(true));
  });

  it('is cancelled by its signal', async () => {
    let seen: AbortSignal | undefined;
    keys.answer = (_request, options) => {
      seen = options?.signal;
      return new Promise(() => undefined);
    };
    const controller = new AbortController();
    const call = port.resolveKey({ secretHash: '' }, { signal: controller.signal });
    const outcome = expect(call).rejects.toThrow('enough');
    await eventually(() => expect(seen).toBeDefined());
    controller.abort(new Error('enough'));
    await outcome;
    await eventually(() => expect(seen?.aborted).toBe(true));
  });

  it('calls no failure what fails because its caller has gone', async () => {
    const begun = Promise.withResolvers<void>();
    keys.answer = async (_request, options) => {
      begun.resolve();
      await new Promise<void>((resolve) => options?.signal?.addEventListener('abort', () => resolve()));
      throw new TypeError('interrupted');
    };
    const controller = new AbortController();
    const outcome = expect(port.resolveKey({ secretHash: '' }, { signal: controller.signal })).rejects.toThrow('enough');
    await begun.promise;
    controller.abort(new Error('enough'));
    await outcome;
    // Answered after the one before has failed.
    keys.answer = () => Promise.resolve({ key: undefined, sequence: 7n });
    await port.resolveKey({ secretHash: '' });
    expect(logged).toEqual([]);
  });

  it('streams in order to the end', async () => {
    keys.streamLength = 100;
    const sequences: bigint[] = [];
    for await (const message of port.watchKeys({})) sequences.push(message.sequence);
    expect(sequences).toEqual(Array.from({ length: 100 }, (_, index) => BigInt(index)));
  });

  it('ends a stream with the typed error after its messages', async () => {
    keys.streamLength = 2;
    keys.streamError = new SwitchyardError('conflict', 'Two at once');
    const sequences: bigint[] = [];
    const reading = (async () => {
      for await (const message of port.watchKeys({})) sequences.push(message.sequence);
    })();
    expect(await failure(reading)).toMatchObject({ type: 'conflict', message: 'Two at once' });
    expect(sequences).toEqual([0n, 1n]);
  });

  it('cancels the source when the reader leaves', async () => {
    for await (const message of port.watchKeys({})) if (message.sequence === 3n) break;
    await eventually(() => expect(keys.streamSignal?.aborted).toBe(true));
    await eventually(() => expect(keys.isStreamClosed).toBe(true));
  });

  it('ends a silent stream when its signal aborts', async () => {
    keys.isSilent = true;
    const controller = new AbortController();
    const reading = (async () => {
      for await (const message of port.watchKeys({}, { signal: controller.signal })) if (message.sequence === 0n) controller.abort(new Error('enough'));
    })();
    await expect(reading).rejects.toThrow('enough');
    await eventually(() => expect(keys.isStreamClosed).toBe(true));
  });

  it('does not run ahead of a reader that stopped', async () => {
    keys.payload = 'x'.repeat(64 * 1024);
    const reader = port.watchKeys({})[Symbol.asyncIterator]();
    await reader.next();
    await settled(() => keys.produced);
    expect(keys.produced).toBeLessThan(100);
    await reader.return?.();
  });
});

describe('a port client', () => {
  it('says which service does not answer, and when to come back', async () => {
    const { client, server } = await openGrpc(new ScriptedKeys());
    await server.close(0);
    const error = await failure(client.port.resolveKey({ secretHash: '' }, { timeoutMs: 2000 }));
    client.close();
    expect(error).toMatchObject({ type: 'gateway_unavailable', retryAfterMs: 1_000 });
    expect(error.message).toContain('billing');
  });

  it('connects again after the server came back', async () => {
    const first = await openGrpc(new ScriptedKeys());
    await first.client.port.resolveKey({ secretHash: '' });
    await first.server.close(0);
    const second = await serve(new ScriptedKeys(), first.server.address);
    await eventually(() => expect(first.client.port.resolveKey({ secretHash: '' })).resolves.toMatchObject({ sequence: 7n }));
    await closeGrpc(first.client, second);
  });

  it('spreads calls over several addresses', async () => {
    const counts = [0, 0];
    const servers = await Promise.all(
      counts.map((_count, index) => {
        const keys = new ScriptedKeys();
        keys.answer = () => {
          counts[index]!++;
          return Promise.resolve({ key: undefined, sequence: 1n });
        };
        return serve(keys);
      }),
    );
    const client = createPortClient(
      KeyPort,
      servers.map((server) => server.address),
    );
    await eventually(async () => {
      await client.port.resolveKey({ secretHash: '' });
      expect(Math.min(...counts)).toBeGreaterThan(0);
    });
    client.close();
    await Promise.all(servers.map((server) => server.close(0)));
  });

  it('needs an address', () => {
    expect(() => createPortClient(KeyPort, [])).toThrow('needs an address');
  });
});

describe('a call whose caller is traced', () => {
  const CALLER = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', isSampled: true };
  const traceparent = formatTraceparent(CALLER);
  const below = (method: string, status: string, errorType?: string) => ({
    name: `switchyard.billing.v1.KeyService/${method}`,
    kind: 'server',
    parentSpanId: CALLER.spanId,
    context: { traceId: CALLER.traceId },
    attributes: { 'rpc.status_code': status },
    errorType,
  });

  /** What a server records of calls. */
  async function spansOf(keys: ScriptedKeys, use: (port: KeyPort) => Promise<unknown>) {
    const { tracer, finished } = recordingTracing();
    const server = await serve(keys, undefined, tracer);
    const client = createPortClient(KeyPort, server.address);
    await use(client.port);
    await closeGrpc(client, server);
    return finished();
  }

  it('has a span in the service that it calls, with what was answered', async () => {
    const keys = new ScriptedKeys();
    const spans = await spansOf(keys, async (port) => {
      await port.resolveKey({ secretHash: '' }, { traceparent });
      keys.answer = () => Promise.reject(new SwitchyardError('not_found', 'no such key'));
      await failure(port.resolveKey({ secretHash: '' }, { traceparent }));
      keys.answer = () => Promise.reject(new TypeError('a bug'));
      await failure(port.resolveKey({ secretHash: '' }, { traceparent }));
    });
    expect(spans).toMatchObject([below('ResolveKey', 'OK'), below('ResolveKey', 'NOT_FOUND'), below('ResolveKey', 'INTERNAL', 'INTERNAL')]);
  });

  it('has none where the caller’s is not recorded, or is not there', async () => {
    const spans = await spansOf(new ScriptedKeys(), async (port) => {
      await port.resolveKey({ secretHash: '' });
      await port.resolveKey({ secretHash: '' }, { traceparent: formatTraceparent({ ...CALLER, isSampled: false }) });
    });
    expect(spans).toEqual([]);
  });

  it('for a stream has one span, which ends with the first message', async () => {
    const keys = new ScriptedKeys();
    const { tracer, finished } = recordingTracing();
    const server = await serve(keys, undefined, tracer);
    const client = createPortClient(KeyPort, server.address);
    keys.isSilent = true;
    const reader = client.port.watchKeys({}, { traceparent })[Symbol.asyncIterator]();
    await reader.next();
    expect(await finished()).toMatchObject([below('WatchKeys', 'OK')]);
    await reader.return?.();
    await closeGrpc(client, server);
  });

  it('for a stream that fails before its first message tells its status', async () => {
    const keys = new ScriptedKeys();
    keys.streamLength = 0;
    keys.streamError = new SwitchyardError('gateway_unavailable', 'not yet');
    const spans = await spansOf(keys, (port) => failure(port.watchKeys({}, { traceparent })[Symbol.asyncIterator]().next() as Promise<unknown>));
    expect(spans).toMatchObject([below('WatchKeys', 'UNAVAILABLE', 'UNAVAILABLE')]);
  });

  it('that it gives up was cancelled', async () => {
    const keys = new ScriptedKeys();
    const answer = Promise.withResolvers<billing.ResolveKeyResponse>();
    let seen: AbortSignal | undefined;
    const spans = await spansOf(keys, async (port) => {
      // Untraced; with it the connection is there.
      await port.resolveKey({ secretHash: '' });
      keys.answer = (_request, options) => {
        seen = options?.signal;
        return answer.promise;
      };
      await failure(port.resolveKey({ secretHash: '' }, { traceparent, timeoutMs: 500 }));
      await eventually(() => expect(seen?.aborted).toBe(true));
      answer.resolve({ key: undefined, sequence: 7n });
    });
    expect(spans).toMatchObject([below('ResolveKey', 'CANCELLED')]);
  });
});

describe('a port server', () => {
  it('lets running calls end before it closes', async () => {
    const keys = new ScriptedKeys();
    const gate = Promise.withResolvers<void>();
    let isRunning = false;
    keys.answer = async () => {
      isRunning = true;
      await gate.promise;
      return { key: undefined, sequence: 9n };
    };
    const { client, server } = await openGrpc(keys);
    const call = client.port.resolveKey({ secretHash: '' });
    await eventually(() => expect(isRunning).toBe(true));
    const closing = server.close(10_000);
    gate.resolve();
    await expect(call).resolves.toMatchObject({ sequence: 9n });
    await closing;
    client.close();
  });

  it('cuts streams that outlast the grace', async () => {
    const keys = new ScriptedKeys();
    keys.isSilent = true;
    const { client, server } = await openGrpc(keys);
    const reader = client.port.watchKeys({})[Symbol.asyncIterator]();
    await reader.next();
    await server.close(20);
    expect(await failure(reader.next() as Promise<unknown>)).toMatchObject({ type: 'gateway_unavailable' });
    client.close();
  });
});

async function openGrpc(keys: ScriptedKeys): Promise<{ client: PortClient<KeyPort>; server: PortServer }> {
  const server = await serve(keys);
  return { client: createPortClient(KeyPort, server.address), server };
}

function serve(keys: ScriptedKeys, address = '127.0.0.1:0', tracer?: Tracer): Promise<PortServer> {
  return startPortServer({ address, ports: [{ port: KeyPort, implementation: keys, tracer }], nativeHandlers: [], logger, nestLogger: false });
}

async function closeGrpc(client: PortClient<KeyPort>, server: PortServer): Promise<void> {
  client.close();
  await server.close(0);
}

function watchMessage(sequence: number, payload: string): billing.WatchKeysResponse {
  return billing.WatchKeysResponse.fromPartial({ sequence: BigInt(sequence), changed: payload === '' ? [] : [{ hash: payload }] });
}

async function failure(call: Promise<unknown>): Promise<SwitchyardError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof SwitchyardError)) throw new Error(`expected a SwitchyardError, got ${String(error)}`);
  return error;
}

/** Waits until a number has not changed over several turns of network and timers. */
async function settled(read: () => number): Promise<void> {
  let last = -1;
  let unchanged = 0;
  await eventually(() => {
    unchanged = read() === last ? unchanged + 1 : 0;
    last = read();
    expect(unchanged).toBeGreaterThan(10);
  });
}
