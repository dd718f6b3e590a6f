import type { ChildProcess } from 'node:child_process';
import { isServing, type Kubernetes, type Pod } from './kubernetes.js';

/** One pod's life as the API told it; times in milliseconds since 1970 on this machine's clock. */
export interface PodLife {
  readonly name: string;
  readonly component: string;
  readonly image: string;
  firstReadyAtMs?: number;
  /** When it was told to end. */
  toldAtMs?: number;
  goneAtMs?: number;
}

/** Notes of every pod of the release when it became ready, was told to end, and was gone. */
export class PodHistory {
  private readonly lives = new Map<string, PodLife>();
  private watcher: ChildProcess | undefined;
  private isStopped = false;

  constructor(private readonly kubernetes: Kubernetes) {}

  start(): void {
    this.watcher = this.kubernetes.watchPods((type, pod) => this.note(type, pod));
    // A watch may end at any time; the next one begins with all pods.
    this.watcher.once('exit', () => {
      if (!this.isStopped) this.start();
    });
  }

  stop(): void {
    this.isStopped = true;
    this.watcher?.kill();
  }

  all(): PodLife[] {
    return [...this.lives.values()];
  }

  /** Longest time from being told to end to being gone, in milliseconds, by component, of pods that were told within these times. */
  longestDrains(fromMs: number, toMs: number): Record<string, number> {
    const longest: Record<string, number> = {};
    for (const { component, toldAtMs, goneAtMs } of this.lives.values()) {
      if (toldAtMs === undefined || goneAtMs === undefined || toldAtMs < fromMs || toldAtMs > toMs) continue;
      longest[component] = Math.max(longest[component] ?? 0, goneAtMs - toldAtMs);
    }
    return longest;
  }

  private note(type: string, pod: Pod): void {
    const nowMs = Date.now();
    const { uid, name, labels, deletionTimestamp } = pod.metadata;
    const life = this.lives.get(uid) ?? { name, component: labels?.['app.kubernetes.io/component'] ?? '', image: pod.spec.containers[0]?.image ?? '' };
    this.lives.set(uid, life);
    if (isServing(pod)) life.firstReadyAtMs ??= nowMs;
    if (deletionTimestamp !== undefined) life.toldAtMs ??= nowMs;
    if (type === 'DELETED') life.goneAtMs ??= nowMs;
  }
}
