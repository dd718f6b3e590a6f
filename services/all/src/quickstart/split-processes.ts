import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Environment } from '@switchyard/config';
import { createPortClient } from '@switchyard/grpc';
import type { Port } from '@switchyard/proto';
import type { TargetName } from '@switchyard/runtime';
import { freePort } from './free-port.js';
import { untilReady } from './ingress-ready.js';
import { ManagedProcess } from './managed-process.js';
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

interface Member {
  readonly target: TargetName;
  /** `ingress-2`: also the name of its log and, beyond the first, of its folder. */
  readonly name: string;
  /** Where its `/readyz` is. */
  readonly origin: string;
  readonly environment: Environment;
  process: ManagedProcess;
  restartDelayMs: number;
}

export interface SplitOptions {
  readonly dataDirectory: string;
  readonly httpPort: number;
  readonly ingressReplicas: number;
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
    this.ingressOrigins = Array.from({ length: options.ingressReplicas }, (_, index) => `http://127.0.0.1:${options.httpPort + index}`);
  }

  async start(): Promise<void> {
    const grpcPorts = new Map<ServiceTarget, number>();
    for (const target of SERVICES) grpcPorts.set(target, await freePort());
    this.grpcAddresses = Object.fromEntries([...grpcPorts].map(([target, port]) => [target, `127.0.0.1:${port}`]));
    const addresses = Object.fromEntries(
      Object.entries(this.grpcAddresses).map(([target, address]) => [`SWITCHYARD_${target.toUpperCase()}_ADDRESS`, address]),
    );
    const shared = { ...this.options.environment, ...addresses };
    for (const [target, port] of grpcPorts) {
      const healthPort = await freePort();
      const own = { SWITCHYARD_GRPC_PORT: String(port), SWITCHYARD_HEALTH_PORT: String(healthPort), SWITCHYARD_DATA_DIR: this.options.dataDirectory };
      this.launch(target, target, `http://127.0.0.1:${healthPort}`, { ...shared, ...own });
    }
    for (const [index, origin] of this.ingressOrigins.entries()) {
      const name = index === 0 ? 'ingress' : `ingress-${index + 1}`;
      const folder = index === 0 ? this.options.dataDirectory : join(this.options.dataDirectory, 'replicas', name);
      this.launch('ingress', name, origin, { ...shared, SWITCHYARD_HTTP_PORT: String(this.options.httpPort + index), SWITCHYARD_DATA_DIR: folder });
    }
    this.notePids();
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
      environment,
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
