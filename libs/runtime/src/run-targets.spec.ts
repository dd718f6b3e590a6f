import { Module, type BeforeApplicationShutdown, type DynamicModule, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import { ConfigError, defineConfig, field, integer } from '@switchyard/config';
import { SwitchyardError } from '@switchyard/errors';
import { KeyPort, type billing } from '@switchyard/proto';
import { captureLogger, eventually, startTestPostgres } from '@switchyard/testing';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { defineTarget, READINESS_CHECKS, runTargets, type Platform, type ReadinessState, type Target, type TargetContext } from './index.js';

/** What happened, in order. */
let events: string[] = [];
let drainGate: Promise<void> = Promise.resolve();
let readiness: ReadinessState = { ready: true };

class Keys implements Pick<KeyPort, 'resolveKey'> {
  resolveKey(request: billing.ResolveKeyRequest): Promise<billing.ResolveKeyResponse> {
    if (request.secretHash === 'never answered') return new Promise(() => undefined);
    if (request.secretHash === 'unknown') return Promise.reject(new SwitchyardError('not_found', 'No such key'));
    return Promise.resolve({ key: undefined, sequence: 42n });
  }
}

class Lifecycle implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  constructor(private readonly name: string) {}

  onApplicationBootstrap(): void {
    events.push(`${this.name} started`);
  }

  async beforeApplicationShutdown(): Promise<void> {
    await drainGate;
    events.push(`${this.name} drained`);
  }

  onApplicationShutdown(): void {
    events.push(`${this.name} closed`);
  }
}

/** Starts when the process is told to stop, as what waits for another service does. */
class Waiting implements OnApplicationBootstrap {
  constructor(private readonly context: Pick<TargetContext<object>, 'shutdownSignal'>) {}

  async onApplicationBootstrap(): Promise<void> {
    const told = Promise.withResolvers<void>();
    this.context.shutdownSignal.addEventListener('abort', () => told.resolve(), { once: true });
    events.push('waits');
    await told.promise;
  }
}

@Module({})
class DemoModule {
  static register(name: string, providers: DynamicModule['providers'] = []): DynamicModule {
    return { module: DemoModule, providers: [{ provide: `lifecycle`, useFactory: () => new Lifecycle(name) }, ...providers] };
  }
}

const providerTarget = defineTarget({
  name: 'billing',
  config: defineConfig({ answer: field({ env: 'SWITCHYARD_DEMO_ANSWER', schema: integer({ max: 100 }), default: 42, description: 'Demo.' }) }),
  provides: [KeyPort],
  requires: [],
  module: () =>
    DemoModule.register('billing', [
      { provide: KeyPort.token, useFactory: () => new Keys() },
      { provide: READINESS_CHECKS, useFactory: () => [{ name: 'database', check: () => readiness }] },
    ]),
});

let consumerContext: TargetContext<{ readonly limit: number }> | undefined;
const consumerTarget = defineTarget({
  name: 'router',
  config: defineConfig({ limit: field({ env: 'SWITCHYARD_DEMO_LIMIT', schema: integer({ min: 1 }), default: 7, description: 'Demo.' }) }),
  provides: [],
  requires: [KeyPort],
  module: (context) => {
    consumerContext = context;
    return DemoModule.register('router');
  },
});

describe('runTargets', () => {
  const started: Platform[] = [];
  const folders: string[] = [];

  async function start(targets: Target[], environment: Record<string, string> = {}, cancelSignal?: AbortSignal): Promise<Platform> {
    const folder = mkdtempSync(join(tmpdir(), 'switchyard-'));
    folders.push(folder);
    const defaults = { SWITCHYARD_DATA_DIR: folder, SWITCHYARD_GRPC_PORT: '0', SWITCHYARD_HEALTH_PORT: '0', SWITCHYARD_DRAIN_DELAY_MS: '0' };
    const platform = await runTargets({
      targets,
      environment: { ...defaults, ...environment },
      logger: captureLogger(),
      ...(cancelSignal && { cancelSignal }),
    });
    started.push(platform);
    return platform;
  }

  afterEach(async () => {
    await Promise.all(started.splice(0).map((platform) => platform.stop()));
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
    events = [];
    drainGate = Promise.resolve();
    readiness = { ready: true };
  });

  it('binds a port in process when its target is here, and over gRPC when it is not', async () => {
    await start([consumerTarget, providerTarget]);
    const local = consumerContext!.port(KeyPort);
    const remoteProvider = await start([providerTarget]);
    await start([consumerTarget], { SWITCHYARD_BILLING_ADDRESS: remoteProvider.grpcAddress! });
    const remote = consumerContext!.port(KeyPort);
    for (const port of [local, remote]) {
      await expect(port.resolveKey({ secretHash: 'known' })).resolves.toMatchObject({ sequence: 42n });
      await expect(port.resolveKey({ secretHash: 'unknown' })).rejects.toMatchObject({ type: 'not_found', message: 'No such key' });
    }
    expect(local).not.toBe(remote);
  });

  it('spreads calls over several addresses, and goes on with those that are left', async () => {
    const first = await start([providerTarget]);
    const second = await start([providerTarget]);
    await start([consumerTarget], { SWITCHYARD_BILLING_ADDRESS: `${first.grpcAddress!},${second.grpcAddress!}` });
    const port = consumerContext!.port(KeyPort);
    await first.stop();
    for (let count = 0; count < 4; count++) {
      await eventually(() => expect(port.resolveKey({ secretHash: 'known' })).resolves.toMatchObject({ sequence: 42n }));
    }
    await second.stop();
    await expect(port.resolveKey({ secretHash: 'known' })).rejects.toMatchObject({ type: 'gateway_unavailable' });
  });

  it('starts providers first and stops in the opposite order, draining everything before closing anything', async () => {
    const platform = await start([consumerTarget, providerTarget]);
    await platform.stop();
    expect(events).toEqual(['billing started', 'router started', 'router drained', 'billing drained', 'router closed', 'billing closed']);
  });

  it('ends a start that is cancelled while a target waits for something, without starting the next', async () => {
    const cancel = new AbortController();
    const waiting = defineTarget({
      ...providerTarget,
      module: (context) =>
        DemoModule.register('billing', [
          { provide: KeyPort.token, useValue: new Keys() },
          { provide: 'waiting', useValue: new Waiting(context) },
        ]),
    });
    const starting = start([waiting, consumerTarget], { SWITCHYARD_DRAIN_DELAY_MS: '3600000' }, cancel.signal);
    await eventually(() => expect(events).toContain('waits'));
    cancel.abort(new Error('told to stop'));
    await expect(starting).rejects.toThrow('told to stop');
    expect(events).toEqual(['waits', 'billing started', 'billing drained', 'billing closed']);
  });

  it('is not ready while it drains, and serves its ports until it has drained', async () => {
    const gate = Promise.withResolvers<void>();
    drainGate = gate.promise;
    const provider = await start([providerTarget]);
    await start([consumerTarget], { SWITCHYARD_BILLING_ADDRESS: provider.grpcAddress! });
    expect(await readyz(provider)).toMatchObject({ status: 200, body: { ready: true } });
    const stopping = provider.stop();
    expect(await readyz(provider)).toMatchObject({ status: 503, body: { checks: { process: { detail: 'draining' } } } });
    await expect(consumerContext!.port(KeyPort).resolveKey({ secretHash: 'known' })).resolves.toMatchObject({ sequence: 42n });
    gate.resolve();
    await stopping;
    await expect(consumerContext!.port(KeyPort).resolveKey({ secretHash: 'known' })).rejects.toMatchObject({ type: 'gateway_unavailable' });
  });

  it('tells targets that the process is stopping before they drain', async () => {
    const gate = Promise.withResolvers<void>();
    drainGate = gate.promise;
    const platform = await start([consumerTarget, providerTarget]);
    const stopping = platform.stop();
    await eventually(() => expect(consumerContext!.shutdownSignal.aborted).toBe(true));
    expect(events).not.toContain('router drained');
    gate.resolve();
    await stopping;
  });

  it('ends within the shutdown time even when a target never drains', async () => {
    drainGate = new Promise(() => undefined);
    const platform = await start([providerTarget], { SWITCHYARD_SHUTDOWN_TIMEOUT_MS: '50' });
    await platform.stop();
    expect(events).not.toContain('billing closed');
  });

  it('cuts calls that are never answered when the shutdown time has passed, and no later', async () => {
    const provider = await start([providerTarget], { SWITCHYARD_SHUTDOWN_TIMEOUT_MS: '50' });
    await start([consumerTarget], { SWITCHYARD_BILLING_ADDRESS: provider.grpcAddress! });
    const port = consumerContext!.port(KeyPort);
    await expect(port.resolveKey({ secretHash: 'known' })).resolves.toMatchObject({ sequence: 42n });
    const unanswered = port.resolveKey({ secretHash: 'never answered' });
    unanswered.catch(() => undefined);
    const gate = Promise.withResolvers<void>();
    drainGate = gate.promise;
    const graceMs = 2_000;
    const stopping = provider.stop().then(() => 'stopped');
    await expect(Promise.race([stopping, delay(graceMs, 'waits on', { ref: false })])).resolves.toBe('stopped');
    await expect(unanswered).rejects.toMatchObject({ type: 'gateway_unavailable' });
    gate.resolve();
  });

  it('ends although a target that never drains keeps a database connection', async () => {
    const postgres = await startTestPostgres();
    try {
      drainGate = new Promise(() => undefined);
      let context: TargetContext<object> | undefined;
      const schema = { name: 'demo', migrations: [] };
      const keeping = defineTarget({ ...providerTarget, schema, module: (given) => providerTarget.module((context = given) as never) });
      const platform = await start([keeping], { SWITCHYARD_SHUTDOWN_TIMEOUT_MS: '50', SWITCHYARD_DATABASE_URL: postgres.url });
      const client = await context!.pool().connect();
      client.on('error', () => undefined);
      await platform.stop();
      client.release(true);
    } finally {
      await postgres.close();
    }
  }, 90_000);

  it('reports readiness of every target by name', async () => {
    const platform = await start([providerTarget]);
    readiness = { ready: false, detail: 'no connection' };
    expect(await readyz(platform)).toMatchObject({
      status: 503,
      body: { ready: false, checks: { 'billing.database': { ready: false, detail: 'no connection' } } },
    });
    readiness = { ready: true, degraded: true };
    expect(await readyz(platform)).toMatchObject({ status: 200, body: { ready: true, degraded: true } });
  });

  it('shows metrics beside readiness', async () => {
    const platform = await start([providerTarget]);
    const response = await fetch(`http://${platform.healthAddress}/metrics`);
    expect(await response.text()).toContain('process_resident_memory_bytes');
  });

  it('names every problem of every target at once', async () => {
    const starting = start([consumerTarget], { SWITCHYARD_DEMO_LIMIT: '0', SWITCHYARD_LOG_LEVEL: 'loud' });
    const error: unknown = await starting.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).problems.map(({ env }) => env).sort()).toEqual([
      'SWITCHYARD_BILLING_ADDRESS',
      'SWITCHYARD_DEMO_LIMIT',
      'SWITCHYARD_LOG_LEVEL',
    ]);
  });

  it('ends where it is to listen on a host that nobody knows, instead of waiting for a database', async () => {
    const starting = start([providerTarget], { SWITCHYARD_BIND_HOST: 'nowhere.invalid' });
    await expect(starting).rejects.toThrow(/SWITCHYARD_BIND_HOST ="nowhere.invalid" cannot be listened on: getaddrinfo E\w+ nowhere.invalid/);
  });

  it('refuses a port that the target does not say it requires', async () => {
    const greedy = defineTarget({ ...providerTarget, provides: [], module: (context) => DemoModule.register(String(context.port(KeyPort))) });
    await expect(start([greedy])).rejects.toThrow('does not say that it requires billing.KeyService');
  });

  it('starts a target that keeps nothing on disk where nothing can be written', async () => {
    await expect(start([providerTarget], { SWITCHYARD_DATA_DIR: '/dev/null/nowhere' })).resolves.toBeDefined();
  });

  it('gives each target a folder of its own', async () => {
    await start([consumerTarget, providerTarget]);
    expect(consumerContext!.dataDirectory.endsWith('/router')).toBe(true);
  });
});

async function readyz(platform: Platform): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`http://${platform.healthAddress}/readyz`);
  return { status: response.status, body: await response.json() };
}
