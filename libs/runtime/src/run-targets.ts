import { setTimeout as delay } from 'node:timers/promises';
import { ConfigError, checkConfig, loadConfig, processEnvironment, type ConfigProblem, type Environment } from '@switchyard/config';
import { traceEventLog } from '@switchyard/events';
import {
  createLocalPort,
  createPortClient,
  isStorageAway,
  joinAddress,
  SessionPool,
  startPortServer,
  type AttemptTransport,
  type PortServer,
  type ServedPort,
  type TlsIdentity,
} from '@switchyard/grpc';
import type { Port } from '@switchyard/proto';
import { CallTracer, createLogger, tracingConfig, type Logger, type Tracer } from '@switchyard/telemetry';
import { connectionProblems, missingDatabase, openTls } from './connection-settings.js';
import { Deadline } from './deadline.js';
import { startHealthServer, type HealthServer } from './health-server.js';
import { listenFailure } from './listen-failure.js';
import { nestLogger } from './nest-logger.js';
import { PlatformResources } from './platform-resources.js';
import { platformConfig, type PlatformConfig } from './platform.config.js';
import { Readiness } from './readiness.js';
import { addressOf, missingAddress, missingAddresses } from './target-addresses.js';
import { TargetApplication } from './target-application.js';
import { registerTlsMetrics } from './tls-metrics.js';
import { ATTEMPT_TRANSPORT, TARGET_NAMES, type ReadinessReport, type Target, type TargetContext } from './target.js';

const DEFAULT_GRPC_PORT = 9090;
const DEFAULT_HEALTH_PORT = 9091;
/** Streams that outlive the drain are watches, which their callers open again elsewhere. */
const GRPC_CLOSE_GRACE_MS = 2000;
/** Connections that are in use have so long to be given back, also where the shutdown time has passed. */
const CLOSE_AT_LEAST_MS = 5000;
const START_AGAIN_MS = 1000;

export interface RunTargetsOptions {
  readonly targets: readonly Target[];
  readonly environment?: Environment;
  readonly logger?: Logger;
  /** Variables that look like settings and are none, for the log. */
  readonly unreadVariables?: readonly string[];
  /** Ends a start that waits: for a database that is away, for its schemas, or in a target that heeds `shutdownSignal`. */
  readonly cancelSignal?: AbortSignal;
}

/** The targets of one process, running. */
export interface Platform {
  /** `host:port`, when the process serves ports over gRPC. */
  readonly grpcAddress: string | undefined;
  readonly healthAddress: string | undefined;
  readonly logger: Logger;
  readiness(): ReadinessReport;
  /** A port of a target in this process or, with its address configured, of another. */
  port<Shape>(port: Port<Shape>): Shape;
  /** Not ready, a pause, drain, close: in this order, bounded, once. */
  stop(): Promise<void>;
}

/** Problems of the configuration of these targets, all at once; empty when they could start. */
export function checkTargets(targets: readonly Target[], environment: Environment = processEnvironment()): ConfigProblem[] {
  const problems = checkConfig([platformConfig, tracingConfig, ...targets.map((target) => target.config)], environment);
  const isReadable = checkConfig([platformConfig], environment).length === 0;
  return [
    ...problems,
    ...(isReadable ? platformProblems(targets, loadConfig(platformConfig, environment)) : []),
    ...targets.flatMap((target) => contradictions(target, environment)),
    ...missingAddresses(targets, environment),
  ];
}

/** Of settings that are each right by themselves. */
function contradictions({ config, problems }: Target, environment: Environment): readonly ConfigProblem[] {
  return problems === undefined || checkConfig([config], environment).length > 0 ? [] : problems(loadConfig(config, environment));
}

function platformProblems(targets: readonly Target[], config: PlatformConfig): ConfigProblem[] {
  return [...connectionProblems(config), ...missingDatabase(targets, config)];
}

/**
 * Starts targets in one process. This is the only place that knows local from remote: a port is bound in process when its target is here, else over
 * gRPC to the configured address. A start waits for its database and for its schemas as long as it takes, alive and not ready.
 * @throws ConfigError with every problem of the configuration.
 */
export async function runTargets(options: RunTargetsOptions): Promise<Platform> {
  const environment = options.environment ?? processEnvironment();
  const targets = TARGET_NAMES.flatMap((name) => options.targets.filter((target) => target.name === name));
  const problems = checkTargets(targets, environment);
  if (problems.length > 0) throw new ConfigError(problems);
  const config = loadConfig(platformConfig, environment);
  const logger = options.logger ?? createLogger({ level: config.logLevel, format: config.logFormat });
  const { unreadVariables: names = [] } = options;
  if (names.length > 0) logger.warn('Variables are set that nothing reads', { names });
  const cancelSignal = options.cancelSignal ?? new AbortController().signal;
  for (;;) {
    const platform = new RunningPlatform(targets, environment, config, logger);
    try {
      await platform.start(cancelSignal);
      return platform;
    } catch (error) {
      await platform.stop({ delayMs: 0 }).catch(() => undefined);
      // A database that goes away in the middle of a start is waited for as one that was away before.
      if (cancelSignal.aborted || !isStorageAway(error)) throw error;
      logger.warn('The start failed because the database went away; it begins again', { error });
    }
    await delay(START_AGAIN_MS, undefined, { signal: cancelSignal });
  }
}

/** Brings the schemas of these targets up to date without starting them. */
export async function migrateTargets(targets: readonly Target[], config: PlatformConfig, logger: Logger): Promise<void> {
  const resources = new PlatformResources(config, logger);
  try {
    await resources.migrate(targets.flatMap((target) => target.schema ?? []));
  } finally {
    await resources.close();
  }
}

class RunningPlatform implements Platform {
  private readonly resources: PlatformResources;
  private readonly readinessState = new Readiness();
  private readonly shutdown = new AbortController();
  private readonly applications: TargetApplication[] = [];
  private readonly ports = new Map<string, unknown>();
  private readonly clientClosers: (() => void)[] = [];
  private readonly tls: TlsIdentity | undefined;
  private sessions: SessionPool | undefined;
  private server: PortServer | undefined;
  private health: HealthServer | undefined;
  private stopping: Promise<void> | undefined;

  constructor(
    private readonly targets: readonly Target[],
    private readonly environment: Environment,
    private readonly config: PlatformConfig,
    readonly logger: Logger,
  ) {
    this.tls = openTls(config, logger);
    this.resources = new PlatformResources(config, logger);
  }

  get grpcAddress(): string | undefined {
    return this.server?.address;
  }

  get healthAddress(): string | undefined {
    return this.health?.address;
  }

  readiness(): ReadinessReport {
    return this.readinessState.report();
  }

  port<Shape>(port: Port<Shape>): Shape {
    const known = this.ports.get(port.name) as Shape | undefined;
    if (known !== undefined) return known;
    const bound = this.isLocal(port.target)
      ? createLocalPort(port, () => this.application(port.target).implementation(port), this.logger)
      : this.remotePort(port);
    this.ports.set(port.name, bound);
    return bound;
  }

  async start(cancelSignal: AbortSignal): Promise<void> {
    // What a target waits for while it starts ends as if it had started.
    const tellTargets = (): void => this.shutdown.abort(new Error('The process is stopping'));
    cancelSignal.addEventListener('abort', tellTargets, { once: true });
    try {
      await this.startParts(cancelSignal);
    } finally {
      cancelSignal.removeEventListener('abort', tellTargets);
    }
  }

  /** @throws the reason of the signal as soon as what is under way has ended */
  private async startParts(cancelSignal: AbortSignal): Promise<void> {
    this.health = await this.startHealth();
    await this.resources.startTracing(loadConfig(tracingConfig, this.environment));
    if (this.tls !== undefined) registerTlsMetrics(this.resources.metrics, this.tls);
    const gate = this.resources.schemaGate(this.targets.flatMap((target) => target.schema ?? []));
    this.readinessState.add('schema', gate?.checks ?? []);
    await gate?.pass(cancelSignal);
    for (const target of this.targets) {
      cancelSignal.throwIfAborted();
      await this.startTarget(target);
    }
    cancelSignal.throwIfAborted();
    this.server = await this.startServer();
    this.readinessState.started();
    this.logger.info('Started', { names: this.targets.map((target) => target.name), address: this.grpcAddress });
  }

  stop(options: { readonly delayMs?: number } = {}): Promise<void> {
    this.stopping ??= this.stopOnce(options.delayMs ?? this.config.drainDelayMs);
    return this.stopping;
  }

  private async stopOnce(delayMs: number): Promise<void> {
    this.readinessState.draining();
    this.shutdown.abort(new Error('The process is stopping'));
    this.logger.info('Stopping', { delayMs });
    const deadline = new Deadline(this.config.shutdownTimeoutMs);
    await deadline.bound(new Promise((resolve) => setTimeout(resolve, delayMs)));
    const lastFirst = [...this.applications].reverse();
    for (const application of lastFirst) await deadline.bound(this.attempt(application.name, 'Draining failed', application.drain()));
    await this.attempt('grpc', 'The gRPC server did not close', this.server?.close(Math.min(GRPC_CLOSE_GRACE_MS, deadline.leftMs)));
    for (const application of lastFirst) await deadline.bound(this.attempt(application.name, 'Closing failed', application.close()));
    this.sessions?.close();
    for (const close of this.clientClosers) close();
    this.tls?.close();
    const lastDeadline = new Deadline(Math.max(deadline.leftMs, CLOSE_AT_LEAST_MS));
    deadline.clear();
    // A pool waits until its connections are given back: for ever where a target never drained.
    await lastDeadline.bound(this.attempt('platform', 'Closing failed', this.resources.close()));
    await lastDeadline.bound(this.attempt('health', 'The health server did not close', this.health?.close()));
    lastDeadline.clear();
    this.logger.info('Stopped');
  }

  private async startTarget(target: Target): Promise<void> {
    const logger = this.logger.child({ target: target.name });
    const context = await this.createContext(target, logger);
    const application = await TargetApplication.start(target.name, target.module(context), nestLogger(logger));
    this.applications.push(application);
    this.readinessState.add(target.name, application.readinessChecks);
  }

  private async createContext(target: Target, logger: Logger): Promise<TargetContext<object>> {
    const { resources } = this;
    const needsWorkers = target.requiresAttempts === true;
    const tracer = resources.tracing?.tracer(target.name);
    if (needsWorkers && !this.isLocal('worker')) await this.openSessions(tracer);
    return {
      config: loadConfig(target.config, this.environment) as object,
      clock: resources.clock,
      random: resources.random,
      logger,
      metrics: resources.metrics,
      tracer,
      get dataDirectory() {
        return resources.directory(target.name);
      },
      instanceId: resources.instanceId,
      pool: () => resources.pool(target.name, target.schema),
      get eventLog() {
        if (target.requiresEventLog !== true) throw new Error(`The target ${target.name} does not say that it requires the event log`);
        return traceEventLog(resources.eventLog, tracer);
      },
      port: (port) => {
        if (!target.requires.some(({ name }) => name === port.name)) throw new Error(`The target ${target.name} does not say that it requires ${port.name}`);
        return this.port(port);
      },
      callTracer: ({ target: called }) => tracer && new CallTracer(tracer, this.isLocal(called) ? [] : addressOf(called, this.config)),
      attemptTransport: () => {
        if (!needsWorkers) throw new Error(`The target ${target.name} does not say that it requires attempts`);
        return this.sessions ?? this.application('worker').get<AttemptTransport>(ATTEMPT_TRANSPORT);
      },
      shutdownSignal: this.shutdown.signal,
      readiness: () => this.readiness(),
    };
  }

  private isLocal(target: string): boolean {
    return this.targets.some(({ name }) => name === target);
  }

  private application(name: string): TargetApplication {
    const application = this.applications.find((candidate) => candidate.name === name);
    if (!application) throw new Error(`The target ${name} has not started yet`);
    return application;
  }

  private remotePort<Shape>(port: Port<Shape>): Shape {
    const address = addressOf(port.target, this.config);
    if (address.length === 0) throw new ConfigError([missingAddress(port.target, port.name)]);
    const client = createPortClient(port, address, { tls: this.tls });
    this.clientClosers.push(() => client.close());
    return client.port;
  }

  private async openSessions(tracer: Tracer | undefined): Promise<void> {
    const logger = this.logger.child({ component: 'sessions' });
    const sessions = new SessionPool({ addresses: this.config.workerAddress, tls: this.tls, tracer, logger });
    this.sessions = sessions;
    this.readinessState.add('worker', [{ name: 'sessions', check: () => ({ ready: sessions.isReady }) }]);
    await sessions.open();
  }

  private async startServer(): Promise<PortServer | undefined> {
    const { bindHost, grpcPort } = this.config;
    const ports: ServedPort[] = this.targets.flatMap((target) =>
      target.provides.map((port) => ({
        port,
        implementation: this.application(target.name).implementation(port) as object,
        tracer: this.resources.tracing?.tracer(target.name),
      })),
    );
    const nativeHandlers = this.applications.flatMap((application) => application.nativeGrpcServices);
    const isWanted = grpcPort !== undefined || this.targets.length < TARGET_NAMES.length;
    if (!isWanted || ports.length + nativeHandlers.length === 0) return undefined;
    return startPortServer({
      address: joinAddress(bindHost, grpcPort ?? DEFAULT_GRPC_PORT),
      ports,
      nativeHandlers,
      logger: this.logger,
      nestLogger: nestLogger(this.logger),
      tls: this.tls,
    });
  }

  private async startHealth(): Promise<HealthServer | undefined> {
    const port = this.config.healthPort ?? (this.isLocal('ingress') ? undefined : DEFAULT_HEALTH_PORT);
    if (port === undefined) return undefined;
    const { bindHost: host } = this.config;
    try {
      return await startHealthServer({ host, port, readiness: () => this.readiness(), metrics: this.resources.metrics });
    } catch (error) {
      throw listenFailure(error, { env: 'SWITCHYARD_BIND_HOST', host });
    }
  }

  /** One part that fails to stop must not keep the others from stopping. */
  private async attempt(component: string, message: string, work: Promise<void> | undefined): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.logger.error(message, { component, error });
    }
  }
}
