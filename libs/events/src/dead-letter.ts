import type { Logger } from '@switchyard/telemetry';
import type { ConsumedRecord, EventLog, Subscription } from './event-log.js';

export interface ParsedRecord<Event> {
  readonly event: Event;
  readonly record: ConsumedRecord;
}

/** Thrown by a handler for records that can never be handled; they go to the dead-letter topic and the rest of the batch is handled again. */
export class PoisonEventError extends Error {
  constructor(
    readonly records: readonly ConsumedRecord[],
    /** A short constant sentence; it is stored in a header. */
    readonly reason: string,
  ) {
    super(reason);
    this.name = 'PoisonEventError';
  }
}

export interface DeadLetterConsumerOptions<Event> {
  readonly eventLog: EventLog;
  readonly group: string;
  readonly topics: readonly string[];
  readonly maxBatchSize: number;
  readonly logger: Logger;
  /** Throws for a value that is not an event. */
  parse(record: ConsumedRecord): Event;
  handler(batch: ParsedRecord<Event>[]): Promise<void>;
}

export type ConsumeWithDeadLetter = <Event>(options: DeadLetterConsumerOptions<Event>) => Promise<Subscription>;
