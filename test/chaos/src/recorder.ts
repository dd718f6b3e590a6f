import type { ProcessKind } from './fault-plan.js';

/** What was done to a process, or what it did by itself. One that ends while it starts, because what it needs is away, is started again and harms nobody. */
export interface Incident {
  readonly atMs: number;
  readonly process: string;
  readonly kind: ProcessKind;
  readonly what: 'started' | 'killed' | 'stopped' | 'held' | 'resumed' | 'ready' | 'ended_while_starting' | 'ended_by_itself';
  readonly detail?: string;
}

/** The harness's own record of a run: what happened to which process when, on its own monotonic clock. */
export class Recorder {
  readonly incidents: Incident[] = [];

  constructor(private readonly say: (text: string) => void = () => undefined) {}

  note(process: string, kind: ProcessKind, what: Incident['what'], detail?: string): void {
    this.incidents.push({ atMs: performance.now(), process, kind, what, ...(detail === undefined ? {} : { detail }) });
    if (what.startsWith('ended')) this.say(`  ${process} ${what.replaceAll('_', ' ')}: ${detail ?? ''}`);
  }

  countOf(kind: ProcessKind, what: Incident['what']): number {
    return this.incidents.filter((incident) => incident.kind === kind && incident.what === what).length;
  }
}
