import { truncateSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Logger } from '@switchyard/telemetry';
import type { EventRecord } from '../event-log.js';
import { listSegments, type Segment } from './segment-files.js';
import { SegmentReader } from './segment-reader.js';
import { removeFinished } from './spool-folders.js';
import { readOwners, writeOwners } from './spool-owners.js';
import type { AcceptedRecord, SpoolRecord } from './spool-record.js';
import type { SpoolRecovery } from './spool.js';

/** Abandoned generations whose ends are published together: one by one, thousands would keep what this process writes waiting for as many round trips. */
const ABANDONED_TOGETHER = 250;

/** `count`: how many of the recovered spool's `eventCount` these are. */
export interface RecoveredPortion {
  readonly events: readonly EventRecord[];
  readonly count: number;
}

/**
 * What an earlier process left in a folder: its segments are read together, because a generation's records may lie in several. Two passes, so that memory
 * holds only what is exceptional. Nothing is written: a crash in the middle repeats the same events with the same ids.
 */
export class RecoveredSpool {
  /** Who wait to be told that all of it was published. */
  readonly owners: readonly string[];
  private readonly segments: Segment[];
  private readonly abandoned = new Map<string, AcceptedRecord>();
  private readonly unconfirmed = new Set<string>();
  tornTailCount = 0;
  /** Ends that were written and ends that are missing; known after the scan. */
  eventCount = 0;

  constructor(
    private readonly folder: string,
    private readonly logger: Logger,
  ) {
    this.owners = readOwners(folder);
    this.segments = listSegments(folder);
  }

  isIn(folder: string): boolean {
    return this.folder === folder;
  }

  get byteLength(): number {
    return this.segments.reduce((sum, segment) => sum + segment.byteLength, 0);
  }

  get highestNumber(): number {
    return this.segments.at(-1)?.number ?? 0;
  }

  /** First pass: cuts torn tails, and finds generations without an end and ends without a delivered mark. */
  async scan(): Promise<void> {
    this.abandoned.clear();
    this.unconfirmed.clear();
    this.tornTailCount = 0;
    this.eventCount = 0;
    for (const segment of this.segments) {
      const reader = new SegmentReader(segment, true);
      try {
        for (let records = await reader.next(); records.length > 0; records = await reader.next()) records.forEach((record) => this.note(record));
        if (reader.isDamaged) this.cut(segment, reader.readBytes);
      } finally {
        await reader.close();
      }
    }
    this.eventCount += this.abandoned.size;
    if (this.abandoned.size > 0 || this.unconfirmed.size > 0) {
      this.logger.warn('An earlier process left generations open; their ends are written now.', {
        count: this.abandoned.size,
        total: this.abandoned.size + this.unconfirmed.size,
      });
    }
  }

  /** Second pass: portions to publish. A segment is deleted when the caller comes back for more, so it must have published by then. */
  async *portions(recovery: SpoolRecovery): AsyncGenerator<RecoveredPortion> {
    const abandoned = [...this.abandoned.values()];
    for (let start = 0; start < abandoned.length; start += ABANDONED_TOGETHER) {
      const together = abandoned.slice(start, start + ABANDONED_TOGETHER);
      yield { events: together.flatMap((accepted) => recovery.endAbandoned(accepted)), count: together.length };
    }
    for (const segment of [...this.segments]) {
      const reader = new SegmentReader(segment, true);
      try {
        for (let records = await reader.next(); records.length > 0; records = await reader.next()) {
          const events = records.flatMap((record) => this.publishable(record, recovery));
          yield { events, count: events.length };
        }
      } finally {
        await reader.close();
      }
      await rm(segment.path, { force: true });
      this.segments.splice(this.segments.indexOf(segment), 1);
    }
  }

  /** Its owners were told: `successors` take their place, or the folder goes with the last of them when it was adopted. */
  finish(successors: readonly string[]): void {
    writeOwners(this.folder, successors);
    removeFinished(this.folder);
  }

  private note(record: SpoolRecord): void {
    switch (record.kind) {
      case 'accepted':
        this.abandoned.set(record.generationId, record);
        break;
      case 'completed':
        this.abandoned.delete(record.generationId);
        this.unconfirmed.add(record.generationId);
        this.eventCount++;
        break;
      case 'delivered':
        this.unconfirmed.delete(record.generationId);
        break;
      case 'attempt':
        this.eventCount++;
        break;
    }
  }

  private publishable(record: SpoolRecord, recovery: SpoolRecovery): EventRecord[] {
    if (record.kind === 'attempt') return [record.event];
    if (record.kind !== 'completed') return [];
    return [this.unconfirmed.has(record.generationId) ? recovery.flagUnconfirmed(record.event) : record.event];
  }

  private cut(segment: Segment, soundBytes: number): void {
    this.tornTailCount++;
    this.logger.error('A spool segment ended in a torn record and was cut.', {
      bytes: segment.byteLength - soundBytes,
      offset: soundBytes,
      segment: segment.number,
    });
    truncateSync(segment.path, soundBytes);
    segment.byteLength = soundBytes;
  }
}
