import { SwitchyardError } from '@switchyard/errors';
import { pauseFor } from '../backoff.js';
import { WakeSignal } from '../wake-signal.js';
import { LiveTail } from './live-tail.js';
import type { RecoveredSpool } from './recovered-spool.js';
import { RefusedWrites } from './refused-writes.js';
import { SegmentWriter } from './segment-files.js';
import { decodeFrames, FrameBuffer } from './spool-frame.js';
import { tellOwners, writeOwners } from './spool-owners.js';
import { SpoolPublisher } from './spool-publisher.js';
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

/** Events of this long are published together: the publisher's round trips cost more than the wait. */
const GATHER_MS = 5;
/** Publishing begins at most this often, so that a busy process publishes fewer and larger batches. */
const PUBLISH_INTERVAL_MS = 100;
/** About a minute of a busy process. */
const MAX_KEPT_CHARACTERS = 32 * 1024 * 1024;
const RETRY_AFTER_MS = 2_000;
const DRAIN_RETRY_MS = 1_000;

interface PendingTurn {
  readonly promise: Promise<void>;
  resolve(): void;
  reject(error: Error): void;
}

/** The spool in a folder: writes one turn at a time, and drains in the background. */
export class FileSpool implements Spool {
  private readonly limits: typeof DEFAULTS | Required<Pick<SpoolOptions, keyof typeof DEFAULTS>>;
  private readonly frames = new FrameBuffer();
  /** What the frames hold. */
  private turnRecords: SpoolRecord[] = [];
  private readonly refused: RefusedWrites;
  private readonly stopped = new AbortController();
  private readonly publisher: SpoolPublisher;
  private writer!: SegmentWriter;
  private tail!: LiveTail;
  private turn: PendingTurn | undefined;
  /** The newest turn that waits for a disk that refuses. */
  private refusedTurn: Promise<void> | undefined;
  private isFlushPlanned = false;
  private isWritable = true;
  private isClosing = false;
  private unpublishedCount = 0;
  private tornTailCount = 0;
  private writeCount = 0;
  /** Since when nothing has been published although something waits. */
  private waitingSinceMs = 0;
  private publishedAtMs = 0;
  private readonly doorbell = new WakeSignal();
  private drained: Promise<void> = Promise.resolve();
  /** Owners of what dead processes left; it does not hold up what this process publishes. */
  private told: Promise<boolean>[] = [];

  constructor(
    private readonly options: SpoolOptions,
    private recovered: readonly RecoveredSpool[],
    private readonly release: () => void,
  ) {
    const { maxBytes, maxAgeMs, segmentBytes, syncWithinMs, deliveryHoldMs, writeWithinMs } = { ...DEFAULTS, ...options };
    // Only a segment that is full can go: one as large as the whole bound would keep the spool full for ever.
    this.limits = { maxBytes, maxAgeMs, segmentBytes: Math.min(segmentBytes, Math.ceil(maxBytes / 4)), syncWithinMs, deliveryHoldMs, writeWithinMs };
    this.publisher = new SpoolPublisher({ eventLog: options.eventLog, logger: options.logger, signal: this.stopped.signal });
    this.refused = this.newRefusedWrites();
  }

  start(firstSegmentNumber: number): void {
    const { folder, clock, recovery, logger } = this.options;
    const { segmentBytes, syncWithinMs, deliveryHoldMs } = this.limits;
    this.waitingSinceMs = clock.monotonicMs();
    this.writer = new SegmentWriter({ folder, firstNumber: firstSegmentNumber, segmentBytes, syncWithinMs, logger });
    this.writer.open();
    const { maxKeptCharacters = MAX_KEPT_CHARACTERS } = this.options;
    this.tail = new LiveTail({
      writer: this.writer,
      clock,
      recovery,
      deliveryHoldMs,
      maxKeptCharacters,
      carryForward: (record) => this.carryForward(record),
    });
    this.drained = this.drain();
  }

  append(record: SpoolRecord): void {
    if (this.isClosing) {
      // Nobody waits for marks any more: what had none was published with its flag.
      if (record.kind === 'delivered') return;
      throw this.unavailable('This process is shutting down.');
    }
    if (record.kind === 'accepted') this.requireRoom();
    this.add(record);
    if (record.kind === 'completed' || record.kind === 'attempt') this.countUnpublished(1);
    if (this.isFlushPlanned) return;
    this.isFlushPlanned = true;
    // After the poll phase: all records that this turn's sockets brought go out with one write.
    setImmediate(() => this.flush());
  }

  flushed(): Promise<void> {
    if (!this.isFlushPlanned) return this.refusedTurn ?? Promise.resolve();
    this.turn ??= newTurn();
    return this.turn.promise;
  }

  state(): SpoolState {
    const usedBytes = this.usedBytes();
    const oldestUnpublishedAgeMs = this.unpublishedCount === 0 ? 0 : this.options.clock.monotonicMs() - this.waitingSinceMs;
    return {
      usedShare: Math.max(usedBytes / this.limits.maxBytes, oldestUnpublishedAgeMs / this.limits.maxAgeMs),
      isFull: usedBytes >= this.limits.maxBytes || oldestUnpublishedAgeMs >= this.limits.maxAgeMs,
      isWritable: this.isWritable,
      usedBytes,
      unpublishedCount: this.unpublishedCount,
      oldestUnpublishedAgeMs,
      tornTailCount: this.tornTailCount,
      writeCount: this.writeCount,
      syncCount: this.writer.syncCount,
    };
  }

  async close({ drainWithinMs }: { readonly drainWithinMs: number }): Promise<{ readonly unpublishedCount: number }> {
    if (this.isClosing) {
      await this.drained;
      return { unpublishedCount: this.unpublishedCount };
    }
    this.flush();
    this.isClosing = true;
    this.doorbell.ring();
    const deadline = setTimeout(() => this.stop(), drainWithinMs);
    await this.drained;
    if (this.unpublishedCount === 0 && this.tail.openCount === 0) await this.tellOwn();
    await Promise.all(this.told);
    clearTimeout(deadline);
    this.stop();
    this.refused.abandon();
    await this.writer.close();
    await this.tail.close();
    if (this.unpublishedCount === 0 && this.tail.openCount === 0) [...this.writer.segments].forEach((segment) => this.writer.remove(segment));
    else
      this.options.logger.warn('The spool closes with events that the next process has to publish.', {
        eventCount: this.unpublishedCount,
        count: this.tail.openCount,
      });
    this.release();
    return { unpublishedCount: this.unpublishedCount };
  }

  private stop(): void {
    this.stopped.abort();
    this.doorbell.ring();
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
      this.refuse(frames, turn ?? newTurn(), error);
    }
    this.doorbell.ring();
  }

  private add(record: SpoolRecord): void {
    this.frames.add(record);
    this.turnRecords.push(record);
    this.tail.noteAppended(record);
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
        this.doorbell.ring();
      },
      onPublished: (count) => this.countPublished(count),
      onGivenUp: (count, error) => {
        this.countPublished(count);
        logger.error('Usage records were given up: neither the disk nor the event log takes them.', { error, count });
      },
    });
  }

  /** Writable again only when the disk shows it; asked until it does, so that a quiet process recovers too. */
  private probeDisk(): void {
    if (this.stopped.signal.aborted) return;
    try {
      this.writer.probe();
      this.isWritable = true;
      this.options.logger.info('The disk takes the spool again.');
    } catch {
      setTimeout(() => {
        if (this.refused.isEmpty) this.probeDisk();
      }, DRAIN_RETRY_MS).unref();
    }
  }

  private carryForward(record: AcceptedRecord): boolean {
    if (!this.isWritable) return false;
    this.add(record);
    this.flush();
    return this.isWritable;
  }

  private async drain(): Promise<void> {
    for (const spool of this.recovered) {
      await this.untilItWorks(async () => {
        if (await this.drainRecovered(spool)) this.told.push(this.tellRecovered(spool));
      });
    }
    this.recovered = [];
    while (!this.stopped.signal.aborted) {
      let isIdle = false;
      await this.untilItWorks(async () => {
        isIdle = !(await this.drainOnce());
      });
      if (!isIdle) continue;
      if (this.isClosing && this.unpublishedCount === 0) return;
      await this.sleep();
    }
  }

  /** False when there was no more time. */
  private async drainRecovered(spool: RecoveredSpool): Promise<boolean> {
    await spool.scan();
    this.tornTailCount += spool.tornTailCount;
    let remaining = spool.eventCount;
    this.countUnpublished(remaining);
    try {
      for await (const { events, count } of spool.portions(this.options.recovery)) {
        if (!(await this.publisher.publish(events, identity, () => undefined))) return false;
        remaining -= count;
        this.countPublished(count);
      }
      return true;
    } catch (error) {
      // It is counted anew when it is tried again.
      this.countPublished(remaining);
      throw error;
    }
  }

  private async tellRecovered(spool: RecoveredSpool): Promise<boolean> {
    const { owner, folder, logger } = this.options;
    if (owner !== undefined && !(await tellOwners(spool.owners, owner, logger, this.stopped.signal))) return false;
    try {
      spool.finish(spool.isIn(folder) && owner !== undefined ? [owner.id] : []);
      return true;
    } catch (error) {
      logger.warn('A spool that was read to its end could not be removed.', { error });
      return false;
    }
  }

  /** What it did not come to is done by the next process, which finds the name in the folder. */
  private async tellOwn(): Promise<void> {
    const { owner, folder, logger } = this.options;
    const areOthersTold = (await Promise.all(this.told)).every(Boolean);
    if (owner === undefined || !(await tellOwners([owner.id], owner, logger, this.stopped.signal))) return;
    if (areOthersTold) writeOwners(folder, []);
  }

  /** False when there was nothing to do. */
  private async drainOnce(): Promise<boolean> {
    const pending = await this.tail.collect(this.isClosing);
    if (pending.length > 0) this.publishedAtMs = this.options.clock.monotonicMs();
    const isDone = await this.publisher.publish(
      pending,
      ({ event }) => event,
      (published) => {
        this.tail.acknowledge(published);
        this.countPublished(published.length);
      },
    );
    if (isDone) this.tail.sweep();
    return pending.length > 0;
  }

  /** The file system may refuse reads too; a drainer that ends would be worse than one that waits. */
  private async untilItWorks(step: () => Promise<void>): Promise<void> {
    while (!this.stopped.signal.aborted) {
      try {
        await step();
        return;
      } catch (error) {
        this.options.logger.error('The spool could not be read and tries again.', { error });
        await pauseFor(DRAIN_RETRY_MS, this.stopped.signal);
      }
    }
  }

  private async sleep(): Promise<void> {
    await this.doorbell.wait(this.tail.nextExpiryMs());
    if (this.isClosing) return;
    const untilNextMs = this.publishedAtMs + PUBLISH_INTERVAL_MS - this.options.clock.monotonicMs();
    await pauseFor(Math.min(PUBLISH_INTERVAL_MS, Math.max(GATHER_MS, untilNextMs)), this.stopped.signal);
  }

  private requireRoom(): void {
    if (!this.isWritable) throw this.unavailable('Usage cannot be recorded at the moment.');
    const { isFull } = this.state();
    if (isFull) throw this.unavailable('Too much usage waits to be published.');
  }

  private usedBytes(): number {
    let bytes = this.frames.byteLength;
    for (const segment of this.writer.segments) bytes += segment.byteLength;
    for (const spool of this.recovered) bytes += spool.byteLength;
    return bytes;
  }

  private countUnpublished(count: number): void {
    if (this.unpublishedCount === 0) this.waitingSinceMs = this.options.clock.monotonicMs();
    this.unpublishedCount += count;
  }

  private countPublished(count: number): void {
    this.unpublishedCount -= count;
    this.waitingSinceMs = this.options.clock.monotonicMs();
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

const identity = <Item>(item: Item): Item => item;
