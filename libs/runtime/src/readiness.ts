import type { ReadinessCheck, ReadinessReport, ReadinessState } from './target.js';

/** Gathers the checks of all targets in a process. Not ready before the start is complete and once draining began. */
export class Readiness {
  private readonly checks = new Map<string, ReadinessCheck>();
  private phase: 'starting' | 'running' | 'draining' = 'starting';

  add(owner: string, checks: readonly ReadinessCheck[]): void {
    for (const check of checks) this.checks.set(`${owner}.${check.name}`, check);
  }

  started(): void {
    if (this.phase === 'starting') this.phase = 'running';
  }

  draining(): void {
    this.phase = 'draining';
  }

  report(): ReadinessReport {
    const states: Record<string, ReadinessState> = { process: { ready: this.phase === 'running', detail: this.phase } };
    for (const [name, check] of this.checks) states[name] = ask(check);
    const all = Object.values(states);
    return { ready: all.every((state) => state.ready), degraded: all.some((state) => state.degraded === true), checks: states };
  }
}

function ask(check: ReadinessCheck): ReadinessState {
  try {
    return check.check();
  } catch {
    return { ready: false, detail: 'the check itself failed' };
  }
}
