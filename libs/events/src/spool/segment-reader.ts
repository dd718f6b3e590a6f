import { open, type FileHandle } from 'node:fs/promises';
import type { Segment } from './segment-files.js';
import { decodeFrames, MAX_PAYLOAD_BYTES } from './spool-frame.js';
import type { SpoolRecord } from './spool-record.js';

const CHUNK_BYTES = 512 * 1024;

/** Reads a segment's records, from the front or from where a frame begins, also while it grows. */
export class SegmentReader {
  private file: FileHandle | undefined;
  private offset: number;
  private chunk = Buffer.alloc(0);
  private damaged = false;

  constructor(
    readonly segment: Segment,
    private readonly verify: boolean,
    startByte = 0,
  ) {
    this.offset = startByte;
  }

  /** Where the next frame begins; behind damage nothing is read. */
  get readBytes(): number {
    return this.offset;
  }

  /** A frame is torn or its sum is wrong. */
  get isDamaged(): boolean {
    return this.damaged;
  }

  /** The next records; empty when there are none for now. */
  async next(): Promise<readonly SpoolRecord[]> {
    const available = this.segment.byteLength - this.offset;
    if (available <= 0 || this.damaged) return [];
    this.file ??= await open(this.segment.path, 'r');
    for (let wanted = CHUNK_BYTES; ; wanted = MAX_PAYLOAD_BYTES + CHUNK_BYTES) {
      const size = Math.min(wanted, available);
      if (this.chunk.length < size) this.chunk = Buffer.allocUnsafe(Math.max(size, CHUNK_BYTES));
      const { bytesRead } = await this.file.read(this.chunk, 0, size, this.offset);
      const { records, consumedBytes, isDamaged } = decodeFrames(this.chunk.subarray(0, bytesRead), this.verify);
      this.offset += consumedBytes;
      const isWholeRest = bytesRead === available || bytesRead < size;
      if (isDamaged || (isWholeRest && consumedBytes < available)) this.damaged = true;
      if (records.length > 0 || this.damaged || isWholeRest) return records;
    }
  }

  async close(): Promise<void> {
    const { file } = this;
    this.file = undefined;
    this.chunk = Buffer.alloc(0);
    await file?.close();
  }
}
