import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadConfig, type Environment } from '@switchyard/config';
import { createPortClient } from '@switchyard/grpc';
import type { Port } from '@switchyard/proto';
import { platformConfig, type TargetName } from '@switchyard/runtime';
import { freePort } from './free-port.js';
import { untilReady } from './ingress-ready.js';
import { ManagedProcess } from './managed-process.js';
import { reachableAddress, reachableOrigin } from './reachable-host.js';
import { serviceEnvironment } from './service-environment.js';
import { removeServicePids, writeServicePids } from './service-pids.js';
import type { StartedPlatform } from './started-platform.js';

const PROGRAM = fileURLToPath(new URL('../main.js', import.meta.url));
const READY_TIMEOUT_MS = 180_000;
/** The longest attempt and then some; a second Ctrl-C does not wait. */
const STOP_TIMEOUT_MS = 660_000;
const FIRST_RESTART_DELAY_MS = 500;
const LONGEST_RESTART_DELAY_MS = 10_000;

type ServiceTarget = Exclude<TargetName, 'ingress'>;
const SERVICES: readonly ServiceTarget[] = ['worker', 'billing', 'analytics', 'router'];
/**
 * What passes through a worker dies young, whatever room it has. Without a bound V8 makes 128 MiB of it after some traffic, and all of it
 * stays resident.
 */
const WORKER_NODE_ARGUMENTS: readonly string[] = ['--max-semi-space-size=32'];

interface Member {
  readonly target: TargetName;
  /** `ingress-2`: also the name of its log. */
  readonly name: string;
  /** Where its `/readyz` is. */
  readonly origin: string;
  readonly environment: Environment;
  process: ManagedProcess;
  restartDelayMs: number;
}

export interface SplitOptions {
  readonly dataDirectory: string;
  readonly httpHost: string;
  readonly httpPort: number;
  readonly ingressReplicas: number;
  readonly billingReplicas: number;
  readonly environment: Environment;
  readonly say: (text: string) => void;
}

/** The five services as processes of their own, over gRPC. A process that ends by itself is started again. */
export async function startSplit(options: SplitOptions): Promise<StartedPlatform> {
  const split = new SplitPlatform(options);
  await split.start();
  return split;
}

class SplitPlatform implements StartedPlatform {
  readonly ingressOrigins: readonly string[];
  grpcAddresses: Readonly<Record<string, string>> = {};
  private readonly members: Member[] = [];
  private readonly clientClosers: (() => void)[] = [];
  private readonly changeListeners: (() => void)[] = [];
  private isStopping = false;

  constructor(private readonly options: SplitOptions) {
    this.ingressOrigins = Array.from({ length: options.ingressReplicas }, (_, index) => reachableOrigin(options.httpHost, options.httpPort + index));
  }

  async start(): Promise<void> {
    const { bindHost } = loadConfig(platformConfig, this.options.environment);
    const addresses = new Map<ServiceTarget, string[]>();
    for (const target of SERVICES) addresses.set(target, await freeAddresses(bindHost, this.replicaCount(target)));
    this.grpcAddresses = Object.fromEntries([...addresses].map(([target, [first]]) => [target, first!]));
    const variables = Object.fromEntries([...addresses].map(([target, own]) => [`SWITCHYARD_${target.toUpperCase()}_ADDRESS`, own.join(',')]));
    // One folder for all: whichever starts next takes over what a dead one's spool still holds.
    const shared = { ...this.options.environment, ...variables, SWITCHYARD_DATA_DIR: this.options.dataDirectory };
    for (const [target, own] of addresses) {
      for (const [index, address] of own.entries()) {
        const healthPort = await freePort();
        const ports = { SWITCHYARD_GRPC_PORT: portOf(address), SWITCHYARD_HEALTH_PORT: String(healthPort) };
        this.launch(target, nameOf(target, index), reachableOrigin(bindHost, healthPort), { ...shared, ...ports });
      }
    }
    for (const [index, origin] of this.ingressOrigins.entries()) {
      this.launch('ingress', nameOf('ingress', index), origin, { ...shared, SWITCHYARD_HTTP_PORT: String(this.options.httpPort + index) });
    }
    this.notePids();
  }

  get healthOrigins(): Readonly<Record<string, readonly string[]>> {
    const origins: Record<string, string[]> = {};
    for (const member of this.members) (origins[member.target] ??= []).push(member.origin);
    return origins;
  }

  processes(): Readonly<Record<string, readonly number[]>> {
    const pids: Record<string, number[]> = {};
    for (const member of this.members) (pids[member.target] ??= []).push(member.process.pid);
    return pids;
  }

  port<Shape>(port: Port<Shape>): Shape {
    const address = this.grpcAddresses[port.target];
    if (address === undefined) throw new Error(`There is no address of ${port.target}`);
    const client = createPortClient(port, address);
    this.clientClosers.push(() => client.close());
    return client.port;
  }

  async ready(): Promise<void> {
    await Promise.all(this.members.map((member) => member.process.whileAlive(untilReady(member.origin, READY_TIMEOUT_MS), READY_TIMEOUT_MS + 5000)));
    for (const member of this.members) this.restartWhenItEnds(member);
  }

  onProcessesChanged(listener: () => void): void {
    this.changeListeners.push(listener);
  }

  /** Ingresses first, so that what runs can end; then the services they need. */
  async stop(): Promise<void> {
    this.isStopping = true;
    for (const close of this.clientClosers) close();
    await Promise.all(this.members.filter((member) => member.target === 'ingress').map((member) => member.process.stop(STOP_TIMEOUT_MS)));
    await Promise.all(this.members.filter((member) => member.target !== 'ingress').map((member) => member.process.stop(STOP_TIMEOUT_MS)));
    removeServicePids(this.options.dataDirectory);
  }

  kill(): void {
    this.isStopping = true;
    for (const member of this.members) member.process.kill();
  }

  private replicaCount(target: ServiceTarget): number {
    return target === 'billing' ? this.options.billingReplicas : 1;
  }

  private notePids(): void {
    writeServicePids(
      this.options.dataDirectory,
      this.members.map((member) => member.process.pid),
    );
  }

  private launch(target: TargetName, name: string, origin: string, environment: Environment): void {
    this.members.push({ target, name, origin, environment, process: this.spawn(target, name, environment), restartDelayMs: FIRST_RESTART_DELAY_MS });
  }

  private spawn(target: TargetName, name: string, environment: Environment): ManagedProcess {
    return new ManagedProcess({
      name,
      script: PROGRAM,
      scriptArguments: ['serve', `--target=${target}`, '--stop-with-parent'],
      nodeArguments: target === 'worker' ? WORKER_NODE_ARGUMENTS : [],
      environment: serviceEnvironment(target, environment),
      logFile: join(this.options.dataDirectory, 'logs', `${name}.log`),
    });
  }

  private restartWhenItEnds(member: Member): void {
    member.process.onUnexpectedExit((how) => {
      if (this.isStopping) return;
      this.options.say(`  ${member.name} ended with ${how}; starting it again`);
      const delayMs = member.restartDelayMs;
      member.restartDelayMs = Math.min(delayMs * 2, LONGEST_RESTART_DELAY_MS);
      setTimeout(() => this.restart(member), delayMs);
    });
  }

  private restart(member: Member): void {
    if (this.isStopping) return;
    member.process = this.spawn(member.target, member.name, member.environment);
    this.restartWhenItEnds(member);
    this.notePids();
    for (const listener of this.changeListeners) listener();
    untilReady(member.origin, READY_TIMEOUT_MS).then(
      () => (member.restartDelayMs = FIRST_RESTART_DELAY_MS),
      () => undefined,
    );
  }
}

function nameOf(target: TargetName, index: number): string {
  return index === 0 ? target : `${target}-${index + 1}`;
}

async function freeAddresses(host: string, count: number): Promise<string[]> {
  const addresses: string[] = [];
  while (addresses.length < count) addresses.push(reachableAddress(host, await freePort()));
  return addresses;
}

function portOf(address: string): string {
  return address.slice(address.lastIndexOf(':') + 1);
}
