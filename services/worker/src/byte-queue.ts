const NOTHING = Buffer.alloc(0);
const SMALLEST_BYTES = 1024;
/** A short answer comes and goes at once, and what it waits in may be of the shared pool. */
const SHORT_BYTES = 2 * 1024;

/**
 * Bytes that wait for their reader, in memory that is used again and again. A buffer of its own for every piece would leave as much
 * garbage outside the JavaScript heap as bytes pass through, and nothing makes the collector hurry for that.
 */
export class ByteQueue {
  private memory: Buffer = NOTHING;
  private start = 0;
  private end = 0;

  get sizeBytes(): number {
    return this.end - this.start;
  }

  /** Copies. */
  push(bytes: Uint8Array): void {
    this.makeRoom(bytes.byteLength);
    this.memory.set(bytes, this.end);
    this.end += bytes.byteLength;
  }

  /** The oldest bytes, at most this many; they stay as they are until the next `push`. */
  take(maxBytes: number): Buffer {
    const end = Math.min(this.end, this.start + maxBytes);
    const bytes = this.memory.subarray(this.start, end);
    this.start = end;
    return bytes;
  }

  clear(): void {
    this.memory = NOTHING;
    this.start = 0;
    this.end = 0;
  }

  private makeRoom(bytes: number): void {
    const { sizeBytes } = this;
    if (sizeBytes === 0) {
      this.start = 0;
      this.end = 0;
    }
    if (this.end + bytes <= this.memory.byteLength) return;
    const neededBytes = sizeBytes + bytes;
    const waiting = this.memory.subarray(this.start, this.end);
    if (neededBytes > this.memory.byteLength) this.memory = newMemory(neededBytes);
    this.memory.set(waiting);
    this.start = 0;
    this.end = sizeBytes;
  }
}

function newMemory(neededBytes: number): Buffer {
  const sizeBytes = Math.max(SMALLEST_BYTES, 2 ** Math.ceil(Math.log2(neededBytes)));
  return sizeBytes <= SHORT_BYTES ? Buffer.allocUnsafe(sizeBytes) : Buffer.allocUnsafeSlow(sizeBytes);
}
