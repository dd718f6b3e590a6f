import { SwitchyardError } from '@switchyard/errors';
import type { EventLog, EventRecord } from '../event-log.js';
import { decodeFrames, FrameBuffer } from './spool-frame.js';
import { batchesOf } from './spool-publisher.js';
import type { SpoolRecord } from './spool-record.js';

/** What was appended in one event-loop turn, and who waits for it. */
export interface Turn {
  readonly frames: Buffer;
  resolve(): void;
  reject(error: Error): void;
}

interface RefusedTurn extends Turn {
  readonly events: readonly EventRecord[];
  readonly deadlineMs: number;
}

export interface RefusedWritesOptions {
  readonly eventLog: EventLog;
  readonly monotonicMs: () => number;
  readonly writeWithinMs: number;
  /** Tries the disk again; throws while it refuses. */
  write(frames: Buffer): void;
  /** Everything is on the disk or in the log, or was given up. */
  onEmpty(): void;
  /** These never reached the disk, and the log has them. */
  onPublished(count: number): void;
  /** Nobody knows whether these were kept: their waiters were told. */
  onGivenUp(count: number, cause: unknown): void;
}

const RETRY_INTERVAL_MS = 200;
const MAX_REFUSED_BYTES = 64 * 1024 * 1024;

/**
 * Running generations may end although the disk refuses: their records wait in memory, in order, for the disk to come back, and the event log is asked to
 * take the events directly meanwhile. Whichever is first releases the waiters.
 */
export class RefusedWrites {
  private turns: RefusedTurn[] = [];
  private byteLength = 0;
  private timer: NodeJS.Timeout | undefined;
  private isPublishing = false;

  constructor(private readonly options: RefusedWritesOptions) {}

  get isEmpty(): boolean {
    return this.turns.length === 0;
  }

  add(turn: Turn, cause: unknown): void {
    const { records } = decodeFrames(turn.frames, false);
    const attempts = records.filter(({ kind }) => kind === 'attempt');
    if (attempts.length === 0 || attempts.length === records.length) {
      this.keep({ ...turn, frames: Buffer.from(turn.frames) }, records, cause);
      return;
    }
    // What has a deadline takes nothing with it that has none.
    const others = records.filter(({ kind }) => kind !== 'attempt');
    this.keep({ ...turn, frames: framesOf(others) }, others, cause);
    this.keep({ frames: framesOf(attempts), resolve: () => undefined, reject: () => undefined }, attempts, cause);
  }

  private keep({ frames, resolve, reject }: Turn, records: readonly SpoolRecord[], cause: unknown): void {
    const events = records.flatMap((record) => (record.kind === 'completed' || record.kind === 'attempt' ? [record.event] : []));
    // What an attempt cost has to be kept, and no client waits until it is.
    const isWaitedFor = records.some(({ kind }) => kind !== 'attempt');
    const deadlineMs = isWaitedFor ? this.options.monotonicMs() + this.options.writeWithinMs : Number.POSITIVE_INFINITY;
    const refused = { frames, events, resolve, reject, deadlineMs };
    if (this.byteLength + frames.length > MAX_REFUSED_BYTES) {
      this.giveUp(refused, cause);
      return;
    }
    this.turns.push(refused);
    this.byteLength += frames.length;
    this.timer ??= setInterval(() => this.retry(), RETRY_INTERVAL_MS);
    void this.publishDirectly();
  }

  retry(): void {
    try {
      for (let turn = this.turns[0]; turn !== undefined; turn = this.turns[0]) {
        this.options.write(turn.frames);
        this.remove(turn);
        turn.resolve();
      }
    } catch (error) {
      const nowMs = this.options.monotonicMs();
      for (const turn of this.turns.filter((each) => each.deadlineMs <= nowMs)) {
        this.remove(turn);
        this.giveUp(turn, error);
      }
    }
    this.settle();
    void this.publishDirectly();
  }

  /** The process ends: who still waits is told. */
  abandon(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    for (const turn of this.turns.splice(0)) this.giveUp(turn, new Error('The spool was closed.'));
    this.byteLength = 0;
  }

  private async publishDirectly(): Promise<void> {
    if (this.isPublishing) return;
    this.isPublishing = true;
    try {
      const waiting = this.turns.flatMap((turn) => turn.events.map((event, index) => ({ turn, event, isLast: index === turn.events.length - 1 })));
      for (const batch of batchesOf(waiting, ({ event }) => event)) {
        await this.options.eventLog.publish(batch.map(({ event }) => event));
        for (const { turn, isLast } of batch) if (isLast && this.turns.includes(turn)) this.release(turn);
      }
    } catch {
      // The next retry asks again; the waiters' deadline decides when it is too late.
    } finally {
      this.isPublishing = false;
      this.settle();
    }
  }

  /** The log has all of it. */
  private release(turn: RefusedTurn): void {
    this.remove(turn);
    this.options.onPublished(turn.events.length);
    turn.resolve();
  }

  private remove(turn: RefusedTurn): void {
    this.turns = this.turns.filter((each) => each !== turn);
    this.byteLength -= turn.frames.length;
  }

  private giveUp(turn: RefusedTurn, cause: unknown): void {
    this.options.onGivenUp(turn.events.length, cause);
    turn.reject(new SwitchyardError('gateway_unavailable', 'Usage could not be recorded: neither the disk nor the event log takes it.', { cause }));
  }

  private settle(): void {
    if (this.turns.length > 0 || this.timer === undefined) return;
    clearInterval(this.timer);
    this.timer = undefined;
    this.options.onEmpty();
  }
}

function framesOf(records: readonly SpoolRecord[]): Buffer {
  const frames = new FrameBuffer();
  for (const record of records) frames.add(record);
  return Buffer.from(frames.take());
}
