import type { Clock } from '@switchyard/core';
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

export interface LiveTailOptions {
  readonly writer: SegmentWriter;
  readonly clock: Clock;
  readonly recovery: SpoolRecovery;
  readonly deliveryHoldMs: number;
  /** Writes an accepted record again, into the newest segment, before it returns; false when the disk refuses. */
  carryForward(record: AcceptedRecord): boolean;
}

/** Follows the segments that this process writes: finds what is ready to be published, and deletes segments that nobody needs any more. */
export class LiveTail {
  private readonly unacknowledged = new Map<Segment, number>();
  private readonly held = new Map<string, HeldEvent>();
  /** Generations without an end, and the number of the segment (or an older one) that would tell of them after a crash. */
  private readonly open = new Map<string, { record: AcceptedRecord; segmentNumber: number }>();
  private reader: SegmentReader | undefined;
  private readNumber = 0;

  constructor(private readonly options: LiveTailOptions) {}

  get openCount(): number {
    return this.open.size;
  }

  /** At the time of appending: what is open must be known before the drainer comes by. */
  noteAppended(record: SpoolRecord): void {
    if (record.kind === 'accepted') this.open.set(record.generationId, { record, segmentNumber: this.options.writer.appendNumber });
    else if (record.kind === 'completed') this.open.delete(record.generationId);
  }

  /** Milliseconds until an event has waited long enough for its mark; undefined when none waits. */
  nextExpiryMs(): number | undefined {
    const [first] = this.held.values();
    return first === undefined ? undefined : Math.max(0, first.heldUntilMs - this.options.clock.monotonicMs());
  }

  /** Events that may be published now; empty when there are none for now. `hasNoPatience`: those without mark are flagged at once. */
  async collect(hasNoPatience: boolean): Promise<PendingEvent[]> {
    const ready: PendingEvent[] = [];
    for (;;) {
      const reader = this.currentReader();
      const records = reader === undefined ? [] : await reader.next();
      for (const record of records) this.sort(record, reader!.segment, ready);
      if (records.length > 0) break;
      if (!(await this.advance())) break;
    }
    this.releaseExpired(ready, hasNoPatience);
    return ready;
  }

  acknowledge(events: readonly PendingEvent[]): void {
    for (const { segment } of events) this.unacknowledged.set(segment, this.unacknowledged.get(segment)! - 1);
  }

  /** Deletes finished segments, oldest first: a generation's mark and end must never go before its beginning. */
  sweep(): void {
    for (let oldest = this.options.writer.segments[0]; oldest !== undefined && this.isFinished(oldest); oldest = this.options.writer.segments[0]) {
      for (const entry of [...this.open.values()]) {
        if (entry.segmentNumber <= oldest.number && !this.options.carryForward(entry.record)) return;
      }
      this.unacknowledged.delete(oldest);
      this.options.writer.remove(oldest);
    }
  }

  async close(): Promise<void> {
    await this.reader?.close();
    this.reader = undefined;
  }

  private isFinished(segment: Segment): boolean {
    return segment.isClosed && segment.number <= this.readNumber && (this.unacknowledged.get(segment) ?? 0) === 0;
  }

  private currentReader(): SegmentReader | undefined {
    if (this.reader === undefined) {
      const next = this.options.writer.segments.find((segment) => segment.number > this.readNumber);
      if (next !== undefined) this.reader = new SegmentReader(next, false);
    }
    return this.reader;
  }

  /** Leaves a segment that is closed and read; false when there is nothing to go on to. */
  private async advance(): Promise<boolean> {
    const { reader } = this;
    if (reader === undefined || !reader.segment.isClosed || (reader.readBytes < reader.segment.byteLength && !reader.isDamaged)) return false;
    this.readNumber = reader.segment.number;
    this.reader = undefined;
    await reader.close();
    return true;
  }

  private sort(record: SpoolRecord, segment: Segment, ready: PendingEvent[]): void {
    if (record.kind === 'attempt' || record.kind === 'completed') this.unacknowledged.set(segment, (this.unacknowledged.get(segment) ?? 0) + 1);
    if (record.kind === 'attempt') ready.push({ event: record.event, segment });
    else if (record.kind === 'completed') {
      this.held.set(record.generationId, { event: record.event, segment, heldUntilMs: this.options.clock.monotonicMs() + this.options.deliveryHoldMs });
    } else if (record.kind === 'delivered') {
      const held = this.held.get(record.generationId);
      if (held === undefined) return;
      this.held.delete(record.generationId);
      ready.push(held);
    }
  }

  private releaseExpired(ready: PendingEvent[], hasNoPatience: boolean): void {
    const nowMs = this.options.clock.monotonicMs();
    for (const [generationId, { event, segment, heldUntilMs }] of this.held) {
      // Insertion order is the order of expiry.
      if (heldUntilMs > nowMs && !hasNoPatience) break;
      this.held.delete(generationId);
      ready.push({ event: this.options.recovery.flagUnconfirmed(event), segment });
    }
  }
}
