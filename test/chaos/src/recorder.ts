import type { ProcessKind } from './fault-plan.js';

/** What was done to a process, or what it did by itself. */
export interface Incident {
  readonly atMs: number;
  readonly process: string;
  readonly kind: ProcessKind;
  readonly what: 'started' | 'killed' | 'stopped' | 'held' | 'resumed' | 'ended_by_itself';
  readonly detail?: string;
}

/** The harness's own record of a run: what happened to which process when, on its own monotonic clock. */
export class Recorder {
  readonly incidents: Incident[] = [];

  constructor(private readonly say: (text: string) => void = () => undefined) {}

  note(process: string, kind: ProcessKind, what: Incident['what'], detail?: string): void {
    this.incidents.push({ atMs: performance.now(), process, kind, what, ...(detail === undefined ? {} : { detail }) });
    if (what === 'ended_by_itself') this.say(`  ${process} ended by itself: ${detail ?? ''}`);
  }

  countOf(kind: ProcessKind, what: Incident['what']): number {
    return this.incidents.filter((incident) => incident.kind === kind && incident.what === what).length;
  }
}
