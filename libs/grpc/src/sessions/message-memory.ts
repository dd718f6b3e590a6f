/**
 * What a block holds: a message of the largest usual size. Whoever gets a message keeps all of it as long as any part of it waits for a
 * slow reader, so it is not larger.
 */
export const BLOCK_BYTES = 64 * 1024;
/** Blocks that are kept for their next use, in the whole process: what sessions with full connections need, which is 8 MiB. */
const MAX_IDLE_BLOCKS = 128;

const idle: Buffer[] = [];

/**
 * Memory in which messages are written one behind the other, and which is used again once none of them is needed any more. Memory of
 * its own for every message would be garbage outside the JavaScript heap, of which V8 lets some 100 MiB gather before it looks.
 */
export class MessageBlock {
  /** Filled so far. */
  endBytes = 0;
  private messages = 0;

  private constructor(readonly memory: Buffer) {}

  /** A block with room for a message of this size, which may be larger than usual. */
  static withRoom(sizeBytes: number): MessageBlock {
    return new MessageBlock(sizeBytes > BLOCK_BYTES ? Buffer.allocUnsafeSlow(sizeBytes) : (idle.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES)));
  }

  get roomBytes(): number {
    return this.memory.byteLength - this.endBytes;
  }

  get isUsed(): boolean {
    return this.messages > 0;
  }

  /** One more message is in it. */
  hold(): void {
    this.messages++;
  }

  /** One message is not needed any more; with the last one the memory is another block's, and this one must not be used. */
  release(): void {
    this.messages--;
    if (this.messages === 0 && this.memory.byteLength === BLOCK_BYTES && idle.length < MAX_IDLE_BLOCKS) idle.push(this.memory);
  }
}
