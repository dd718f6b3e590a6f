import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { FrameBatcher, MESSAGE_HEAD_BYTES } from './frame-batcher.js';
import { BLOCK_BYTES } from './message-memory.js';

interface Written {
  readonly bytes: Buffer;
  readonly done: (error?: Error | null) => void;
}

/** A batcher of texts whose writes wait for the spec. */
function batcherOf(onRelieved?: () => void): { batcher: FrameBatcher<string>; writes: Written[] } {
  const writes: Written[] = [];
  const scratch = Buffer.alloc(4 * BLOCK_BYTES);
  const batcher = new FrameBatcher<string>(
    (text) => scratch.subarray(0, scratch.write(text)),
    (bytes, done) => writes.push({ bytes, done }),
    onRelieved,
  );
  return { batcher, writes };
}

const textOf = ({ bytes }: Written): string => bytes.toString('utf8', MESSAGE_HEAD_BYTES);

describe('frames on their way to a connection', () => {
  it('leave as one message for each turn, behind the head that gRPC expects', async () => {
    const { batcher, writes } = batcherOf();
    for (const text of ['one ', 'two ', 'three']) batcher.add(text);
    await nextTurn();
    batcher.add('four');
    await nextTurn();
    expect(writes.map(textOf)).toEqual(['one two three', 'four']);
    expect([...writes[0]!.bytes.subarray(0, MESSAGE_HEAD_BYTES)]).toEqual([0, 0, 0, 0, 'one two three'.length]);
  });

  it('are written into the same memory again once they have left', () => {
    const { batcher, writes } = batcherOf();
    const memories = new Set<ArrayBufferLike>();
    for (let index = 0; index < 1_000; index++) {
      batcher.add(`${index}`.padEnd(1_000));
      batcher.flush();
      const last = writes.at(-1)!;
      memories.add(last.bytes.buffer);
      expect(textOf(last).trim()).toBe(`${index}`);
      last.done();
    }
    expect(memories.size).toBe(1);
  });

  it('stay as they are until they have left, however many wait, and leave in their order', () => {
    let relieved = 0;
    const { batcher, writes } = batcherOf(() => relieved++);
    const texts = Array.from({ length: 400 }, (_, index) => `${index} `.padEnd(10_000, 'x'));
    for (const text of texts) batcher.add(text);
    batcher.flush();
    expect(batcher.isCongested).toBe(true);
    expect(writes.length).toBeLessThan(10);
    let received = '';
    for (let index = 0; index < writes.length; index++) {
      // What was written into other messages meanwhile is in none of those that wait.
      received += textOf(writes[index]!);
      writes[index]!.done();
      batcher.flush();
    }
    expect(received).toBe(texts.join(''));
    expect([batcher.pendingBytes, batcher.isCongested, relieved]).toEqual([0, false, 1]);
  });

  it('travel alone where they are larger than a block', () => {
    const { batcher, writes } = batcherOf();
    const large = 'y'.repeat(3 * BLOCK_BYTES);
    for (const text of ['before', large, 'after']) batcher.add(text);
    batcher.flush();
    expect(writes.map(textOf)).toEqual(['before', large, 'after']);
  });

  it('are not written over when they could not be sent: a part may be on its way', () => {
    const { batcher, writes } = batcherOf();
    batcher.add('first');
    batcher.flush();
    writes[0]!.done(new Error('reset'));
    for (let index = 0; index < 100; index++) {
      batcher.add('z'.repeat(10_000));
      batcher.flush();
      writes.at(-1)!.done();
    }
    expect(textOf(writes[0]!)).toBe('first');
  });

  it('are forgotten when the session ends', async () => {
    const { batcher, writes } = batcherOf();
    batcher.add('one');
    batcher.close();
    batcher.add('two');
    await nextTurn();
    expect([writes, batcher.pendingBytes]).toEqual([[], 0]);
  });
});
