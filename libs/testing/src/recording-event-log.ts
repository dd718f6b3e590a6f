import type { EventLog, EventRecord } from '@switchyard/events';

export interface RecordingEventLog extends EventLog {
  /** What was acknowledged, in order. */
  readonly published: readonly EventRecord[];
  /** Calls of `publish`, refused ones included. */
  readonly publishCount: number;
  /** From now on publishing fails, until `comeBack`. */
  goAway(): void;
  comeBack(): void;
}

/** An event log for publishers' unit specs, which can be taken away. It has no consumers: those are tested with a real log. */
export function recordingEventLog(): RecordingEventLog {
  const published: EventRecord[] = [];
  let isAway = false;
  let publishCount = 0;
  return {
    published,
    get publishCount() {
      return publishCount;
    },
    goAway: () => void (isAway = true),
    comeBack: () => void (isAway = false),
    publish: async (records) => {
      publishCount++;
      if (isAway) throw new Error('The event log is away.');
      published.push(...records);
    },
    subscribe: async () => {
      throw new Error('A recording event log has no consumers.');
    },
    lag: async () => 0n,
    progress: async () => [],
    keptSinceMs: async () => 0,
    forgetGroup: async () => {},
    close: async () => {},
  };
}
