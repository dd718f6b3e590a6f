import { EventEmitter } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ThreadedTokenCounter, type CounterThread } from './prompt-token-counter.js';

const START_WITHIN_MS = 120_000;

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

describe('the thread that counts', () => {
  let counter: ThreadedTokenCounter;
  let threads = 0;
  beforeAll(async () => {
    // On a busy machine it takes longer to start, and perhaps to count, than a request may wait.
    counter = new ThreadedTokenCounter(() => (threads++, new Worker(new URL('./token-count.thread.ts', import.meta.url))), START_WITHIN_MS);
    expect(await counter.count(Buffer.from('one'))).toBe(1);
  }, START_WITHIN_MS);
  afterAll(() => counter.close());

  it('takes the marks that models end a text with as text, and lives on', async () => {
    const marked = await counter.count(Buffer.from('before <|endoftext|> after <|endofprompt|>'));
    const plain = await counter.count(Buffer.from('before  after '));
    expect(marked).toBeGreaterThan(plain!);
    expect(threads).toBe(1);
  });

  it('counts letters, however the client escaped them', async () => {
    const body = JSON.stringify({ messages: [{ role: 'user', content: 'Где находится библиотека? 図書館はどこですか。' }] });
    const escaped = body.replaceAll(/[^ -~]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`);
    expect(await counter.count(Buffer.from(escaped))).toBe(await counter.count(Buffer.from(body)));
  });

  it('leaves the media of messages out, and nothing else', async () => {
    const data = `data:application/pdf;base64,${'QUJD'.repeat(500)}`;
    const body = (content: unknown) => Buffer.from(JSON.stringify({ messages: [{ role: 'user', content }] }));
    const count = async (content: unknown) => (await counter.count(body(content)))!;
    const file = { type: 'file', file: { file_data: '' } };
    const media = [
      file,
      { type: 'image_url', image_url: { url: '' } },
      { type: 'video_url', video_url: { url: '' } },
      { type: 'input_audio', input_audio: { data: '', format: 'mp3' } },
    ];
    const filled = JSON.parse(JSON.stringify(media).replaceAll('""', JSON.stringify(data))) as unknown;
    expect(await count(filled)).toBe(await count(media));
    const text = { type: 'text', text: data };
    expect(await count(data)).toBeGreaterThan(500);
    expect(await count([text, file])).toBeGreaterThan(500);
  });

  it('has no count of what cannot be counted, and counts what others wait for', async () => {
    const noBytes = { byteLength: 1 } as Uint8Array;
    const counts = await Promise.all([counter.count(noBytes), counter.count(Buffer.from('one two'))]);
    expect(counts).toEqual([undefined, 2]);
    expect(threads).toBe(1);
  });
});
