import { SwitchyardError } from '@switchyard/errors';
import { LiveTail } from './live-tail.js';
import type { RecoveredSpool } from './recovered-spool.js';
import { RefusedWrites } from './refused-writes.js';
import { SegmentWriter } from './segment-files.js';
import { SpoolBacklog } from './spool-backlog.js';
import { SpoolDrainer } from './spool-drainer.js';
import { decodeFrames, FrameBuffer } from './spool-frame.js';
import type { AcceptedRecord, SpoolRecord } from './spool-record.js';
import type { Spool, SpoolOptions, SpoolState } from './spool.js';

const DEFAULTS = {
  maxBytes: 1024 ** 3,
  maxAgeMs: 24 * 3_600_000,
  segmentBytes: 4 * 1024 * 1024,
  syncWithinMs: 20,
  deliveryHoldMs: 30_000,
  writeWithinMs: 5_000,
} as const;

/** About a minute of a busy process. */
const MAX_KEPT_CHARACTERS = 32 * 1024 * 1024;
const RETRY_AFTER_MS = 2_000;
const PROBE_AGAIN_MS = 1_000;
/** Marks are written with other records, or when the drainer comes by, which may be busy. Nobody else waits for them. */
const MARK_WITHIN_MS = 500;

interface PendingTurn {
  readonly promise: Promise<void>;
  resolve(): void;
  reject(error: Error): void;
}

/** The spool in a folder: writes one turn at a time. What it wrote is published in the background by its drainer. */
export class FileSpool implements Spool {
  private readonly limits: typeof DEFAULTS | Required<Pick<SpoolOptions, keyof typeof DEFAULTS>>;
  private readonly frames = new FrameBuffer();
  /** What the frames hold. */
  private turnRecords: SpoolRecord[] = [];
  private readonly refused: RefusedWrites;
  private readonly backlog: SpoolBacklog;
  private writer!: SegmentWriter;
  private tail!: LiveTail;
  private drainer!: SpoolDrainer;
  private turn: PendingTurn | undefined;
  /** The newest turn that waits for a disk that refuses. */
  private refusedTurn: Promise<void> | undefined;
  private isFlushPlanned = false;
  private areMarksPlanned = false;
  private isWritable = true;
  private isClosing = false;
  private writeCount = 0;

  constructor(
    private readonly options: SpoolOptions,
    private readonly release: () => void,
  ) {
    const { maxBytes, maxAgeMs, segmentBytes, syncWithinMs, deliveryHoldMs, writeWithinMs } = { ...DEFAULTS, ...options };
    // Only a segment that is full can go: one as large as the whole bound would keep the spool full for ever.
    this.limits = { maxBytes, maxAgeMs, segmentBytes: Math.min(segmentBytes, Math.ceil(maxBytes / 4)), syncWithinMs, deliveryHoldMs, writeWithinMs };
    this.backlog = new SpoolBacklog(options.clock);
    this.refused = this.newRefusedWrites();
  }

  /** `recovered`: what dead processes left, which is published first. */
  start(firstSegmentNumber: number, recovered: readonly RecoveredSpool[]): void {
    const { folder, clock, recovery, logger } = this.options;
    const { segmentBytes, syncWithinMs, deliveryHoldMs } = this.limits;
    this.writer = new SegmentWriter({ folder, firstNumber: firstSegmentNumber, segmentBytes, syncWithinMs, logger });
    this.writer.open();
    const { maxKeptCharacters = MAX_KEPT_CHARACTERS } = this.options;
    this.tail = new LiveTail({
      writer: this.writer,
      clock,
      recovery,
      deliveryHoldMs,
      maxKeptCharacters,
      writeAgain: (records) => this.writeAgain(records),
      writeMarks: () => this.flush(),
    });
    this.drainer = new SpoolDrainer(this.options, recovered, this.tail, this.backlog);
    this.drainer.start();
  }

  append(record: SpoolRecord): void {
    if (this.isClosing) {
      // Nobody waits for marks any more: what had none was published with its flag.
      if (record.kind === 'delivered') return;
      throw this.unavailable('This process is shutting down.');
    }
    if (record.kind === 'accepted') this.requireRoom();
    this.add(record);
    if (record.kind === 'completed' || record.kind === 'attempt') this.backlog.add(1);
    if (record.kind !== 'delivered') return this.planFlush();
    this.planMarks();
    this.drainer.wake();
  }

  flushed(): Promise<void> {
    if (this.frames.byteLength === 0) return this.refusedTurn ?? Promise.resolve();
    this.planFlush();
    this.turn ??= newTurn();
    return this.turn.promise;
  }

  state(): SpoolState {
    const usedBytes = this.usedBytes();
    const { eventCount: unpublishedCount, oldestAgeMs } = this.backlog;
    return {
      usedShare: Math.max(usedBytes / this.limits.maxBytes, oldestAgeMs / this.limits.maxAgeMs),
      isFull: usedBytes >= this.limits.maxBytes || oldestAgeMs >= this.limits.maxAgeMs,
      isWritable: this.isWritable,
      usedBytes,
      unpublishedCount,
      // What cannot be read is told, and keeps nobody from new requests.
      oldestUnpublishedAgeMs: Math.max(oldestAgeMs, this.drainer.unreadableForMs),
      tornTailCount: this.drainer.tornTailCount,
      writeCount: this.writeCount,
      syncCount: this.writer.syncCount,
    };
  }

  async close({ drainWithinMs }: { readonly drainWithinMs: number }): Promise<{ readonly unpublishedCount: number }> {
    if (this.isClosing) {
      await this.drainer.drained;
      return { unpublishedCount: this.backlog.eventCount };
    }
    this.flush();
    this.isClosing = true;
    await this.drainer.finish(drainWithinMs);
    this.refused.abandon();
    await this.writer.close();
    await this.tail.close();
    if (this.drainer.isEmpty) for (const segment of [...this.writer.segments]) await this.writer.remove(segment);
    else
      this.options.logger.warn('The spool closes with events that the next process has to publish.', {
        eventCount: this.backlog.eventCount,
        count: this.tail.openCount,
      });
    this.release();
    return { unpublishedCount: this.backlog.eventCount };
  }

  private planFlush(): void {
    if (this.isFlushPlanned) return;
    this.isFlushPlanned = true;
    // After the poll phase: all records that this turn's sockets brought go out with one write.
    setImmediate(() => this.flushAndPublish());
  }

  private planMarks(): void {
    if (this.areMarksPlanned) return;
    this.areMarksPlanned = true;
    setTimeout(() => {
      this.areMarksPlanned = false;
      this.flushAndPublish();
    }, MARK_WITHIN_MS).unref();
  }

  private flushAndPublish(): void {
    this.flush();
    this.drainer.wake();
  }

  private flush(): void {
    this.isFlushPlanned = false;
    const turn = this.turn;
    this.turn = undefined;
    if (this.frames.byteLength === 0) {
      turn?.resolve();
      return;
    }
    const frames = this.frames.take();
    const records = this.turnRecords;
    this.turnRecords = [];
    try {
      // What was refused earlier goes first: a generation's records keep their order.
      if (!this.refused.isEmpty) this.refused.retry();
      if (!this.refused.isEmpty) throw new Error('Earlier records still wait for the disk.');
      this.write(frames, records);
      turn?.resolve();
    } catch (error) {
      this.tail.noteUnwritten(records);
      this.refuse(frames, turn ?? newTurn(), error);
    }
  }

  private add(record: SpoolRecord): void {
    this.tail.noteAppended(record, this.gather(record));
  }

  /** The bytes that it takes. */
  private gather(record: SpoolRecord): number {
    const before = this.frames.byteLength;
    this.frames.add(record);
    this.turnRecords.push(record);
    return this.frames.byteLength - before;
  }

  private write(frames: Buffer, records: readonly SpoolRecord[]): void {
    const segment = this.writer.write(frames);
    this.tail.noteWritten(records, segment, segment.byteLength - frames.length);
    this.writeCount++;
  }

  private refuse(frames: Buffer, turn: PendingTurn, cause: unknown): void {
    if (this.isWritable) this.options.logger.error('The disk refuses the spool; new paid requests are turned away.', { error: cause });
    this.isWritable = false;
    this.refusedTurn = turn.promise;
    this.refused.add({ frames, resolve: turn.resolve, reject: turn.reject }, cause);
  }

  private newRefusedWrites(): RefusedWrites {
    const { eventLog, clock, logger } = this.options;
    return new RefusedWrites({
      eventLog,
      monotonicMs: () => clock.monotonicMs(),
      writeWithinMs: this.limits.writeWithinMs,
      write: (frames) => this.write(frames, decodeFrames(frames, false).records),
      onEmpty: () => {
        this.refusedTurn = undefined;
        this.probeDisk();
        this.drainer.wake();
      },
      onPublished: (count) => this.backlog.remove(count),
      onGivenUp: (count, error) => {
        this.backlog.remove(count);
        logger.error('Usage records were given up: neither the disk nor the event log takes them.', { error, count });
      },
    });
  }

  /** Writable again only when the disk shows it; asked until it does, so that a quiet process recovers too. */
  private probeDisk(): void {
    if (this.drainer.isStopped) return;
    try {
      this.writer.probe();
      this.isWritable = true;
      this.options.logger.info('The disk takes the spool again.');
      // What was accepted meanwhile may have been given up. Not within the turn that is being written.
      setImmediate(() => {
        if (!this.drainer.isStopped) this.writeAgain(this.tail.openRecords());
      });
    } catch {
      setTimeout(() => {
        if (this.refused.isEmpty) this.probeDisk();
      }, PROBE_AGAIN_MS).unref();
    }
  }

  private writeAgain(records: readonly AcceptedRecord[]): boolean {
    if (!this.isWritable) return false;
    for (const record of records) this.gather(record);
    this.flush();
    return this.isWritable;
  }

  private requireRoom(): void {
    if (!this.isWritable) throw this.unavailable('Usage cannot be recorded at the moment.');
    const { isFull } = this.state();
    if (isFull) throw this.unavailable('Too much usage waits to be published.');
  }

  private usedBytes(): number {
    let bytes = this.frames.byteLength + this.drainer.recoveredBytes;
    for (const segment of this.writer.segments) bytes += segment.byteLength;
    return bytes;
  }

  private unavailable(message: string): SwitchyardError {
    return new SwitchyardError('gateway_unavailable', message, { retryAfterMs: RETRY_AFTER_MS });
  }
}

function newTurn(): PendingTurn {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  // Whoever does not wait is not surprised by an unhandled rejection.
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}
