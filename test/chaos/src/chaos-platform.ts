import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { findPostgresProgram, temporaryFolder } from '@switchyard/db';
import { FreePorts } from '@switchyard/testing';
import { stringify } from 'yaml';
import type { Link, ProcessKind } from './fault-plan.js';
import { ControlledProcess } from './process-control.js';
import type { Recorder } from './recorder.js';
import { TcpProxy } from './tcp-proxy.js';

/** Processes of each service. */
export type Replicas = Readonly<Record<ServiceKind, number>>;
type ServiceKind = Exclude<ProcessKind, 'kafka' | 'postgres'>;

/** What is written out as settings: short enough that a run sees every deadline pass. Milliseconds. */
export interface Deadlines {
  readonly attemptTotalMs: number;
  readonly leaseReserveMs: number;
  readonly leaseSettleMarginMs: number;
  readonly leaseAbandonAfterMs: number;
}

export interface ChaosPlatformOptions {
  readonly replicas: Replicas;
  readonly deadlines: Deadlines;
  readonly catalog: object;
  readonly recorder: Recorder;
  /** Logs and data stay for a look. */
  readonly keepsFolder: boolean;
  /** Further settings of every service. */
  readonly environment?: Readonly<Record<string, string>>;
}

interface HarmableLink {
  /** Of those that the plan of faults does not name, too. */
  readonly link: string;
  readonly to: ProcessKind;
  readonly proxy: TcpProxy;
}

interface Service {
  readonly kind: ServiceKind;
  readonly name: string;
  /** Of its gRPC server; the public one of an ingress. */
  readonly port: number;
  readonly healthPort: number;
}

const ROOT = resolve(import.meta.dirname, '../../..');
const PROGRAM = join(ROOT, 'services/all/dist/main.js');
const KAFKA_PROGRAM = join(ROOT, 'tools/kafka/start-kafka.mjs');
const POSTGRES_PROGRAM = join(import.meta.dirname, 'postgres-node.mjs');
const READY_WITHIN_MS = 120_000;
const POLL_MS = 100;

/**
 * The split platform on this machine: real Postgres and Kafka, several processes of each service, and a proxy on each link between two of them. Every process
 * is started again when it ends.
 */
export class ChaosPlatform {
  private readonly processes: ControlledProcess[] = [];
  private readonly links: HarmableLink[] = [];
  private readonly services: Service[] = [];
  private readonly ports = new FreePorts();
  private readonly folder = mkdtempSync(join(temporaryFolder(), 'switchyard-chaos-'));
  private databasePort = 0;
  private kafka!: TcpProxy;

  private constructor(private readonly options: ChaosPlatformOptions) {}

  static async start(options: ChaosPlatformOptions): Promise<ChaosPlatform> {
    const platform = new ChaosPlatform(options);
    try {
      await platform.startAll();
      return platform;
    } catch (error) {
      await platform.remove();
      throw error;
    }
  }

  /** Past the proxies: nobody harms the way of those who look. */
  get databaseUrl(): string {
    return `postgresql://switchyard:chaos-only@127.0.0.1:${this.databasePort}/postgres`;
  }

  get kafkaBrokers(): readonly string[] {
    return [this.kafka.address];
  }

  get logFolder(): string {
    return join(this.folder, 'logs');
  }

  /** Base URLs of the public API. */
  get ingressUrls(): readonly string[] {
    return this.servicesOf('ingress').map((service) => `http://127.0.0.1:${service.port}/api/v1`);
  }

  get ingressNames(): readonly string[] {
    return this.servicesOf('ingress').map((service) => service.name);
  }

  /** `host:port` of one process of a target, past the proxies. */
  grpcAddress(kind: ServiceKind): string {
    return `127.0.0.1:${this.servicesOf(kind)[0]!.port}`;
  }

  /** Where each process of a target tells its metrics and whether it is ready. */
  healthUrls(kind: ServiceKind): readonly string[] {
    return this.servicesOf(kind).map((service) => `http://127.0.0.1:${service.healthPort}`);
  }

  process(kind: ProcessKind, instance: number): ControlledProcess {
    const ofKind = this.processes.filter((candidate) => candidate.kind === kind);
    return ofKind[instance % ofKind.length]!;
  }

  link(link: Link, instance: number): TcpProxy {
    const named = this.links.filter((candidate) => candidate.link === link);
    return named[instance % named.length]!.proxy;
  }

  /** Nobody reaches processes of this kind any more. */
  cutOff(kind: ProcessKind): void {
    for (const { to, proxy } of this.links) if (to === kind) proxy.harm({ kind: 'cut' });
  }

  healEverything(): void {
    for (const { proxy } of this.links) proxy.heal();
    for (const process of this.processes) process.resume();
  }

  /** Names of processes that do not say that they are ready, with what they say instead. */
  async notReady(): Promise<string[]> {
    const problems = await Promise.all(this.services.map(async (service) => ({ name: service.name, problem: await problemOf(service.healthPort) })));
    return problems.flatMap(({ name, problem }) => (problem === undefined ? [] : [`${name}: ${problem}`]));
  }

  async untilReady(withinMs = READY_WITHIN_MS): Promise<void> {
    const deadlineMs = performance.now() + withinMs;
    for (let problems = await this.notReady(); problems.length > 0; problems = await this.notReady()) {
      if (performance.now() > deadlineMs) throw new Error(`not ready within ${withinMs} ms: ${problems.join('; ')}; logs are in ${this.logFolder}`);
      await new Promise((done) => setTimeout(done, POLL_MS));
    }
  }

  /** Ingresses and workers first, so that what is in their spools can be published; then the rest. */
  async endServices(kinds: readonly ServiceKind[]): Promise<void> {
    await Promise.all(this.processes.filter((process) => (kinds as readonly string[]).includes(process.kind)).map((process) => process.end()));
  }

  /** Folders of the spools of one kind of service. */
  spoolFolders(kind: 'ingress' | 'worker'): readonly string[] {
    return this.servicesOf(kind).map((service) => join(this.folder, service.name, kind, 'spool'));
  }

  async remove(): Promise<void> {
    for (const kinds of [['ingress'], ['worker', 'router', 'billing', 'analytics']] as const) await this.endServices([...kinds]);
    for (const kind of ['kafka', 'postgres'] as const)
      await Promise.all(this.processes.filter((process) => process.kind === kind).map((process) => process.end()));
    await Promise.all(this.links.map(({ proxy }) => proxy.close()));
    if (!this.options.keepsFolder) rmSync(this.folder, { recursive: true, force: true });
  }

  private async startAll(): Promise<void> {
    // Postgres never runs as root: started by root it becomes another user, who must be able to reach its folder.
    chmodSync(this.folder, 0o755);
    writeFileSync(join(this.folder, 'catalog.yaml'), stringify(this.options.catalog));
    await Promise.all([this.startPostgres(), this.startKafka()]);
    for (const [kind, count] of Object.entries(this.options.replicas) as [ServiceKind, number][]) {
      for (let index = 1; index <= count; index++) {
        this.services.push({ kind, name: `${kind}-${index}`, port: await this.ports.take(), healthPort: await this.ports.take() });
      }
    }
    for (const service of this.services) await this.startService(service);
    await this.untilReady();
  }

  private async startPostgres(): Promise<void> {
    this.databasePort = await this.ports.take();
    const { moduleUrl } = await findPostgresProgram();
    await this.launch({
      name: 'postgres',
      kind: 'postgres',
      script: POSTGRES_PROGRAM,
      scriptArguments: [moduleUrl, join(this.folder, 'postgres'), String(this.databasePort)],
      environment: { ...basicEnvironment(), TMPDIR: temporaryFolder() },
      supervises: true,
    });
  }

  private async startKafka(): Promise<void> {
    const port = await this.ports.take();
    this.kafka = await TcpProxy.listen([port], await this.ports.take());
    this.links.push({ link: 'any-kafka', to: 'kafka', proxy: this.kafka });
    await this.launch({
      name: 'kafka',
      kind: 'kafka',
      script: KAFKA_PROGRAM,
      scriptArguments: ['--data-dir', join(this.folder, 'kafka'), '--port', String(port), '--advertised-port', String(this.kafka.port), '--with-parent'],
      environment: basicEnvironment(),
      supervises: true,
    });
  }

  private async startService(service: Service): Promise<void> {
    const { kind, name, port, healthPort } = service;
    await this.launch({
      name,
      kind,
      script: PROGRAM,
      scriptArguments: ['serve', `--target=${kind}`, '--stop-with-parent'],
      problem: () => problemOf(healthPort),
      environment: {
        ...basicEnvironment(),
        ...(await this.neighbours(service)),
        ...settingsOf(this.options.deadlines),
        ...this.options.environment,
        [kind === 'ingress' ? 'SWITCHYARD_HTTP_PORT' : 'SWITCHYARD_GRPC_PORT']: String(port),
        SWITCHYARD_HEALTH_PORT: String(healthPort),
        SWITCHYARD_DATA_DIR: join(this.folder, name),
        SWITCHYARD_CATALOG_FILE: join(this.folder, 'catalog.yaml'),
      },
    });
  }

  /** Where a service finds the others: each by proxies of its own, so that one process can be cut off while its replicas are not. */
  private async neighbours({ kind }: Service): Promise<Record<string, string>> {
    const balanced = async (target: ServiceKind) => (await this.newLink(kind, target, this.portsOf(target))).address;
    const workers: string[] = [];
    for (const port of this.portsOf('worker')) workers.push((await this.newLink(kind, 'worker', [port])).address);
    const database = new URL(this.databaseUrl);
    database.port = String((await this.newLink('any', 'postgres', [this.databasePort])).port);
    return {
      SWITCHYARD_DATABASE_URL: database.href,
      KAFKA_BROKERS: this.kafka.address,
      SWITCHYARD_WORKER_ADDRESS: workers.join(','),
      SWITCHYARD_ROUTER_ADDRESS: await balanced('router'),
      SWITCHYARD_BILLING_ADDRESS: await balanced('billing'),
      SWITCHYARD_ANALYTICS_ADDRESS: await balanced('analytics'),
    };
  }

  private async newLink(from: ServiceKind | 'any', to: ProcessKind, targetPorts: readonly number[]): Promise<TcpProxy> {
    const proxy = await TcpProxy.listen(targetPorts, await this.ports.take());
    this.links.push({ link: `${from}-${to}`, to, proxy });
    return proxy;
  }

  private async launch(order: Omit<ConstructorParameters<typeof ControlledProcess>[0], 'logFile'>): Promise<void> {
    const controlled = new ControlledProcess({ ...order, logFile: join(this.logFolder, `${order.name}.log`) }, this.options.recorder);
    this.processes.push(controlled);
    await controlled.start();
  }

  private servicesOf(kind: ServiceKind): readonly Service[] {
    return this.services.filter((service) => service.kind === kind);
  }

  private portsOf(kind: ServiceKind): number[] {
    return this.servicesOf(kind).map((service) => service.port);
  }
}

function basicEnvironment(): Record<string, string> {
  const names = ['PATH', 'HOME', 'JAVA_HOME', 'DOCKER_HOST'];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));
}

function settingsOf(deadlines: Deadlines): Record<string, string> {
  return {
    SWITCHYARD_DRAIN_DELAY_MS: '0',
    SWITCHYARD_ATTEMPT_TOTAL_MS: String(deadlines.attemptTotalMs),
    SWITCHYARD_LEASE_RESERVE_MS: String(deadlines.leaseReserveMs),
    SWITCHYARD_LEASE_SETTLE_MARGIN_MS: String(deadlines.leaseSettleMarginMs),
    SWITCHYARD_LEASE_ABANDON_AFTER_MS: String(deadlines.leaseAbandonAfterMs),
  };
}

async function problemOf(healthPort: number): Promise<string | undefined> {
  try {
    const response = await fetch(`http://127.0.0.1:${healthPort}/readyz`, { signal: AbortSignal.timeout(5_000) });
    const body = await response.text();
    return response.ok ? undefined : body.slice(0, 300);
  } catch (error) {
    return String(error instanceof Error ? (error.cause ?? error) : error);
  }
}
