import { closeSync, fdatasync, ftruncateSync, openSync, readdirSync, rmSync, statSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '@switchyard/telemetry';

/** A file of frames. `byteLength` counts what was written whole, whatever else is at its end. */
export interface Segment {
  readonly number: number;
  readonly path: string;
  byteLength: number;
  /** Nothing more will be written to it. */
  isClosed: boolean;
}

export interface SegmentWriterOptions {
  readonly folder: string;
  readonly firstNumber: number;
  readonly segmentBytes: number;
  readonly syncWithinMs: number;
  readonly logger: Logger;
}

const SEGMENT_NAME = /^(\d{12})\.segment$/;

/** Segments in a folder, oldest first. */
export function listSegments(folder: string): Segment[] {
  return readdirSync(folder)
    .flatMap((name) => {
      const number = SEGMENT_NAME.exec(name)?.[1];
      const path = join(folder, name);
      return number === undefined ? [] : [{ number: Number(number), path, byteLength: statSync(path).size, isClosed: true }];
    })
    .sort((left, right) => left.number - right.number);
}

/** Writes frames to the newest segment, syncs them in groups, and begins a new segment when one is large enough. */
export class SegmentWriter {
  readonly segments: Segment[] = [];
  syncCount = 0;
  private descriptor: number | undefined;
  private nextNumber: number;
  private syncTimer: NodeJS.Timeout | undefined;

  constructor(private readonly options: SegmentWriterOptions) {
    this.nextNumber = options.firstNumber;
  }

  /** Opens the first segment; throws when the folder does not take it. */
  open(): void {
    this.beginSegment();
  }

  get current(): Segment {
    const segment = this.segments.at(-1);
    if (segment === undefined) throw new Error('The spool has no segment yet.');
    return segment;
  }

  /** Number of the segment that the next write goes to, or an older one. */
  get appendNumber(): number {
    return this.descriptor === undefined ? this.nextNumber : this.current.number;
  }

  /** One system call; returns the segment that has the frames as its end. Throws what the disk says; the segment then ends where it ended before. */
  write(frames: Buffer): Segment {
    if (this.descriptor === undefined) this.beginSegment();
    const segment = this.current;
    try {
      for (let done = 0; done < frames.length;) done += writeSync(this.descriptor!, frames, done, frames.length - done, segment.byteLength + done);
    } catch (error) {
      this.giveUpSegment();
      throw error;
    }
    segment.byteLength += frames.length;
    this.scheduleSync();
    if (segment.byteLength >= this.options.segmentBytes) this.roll();
    return segment;
  }

  /** Throws while the folder does not take a new segment. */
  probe(): void {
    if (this.descriptor === undefined) this.beginSegment();
    try {
      // A byte behind the end: readers stop before it, and the next record takes its place.
      writeSync(this.descriptor!, Buffer.alloc(1), 0, 1, this.current.byteLength);
      ftruncateSync(this.descriptor!, this.current.byteLength);
    } catch (error) {
      this.giveUpSegment();
      throw error;
    }
  }

  /** Away from the event loop: a file system that is still writing the file keeps its removal waiting, for tens of milliseconds. */
  async remove(segment: Segment): Promise<void> {
    await rm(segment.path, { force: true });
    this.segments.splice(this.segments.indexOf(segment), 1);
  }

  /** Syncs and closes. */
  async close(): Promise<void> {
    clearTimeout(this.syncTimer);
    this.syncTimer = undefined;
    const descriptor = this.descriptor;
    this.descriptor = undefined;
    if (this.segments.length > 0) this.current.isClosed = true;
    if (descriptor !== undefined) await this.syncAndClose(descriptor);
  }

  private beginSegment(): void {
    const number = this.nextNumber++;
    const path = join(this.options.folder, `${String(number).padStart(12, '0')}.segment`);
    this.descriptor = openSync(path, 'w', 0o600);
    this.segments.push({ number, path, byteLength: 0, isClosed: false });
  }

  private roll(): void {
    clearTimeout(this.syncTimer);
    this.syncTimer = undefined;
    const descriptor = this.descriptor!;
    this.current.isClosed = true;
    this.descriptor = undefined;
    void this.syncAndClose(descriptor);
  }

  /** After a failed write the file's end is unknown: cut it where it was sound, and go on in a new one. */
  private giveUpSegment(): void {
    const { current } = this;
    current.isClosed = true;
    try {
      ftruncateSync(this.descriptor!, current.byteLength);
    } catch (error) {
      this.options.logger.warn('A spool segment could not be cut after a failed write.', { error });
    }
    try {
      closeSync(this.descriptor!);
    } catch (error) {
      this.options.logger.warn('A spool segment could not be closed after a failed write.', { error });
    }
    this.descriptor = undefined;
    if (current.byteLength > 0) return;
    rmSync(current.path, { force: true });
    this.segments.pop();
  }

  private scheduleSync(): void {
    this.syncTimer ??= setTimeout(() => {
      this.syncTimer = undefined;
      if (this.descriptor !== undefined) void this.sync(this.descriptor);
    }, this.options.syncWithinMs);
  }

  private async syncAndClose(descriptor: number): Promise<void> {
    await this.sync(descriptor);
    closeSync(descriptor);
  }

  private sync(descriptor: number): Promise<void> {
    this.syncCount++;
    return new Promise((resolve) => {
      fdatasync(descriptor, (error) => {
        // EBADF: a failed write closed the segment while its sync was on the way.
        if (error !== null && error.code !== 'EBADF') this.options.logger.error('A spool segment could not be synced to the disk.', { error });
        resolve();
      });
    });
  }
}
