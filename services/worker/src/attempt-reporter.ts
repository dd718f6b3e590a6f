import { newEventId, type Clock, type RandomSource } from '@switchyard/core';
import { encodeAttemptCompleted, type Spool } from '@switchyard/events';
import type { events, worker } from '@switchyard/proto';
import { attemptCompleted, type AttemptResult } from './core/attempt-report.js';

export interface AttemptReporterOptions {
  readonly spool: Spool;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly instanceId: string;
}

/** Puts the cost side of every attempt into the worker's own spool. */
export class AttemptReporter {
  constructor(private readonly options: AttemptReporterOptions) {}

  /** Returns what it reported. */
  report(start: worker.StartFrame, result: AttemptResult): events.AttemptCompleted {
    const { spool, clock, random, instanceId } = this.options;
    const event = attemptCompleted(start, result, newEventId(clock, random), instanceId);
    spool.append({ kind: 'attempt', attemptId: event.attemptId, event: encodeAttemptCompleted(event, `switchyard/worker/${instanceId}`) });
    return event;
  }
}
