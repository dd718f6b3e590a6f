import { BriefMap, type Clock } from '@switchyard/core';
import type { EventRecord } from '../event-log.js';
import type { Segment, SegmentWriter } from './segment-files.js';
import { SegmentReader } from './segment-reader.js';
import type { AcceptedRecord, SpoolRecord } from './spool-record.js';
import type { SpoolRecovery } from './spool.js';

export interface PendingEvent {
  readonly event: EventRecord;
  readonly segment: Segment;
}

interface HeldEvent extends PendingEvent {
  readonly heldUntilMs: number;
}

/** A generation without an end. */
interface OpenGeneration {
  readonly record: AcceptedRecord;
  readonly byteLength: number;
  /** Of the segment (or an older one) that would tell of it after a crash. */
  readonly segmentNumber: number;
}

export interface LiveTailOptions {
  readonly writer: SegmentWriter;
  readonly clock: Clock;
  readonly recovery: SpoolRecovery;
  readonly deliveryHoldMs: number;
  /** Characters of events that may wait in memory; what comes on top is read back from the segments when its turn comes. */
  readonly maxKeptCharacters: number;
  /** Writes accepted records again, into the newest segment, before it returns; false when the disk refuses. */
  writeAgain(records: readonly AcceptedRecord[]): boolean;
  /** Writes marks that still wait for other records. */
  writeMarks(): void;
}

/**
 * Follows what this process writes: knows what is ready to be published, and deletes segments that nobody needs any more. Events stay in memory until the
 * log has them; while it is away for long, only the first of them do, and the rest is read back from the segments.
 */
export class LiveTail {
  private ready: PendingEvent[] = [];
  private readonly held = new BriefMap<string, HeldEvent>();
  private readonly open = new BriefMap<string, OpenGeneration>();
  private openBytes = 0;
  private readonly unacknowledged = new Map<Segment, number>();
  private keptCharacters = 0;
  /** Where the first record lies that memory had no room for; everything behind it is read from there too, so that the order stays. */
  private overflow: SegmentReader | undefined;

  constructor(private readonly options: LiveTailOptions) {}

  get openCount(): number {
    return this.open.size;
  }

  openRecords(): readonly AcceptedRecord[] {
    return [...this.open.values()].map(({ record }) => record);
  }

  /** At the time of appending: what is open must be known before the drainer comes by. `byteLength`: what the record takes of a segment. */
  noteAppended(record: SpoolRecord, byteLength: number): void {
    if (record.kind === 'accepted') {
      this.open.set(record.generationId, { record, byteLength, segmentNumber: this.options.writer.appendNumber });
      this.openBytes += byteLength;
    } else if (record.kind === 'completed') this.openBytes -= this.open.delete(record.generationId)?.byteLength ?? 0;
  }

  /** Right after the write of these records, of which the first begins at `startByte` of the segment. */
  noteWritten(records: readonly SpoolRecord[], segment: Segment, startByte: number): void {
    if (this.overflow === undefined && this.keptCharacters > this.options.maxKeptCharacters) this.overflow = new SegmentReader(segment, false, startByte);
    if (this.overflow === undefined) for (const record of records) this.sort(record, segment);
  }

  /** The disk refuses them. Marks count all the same: the log may take what was written with them, and they are then never written. */
  noteUnwritten(records: readonly SpoolRecord[]): void {
    for (const record of records) if (record.kind === 'delivered') this.confirm(record.generationId);
  }

  /** Milliseconds until an event has waited long enough for its mark; undefined when none waits. */
  nextExpiryMs(): number | undefined {
    const [first] = this.held.values();
    return first === undefined ? undefined : Math.max(0, first.heldUntilMs - this.options.clock.monotonicMs());
  }

  /** Events that may be published now; empty when there are none for now. `hasNoPatience`: those without mark are flagged at once. */
  async collect(hasNoPatience: boolean): Promise<PendingEvent[]> {
    this.options.writeMarks();
    if (this.ready.length === 0) await this.readOverflow();
    // The marks of held events may lie in what is still to be read.
    if (this.overflow === undefined) this.releaseExpired(hasNoPatience);
    const { ready } = this;
    this.ready = [];
    return ready;
  }

  acknowledge(events: readonly PendingEvent[]): void {
    for (const { event, segment } of events) {
      this.keptCharacters -= event.value.length;
      this.unacknowledged.set(segment, this.unacknowledged.get(segment)! - 1);
    }
  }

  /** Deletes finished segments, oldest first: a generation's mark and end must never go before its beginning. */
  async sweep(): Promise<void> {
    for (let oldest = this.options.writer.segments[0]; oldest !== undefined && this.isFinished(oldest); oldest = this.options.writer.segments[0]) {
      if (this.isNeeded(oldest) && !this.carryForward(oldest)) return;
      this.unacknowledged.delete(oldest);
      await this.options.writer.remove(oldest);
    }
  }

  async close(): Promise<void> {
    await this.overflow?.close();
  }

  /** Whether it would tell of anything open after a crash. */
  private isNeeded({ number }: Segment): boolean {
    for (const { segmentNumber } of this.open.values()) if (segmentNumber <= number) return true;
    return false;
  }

  /** Takes what is open out of the oldest segment, so that this may go. False when it has to stay for now. */
  private carryForward({ number }: Segment): boolean {
    if (!this.isMostlyOver()) return false;
    const segmentNumber = this.options.writer.appendNumber;
    const carried = [...this.open.values()].filter((each) => each.segmentNumber <= number);
    if (!this.options.writeAgain(carried.map(({ record }) => record))) return false;
    for (const each of carried) this.open.set(each.record.generationId, { ...each, segmentNumber });
    return true;
  }

  /**
   * Where what is open fills whole segments, writing it again would only fill the next ones: it has to free as much as it writes. Asked at every publication
   * for as long as thousands of streams are open.
   */
  private isMostlyOver(): boolean {
    let bytes = 0;
    for (const segment of this.options.writer.segments) bytes += segment.byteLength;
    return bytes > 2 * this.openBytes;
  }

  private isFinished(segment: Segment): boolean {
    const isSorted = this.overflow === undefined || segment.number < this.overflow.segment.number;
    return segment.isClosed && isSorted && (this.unacknowledged.get(segment) ?? 0) === 0;
  }

  /** The next records that memory had no room for; leaves the overflow once it has caught up with the writer. */
  private async readOverflow(): Promise<void> {
    for (let reader = this.overflow; reader !== undefined && this.ready.length === 0; reader = this.overflow) {
      const records = await reader.next();
      for (const record of records) this.sort(record, reader.segment);
      // From here on nothing is awaited before the overflow is left: no write can come between.
      if (reader.readBytes < reader.segment.byteLength && !reader.isDamaged) continue;
      const { segment } = reader;
      const next = this.options.writer.segments.find(({ number }) => number > segment.number);
      this.overflow = next === undefined ? undefined : new SegmentReader(next, false);
      await reader.close();
    }
  }

  private sort(record: SpoolRecord, segment: Segment): void {
    if (record.kind === 'attempt' || record.kind === 'completed') {
      this.keptCharacters += record.event.value.length;
      this.unacknowledged.set(segment, (this.unacknowledged.get(segment) ?? 0) + 1);
    }
    if (record.kind === 'attempt') this.ready.push({ event: record.event, segment });
    else if (record.kind === 'completed') {
      this.held.set(record.generationId, { event: record.event, segment, heldUntilMs: this.options.clock.monotonicMs() + this.options.deliveryHoldMs });
    } else if (record.kind === 'delivered') this.confirm(record.generationId);
  }

  private confirm(generationId: string): void {
    const held = this.held.delete(generationId);
    if (held !== undefined) this.ready.push(held);
  }

  private releaseExpired(hasNoPatience: boolean): void {
    const nowMs = this.options.clock.monotonicMs();
    for (const [generationId, held] of this.held.entries()) {
      // Insertion order is the order of expiry.
      if (held.heldUntilMs > nowMs && !hasNoPatience) break;
      this.held.delete(generationId);
      const event = this.options.recovery.flagUnconfirmed(held.event);
      this.keptCharacters += event.value.length - held.event.value.length;
      this.ready.push({ event, segment: held.segment });
    }
  }
}
