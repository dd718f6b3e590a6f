import { MessageBlock } from './message-memory.js';

/** How many bytes may be handed to gRPC before it reported some of them as written. */
const MAX_IN_FLIGHT_BYTES = 256 * 1024;
/** What gRPC puts before each message: whether it is compressed, and its size. */
export const MESSAGE_HEAD_BYTES = 5;

/** A message that is being filled, or waits to be written: a part of a block. */
interface Batch {
  readonly block: MessageBlock;
  readonly startBytes: number;
  endBytes: number;
}

/**
 * Collects the frames of one event-loop turn into one message. While gRPC has not written what it was given, frames wait
 * here, in order: the caller reads `isCongested` and stops producing. Frames are encoded as they come, so that what waits is
 * bytes in memory that is used again, and nothing of it becomes old garbage.
 */
export class FrameBatcher<Frame> {
  private readonly waiting: Batch[] = [];
  private block: MessageBlock | undefined;
  private waitingBytes = 0;
  private inFlightBytes = 0;
  private flushScheduled = false;
  private isClosed = false;

  /**
   * @param encode gives a message of this one frame, which may be in memory that the next frame's is written into; messages one behind
   *   the other are a message with the frames of all
   * @param write hands one message behind its head to gRPC and calls back once it was written, or could not be. The bytes are used again
   *   after it was written.
   * @param onRelieved called when congestion is over
   */
  constructor(
    private readonly encode: (frame: Frame) => Uint8Array,
    private readonly write: (headAndMessage: Buffer, done: (error?: Error | null) => void) => void,
    private readonly onRelieved: () => void = () => undefined,
  ) {}

  /** Keeps nothing of the frame. */
  add(frame: Frame): void {
    if (this.isClosed) return;
    const bytes = this.encode(frame);
    const batch = this.batchFor(bytes.byteLength);
    batch.block.memory.set(bytes, batch.endBytes);
    batch.endBytes += bytes.byteLength;
    batch.block.endBytes = batch.endBytes;
    this.waitingBytes += bytes.byteLength;
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
    for (const { block } of this.waiting.splice(0)) this.release(block);
    this.waitingBytes = 0;
  }

  /** Writes what can be written now. Runs by itself at the end of a turn. */
  flush(): void {
    this.flushScheduled = false;
    while (this.waiting.length > 0 && this.inFlightBytes < MAX_IN_FLIGHT_BYTES && !this.isClosed) this.writeBatch(this.waiting.shift()!);
  }

  /** The last batch as long as its block has room, which bounds it; a single larger frame travels alone. */
  private batchFor(sizeBytes: number): Batch {
    const last = this.waiting.at(-1);
    if (last !== undefined && last.block.roomBytes >= sizeBytes) return last;
    if (this.block === undefined || this.block.roomBytes < MESSAGE_HEAD_BYTES + sizeBytes) this.block = MessageBlock.withRoom(MESSAGE_HEAD_BYTES + sizeBytes);
    const { block } = this;
    block.hold();
    const batch = { block, startBytes: block.endBytes, endBytes: block.endBytes + MESSAGE_HEAD_BYTES };
    this.waiting.push(batch);
    return batch;
  }

  private writeBatch({ block, startBytes, endBytes }: Batch): void {
    const bytes = block.memory.subarray(startBytes, endBytes);
    const messageBytes = bytes.byteLength - MESSAGE_HEAD_BYTES;
    bytes[0] = 0;
    bytes.writeUInt32BE(messageBytes, 1);
    this.waitingBytes -= messageBytes;
    this.inFlightBytes += messageBytes;
    this.write(bytes, (error) => {
      const wasCongested = this.isCongested;
      this.inFlightBytes -= messageBytes;
      // A part of what failed may still be on its way.
      if (!error) this.release(block);
      if (this.waiting.length > 0) this.scheduleFlush();
      if (wasCongested && !this.isCongested && !this.isClosed) this.onRelieved();
    });
  }

  private release(block: MessageBlock): void {
    block.release();
    if (!block.isUsed && this.block === block) this.block = undefined;
  }

  private scheduleFlush(): void {
    if (this.flushScheduled) return;
    this.flushScheduled = true;
    setImmediate(() => this.flush());
  }
}
