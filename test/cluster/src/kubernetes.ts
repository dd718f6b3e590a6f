import { spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { runCommand, type CommandOptions, type CommandResult } from './command-line.js';
import type { ClusterSettings } from './settings.js';

export interface Pod {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    /** Absent on pods that somebody made by hand. */
    readonly labels?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
    readonly creationTimestamp: string;
  };
  readonly spec: { readonly containers: readonly { readonly image: string }[] };
  readonly status: { readonly phase: string; readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

/** A cluster call that failed, with what kubectl said. */
export class KubernetesError extends Error {}

/** kubectl in one namespace. */
export class Kubernetes {
  constructor(
    private readonly settings: ClusterSettings,
    readonly namespace: string,
  ) {}

  /** @throws KubernetesError */
  async call(commandArguments: readonly string[], options?: CommandOptions): Promise<string> {
    const result = await this.attempt(commandArguments, options);
    if (result.exitCode !== 0) throw new KubernetesError(`kubectl ${commandArguments.slice(0, 4).join(' ')}: ${result.stderr.trim().slice(0, 1000)}`);
    return result.stdout;
  }

  attempt(commandArguments: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    return runCommand(this.settings.kubectl, [...this.commonArguments(), ...commandArguments], options);
  }

  async apply(...manifests: readonly object[]): Promise<void> {
    await this.call(['apply', '--server-side', '--force-conflicts', '-f', '-'], {
      input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifests }),
    });
  }

  async get<Item>(...what: readonly string[]): Promise<Item> {
    return JSON.parse(await this.call(['get', ...what, '-o', 'json'])) as Item;
  }

  /** Pods of a component of the release, those that are being ended included. */
  async pods(component: string): Promise<Pod[]> {
    return (await this.get<{ items: Pod[] }>('pods', '-l', `app.kubernetes.io/component=${component}`)).items;
  }

  /** Those that serve: ready and not being ended. By name. */
  async readyPods(component: string): Promise<Pod[]> {
    return (await this.pods(component)).filter(isServing).sort((one, other) => one.metadata.name.localeCompare(other.metadata.name));
  }

  /** Runs a program inside a pod and answers what it prints. */
  exec(pod: string, command: readonly string[], options?: CommandOptions): Promise<string> {
    return this.call(['exec', pod, '--', ...command], options);
  }

  attemptExec(pod: string, command: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    return this.attempt(['exec', pod, '--', ...command], options);
  }

  /** `statefulset/<name>` or `deployment/<name>`, whichever runs a component. */
  async workload(component: string): Promise<string> {
    const { items } = await this.get<{ items: { kind: string; metadata: { name: string } }[] }>(
      'statefulsets,deployments',
      '-l',
      `app.kubernetes.io/component=${component}`,
    );
    const [item] = items;
    if (items.length !== 1 || !item) throw new KubernetesError(`${items.length} workloads run ${component}`);
    return `${item.kind.toLowerCase()}/${item.metadata.name}`;
  }

  async rolledOut(component: string, timeoutMs = 600_000): Promise<void> {
    await this.call(['rollout', 'status', await this.workload(component), `--timeout=${Math.ceil(timeoutMs / 1000)}s`], { timeoutMs: timeoutMs + 10_000 });
  }

  /** Resolves when so many pods of a component serve and no other is left. */
  async settled(component: string, replicas: number, timeoutMs = 300_000): Promise<void> {
    await until(`${replicas} pods of ${component}`, timeoutMs, async () => {
      const pods = await this.pods(component);
      return pods.length === replicas && pods.every(isServing);
    });
  }

  async scale(component: string, replicas: number): Promise<void> {
    await this.call(['scale', await this.workload(component), `--replicas=${replicas}`]);
  }

  /** Streams what becomes of pods, one event of `kubectl get --watch` after the other. */
  watchPods(onEvent: (type: 'ADDED' | 'MODIFIED' | 'DELETED', pod: Pod) => void): ChildProcess {
    const child = spawn(this.settings.kubectl, [...this.commonArguments(), 'get', 'pods', '--watch', '--output-watch-events', '-o', 'json'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      const lines = (text + piece).split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) {
        const { type, object } = JSON.parse(line) as { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: Pod };
        onEvent(type, object);
      }
    });
    return child;
  }

  private commonArguments(): string[] {
    return [...(this.settings.kubeconfig === undefined ? [] : ['--kubeconfig', this.settings.kubeconfig]), '--namespace', this.namespace];
  }
}

export function isReady(pod: Pod): boolean {
  return pod.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}

export function isServing(pod: Pod): boolean {
  return pod.metadata.deletionTimestamp === undefined && isReady(pod);
}

const POLL_MS = 1000;

/** Waits for a condition. @throws KubernetesError after `timeoutMs`, naming what was waited for */
export async function until(what: string, timeoutMs: number, condition: () => Promise<boolean>, pollMs = POLL_MS): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new KubernetesError(`Waited ${timeoutMs / 1000} s for ${what} in vain`);
    await delay(pollMs);
  }
}
