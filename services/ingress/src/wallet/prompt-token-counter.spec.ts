import { EventEmitter } from 'node:events';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { ThreadedTokenCounter, type CounterThread } from './prompt-token-counter.js';

/** A thread that answers when the spec says so. */
class SlowThread extends EventEmitter {
  readonly posted: { readonly id: number }[] = [];
  postMessage(message: { readonly id: number }): void {
    this.posted.push(message);
  }
  unref(): void {}
  terminate(): Promise<number> {
    return Promise.resolve(0);
  }
  answer(count: number): void {
    this.emit('message', { id: this.posted.shift()!.id, count });
  }
}

describe('the counter of prompt tokens', () => {
  afterEach(() => {
    jest.useRealTimers();
  });

  function start(): { counter: ThreadedTokenCounter; thread: SlowThread } {
    const thread = new SlowThread();
    return { counter: new ThreadedTokenCounter(() => thread as unknown as CounterThread), thread };
  }

  it('answers what the thread counted, and nothing when the thread dies', async () => {
    const { counter, thread } = start();
    const counted = counter.count(Buffer.from('one two'));
    thread.answer(2);
    expect(await counted).toBe(2);
    const lost = counter.count(Buffer.from('three'));
    thread.emit('exit', 1);
    expect(await lost).toBeUndefined();
  });

  it('gives a slow thread no more to hold, although nobody waits for it any more, until it answers', async () => {
    jest.useFakeTimers();
    const { counter, thread } = start();
    const waiting = Array.from({ length: 64 }, () => counter.count(Buffer.from('x')));
    jest.advanceTimersByTime(2_001);
    expect(await Promise.all(waiting)).toEqual(Array.from({ length: 64 }, () => undefined));
    expect(await counter.count(Buffer.from('x'))).toBeUndefined();
    expect(thread.posted).toHaveLength(64);
    thread.answer(1);
    const next = counter.count(Buffer.from('x'));
    while (thread.posted.length > 0) thread.answer(7);
    expect(await next).toBe(7);
  });

  it('gives it no more bytes than it may hold', async () => {
    const { counter, thread } = start();
    const large = counter.count(Buffer.alloc(40 * 1024 * 1024));
    expect(await counter.count(Buffer.alloc(40 * 1024 * 1024))).toBeUndefined();
    thread.answer(3);
    expect(await large).toBe(3);
  });
});
