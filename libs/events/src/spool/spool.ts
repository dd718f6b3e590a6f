import type { Clock } from '@switchyard/core';
import type { Logger } from '@switchyard/telemetry';
import type { EventLog, EventRecord } from '../event-log.js';
import type { AcceptedRecord, SpoolRecord } from './spool-record.js';

/** What the owner makes of records whose process died. Pure, and the same for the same input: a second crash repeats it, and consumers dedupe by event id. */
export interface SpoolRecovery {
  /** The events of a generation that was accepted and never ended: `gateway_failed`, and the estimated cost of its first attempt. */
  endAbandoned(accepted: AcceptedRecord): readonly EventRecord[];
  /** Flags a completed event whose delivery was never confirmed. */
  flagUnconfirmed(event: EventRecord): EventRecord;
}

/** Whom a spool's records belong to, for those who wait until the last of them is in the log. */
export interface SpoolOwner {
  /** The folder remembers it: whoever reads the records after a crash knows whose they were. */
  readonly id: string;
  /**
   * Everything that this owner ever wrote has been published: this process's own when it closes, a dead process's when its records were read to their end.
   * Repeated until it resolves, also by a later process; so it may be told twice.
   */
  onPublished(ownerId: string): Promise<void>;
}

export interface SpoolOptions {
  /** This process instance's own folder, directly below the root that all instances of a data directory share. */
  readonly folder: string;
  readonly eventLog: EventLog;
  readonly recovery: SpoolRecovery;
  readonly owner?: SpoolOwner;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default 1 GiB. */
  readonly maxBytes?: number;
  /** Age of the oldest event not yet published at which the spool counts as full; default 24 h. */
  readonly maxAgeMs?: number;
  /** Size at which a new segment begins; default 4 MiB. */
  readonly segmentBytes?: number;
  /** Longest time from a write to its `fdatasync`; default 20. */
  readonly syncWithinMs?: number;
  /** How long a completed event waits for its delivered mark before it is published flagged; default 30 000. */
  readonly deliveryHoldMs?: number;
  /** Characters of events that wait in memory for the log, the rest is read back from the folder; default 32 Mi. */
  readonly maxKeptCharacters?: number;
  /** How long `flushed()` waits for a disk that refuses, while the log may take the records directly; default 5 000. */
  readonly writeWithinMs?: number;
}

export interface SpoolState {
  /** Bytes in use of the bound, 0 … 1 and above. From 0.8 on readiness degrades. */
  readonly usedShare: number;
  /** At a bound: new paid work must be refused, running work may still write its end. */
  readonly isFull: boolean;
  /** False while the disk refuses writes. */
  readonly isWritable: boolean;
  readonly usedBytes: number;
  /** Events in it that the log has not acknowledged. */
  readonly unpublishedCount: number;
  /** Also since when something that an earlier process left could not be read. */
  readonly oldestUnpublishedAgeMs: number;
  /** Torn tails that were cut since this process opened the spool. */
  readonly tornTailCount: number;
  /** System calls that wrote records, and `fdatasync` calls, since the spool was opened. */
  readonly writeCount: number;
  readonly syncCount: number;
}

/** Single-writer spool of a process that publishes events. */
export interface Spool {
  /**
   * Takes a record; it is written, with all others of this event-loop turn, by one system call at the turn's end; `delivered` with the next such call, or
   * when events are published next. `accepted` throws
   * `SwitchyardError` (503) when the spool is full or unwritable; the other kinds are always taken. Throws `RangeError` for a record above 900 kB.
   */
  append(record: SpoolRecord): void;
  /**
   * Resolves when everything appended so far has been written (so that a killed process does not lose it) or, with a disk that refuses, acknowledged by
   * the log. Rejects when neither came in time. Await it before the last bytes of an answer leave.
   */
  flushed(): Promise<void>;
  state(): SpoolState;
  /** Stops taking records, publishes what it can within the time, and gives the folder free. What is left is published by the next process. */
  close(options: { readonly drainWithinMs: number }): Promise<{ readonly unpublishedCount: number }>;
}
