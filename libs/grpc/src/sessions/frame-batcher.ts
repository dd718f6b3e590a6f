/** How many bytes may be handed to gRPC before it reported some of them as written. */
const MAX_IN_FLIGHT_BYTES = 256 * 1024;
/** A batch is closed once it holds this much; a single larger frame travels alone. */
const MAX_BATCH_BYTES = 128 * 1024;
/** What a frame costs beside its payload. */
const FRAME_OVERHEAD_BYTES = 32;

/**
 * Collects the frames of one event-loop turn into one message. While gRPC has not written what it was given, frames wait
 * here, in order: the caller reads `isCongested` and stops producing.
 */
export class FrameBatcher<Frame> {
  private waiting: { readonly frame: Frame; readonly sizeBytes: number }[] = [];
  private waitingBytes = 0;
  private inFlightBytes = 0;
  private flushScheduled = false;
  private isClosed = false;

  /**
   * @param write hands one message to gRPC and calls back once it was written
   * @param onRelieved called when congestion is over
   */
  constructor(
    private readonly write: (frames: Frame[], written: () => void) => void,
    private readonly onRelieved: () => void = () => undefined,
  ) {}

  add(frame: Frame, payloadBytes = 0): void {
    if (this.isClosed) return;
    const sizeBytes = payloadBytes + FRAME_OVERHEAD_BYTES;
    this.waiting.push({ frame, sizeBytes });
    this.waitingBytes += sizeBytes;
    this.scheduleFlush();
  }

  /** Bytes that were added and not yet written to the connection. */
  get pendingBytes(): number {
    return this.waitingBytes + this.inFlightBytes;
  }

  get isCongested(): boolean {
    return this.pendingBytes >= MAX_IN_FLIGHT_BYTES;
  }

  /** Forgets everything; later frames are dropped. */
  close(): void {
    this.isClosed = true;
    this.waiting = [];
    this.waitingBytes = 0;
  }

  /** Writes what can be written now. Runs by itself at the end of a turn. */
  flush(): void {
    this.flushScheduled = false;
    while (this.waiting.length > 0 && this.inFlightBytes < MAX_IN_FLIGHT_BYTES && !this.isClosed) this.writeBatch();
  }

  private writeBatch(): void {
    let count = 0;
    let batchBytes = 0;
    while (count < this.waiting.length && (count === 0 || batchBytes + this.waiting[count]!.sizeBytes <= MAX_BATCH_BYTES)) {
      batchBytes += this.waiting[count]!.sizeBytes;
      count++;
    }
    const batch = this.waiting.splice(0, count).map(({ frame }) => frame);
    this.waitingBytes -= batchBytes;
    this.inFlightBytes += batchBytes;
    this.write(batch, () => {
      const wasCongested = this.isCongested;
      this.inFlightBytes -= batchBytes;
      if (this.waiting.length > 0) this.scheduleFlush();
      if (wasCongested && !this.isCongested && !this.isClosed) this.onRelieved();
    });
  }

  private scheduleFlush(): void {
    if (this.flushScheduled) return;
    this.flushScheduled = true;
    setImmediate(() => this.flush());
  }
}
