import { Worker } from 'node:worker_threads';
import type { PromptTokenCounter } from './attempt-reserver.js';

/** What is used of a thread. */
export type CounterThread = Pick<Worker, 'on' | 'postMessage' | 'terminate' | 'unref'>;

/** What the thread was given and has not answered, also when nobody waits for it any more. */
const MAX_BODIES = 64;
const MAX_BYTES = 64 * 1024 * 1024;
const TIMEOUT_MS = 2_000;

/** Counts tokens in a thread of its own: 10 KB take a millisecond, which the event loop must not. Started when first used. */
export class ThreadedTokenCounter implements PromptTokenCounter {
  private thread: CounterThread | undefined;
  private readonly waiting = new Map<number, (count: number | undefined) => void>();
  /** Sizes of what the thread holds, by id. */
  private readonly heldBytes = new Map<number, number>();
  private heldTotalBytes = 0;
  private nextId = 0;

  constructor(
    private readonly createThread: () => CounterThread = () => new Worker(new URL('./token-count.thread.js', import.meta.url)),
    private readonly timeoutMs = TIMEOUT_MS,
  ) {}

  /** Undefined when too many wait, the thread failed, the body cannot be counted, or it took too long: the caller keeps its bound. */
  count(body: Uint8Array): Promise<number | undefined> {
    if (this.heldBytes.size >= MAX_BODIES || this.heldTotalBytes + body.byteLength > MAX_BYTES) return Promise.resolve(undefined);
    const id = this.nextId++;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.finish(id, undefined), this.timeoutMs);
      const finish = (count: number | undefined) => {
        clearTimeout(timer);
        resolve(count);
      };
      this.waiting.set(id, finish);
      this.heldBytes.set(id, body.byteLength);
      this.heldTotalBytes += body.byteLength;
      this.open().postMessage({ id, body });
    });
  }

  async close(): Promise<void> {
    await this.thread?.terminate();
  }

  private open(): CounterThread {
    if (this.thread) return this.thread;
    const thread = this.createThread();
    thread.unref();
    thread.on('message', ({ id, count }: { id: number; count: number | undefined }) => {
      this.heldTotalBytes -= this.heldBytes.get(id) ?? 0;
      this.heldBytes.delete(id);
      this.finish(id, count);
    });
    thread.on('error', () => this.fail(thread));
    thread.on('exit', () => this.fail(thread));
    this.thread = thread;
    return thread;
  }

  private fail(thread: CounterThread): void {
    if (this.thread !== thread) return;
    this.thread = undefined;
    this.heldBytes.clear();
    this.heldTotalBytes = 0;
    for (const id of [...this.waiting.keys()]) this.finish(id, undefined);
  }

  private finish(id: number, count: number | undefined): void {
    const resolve = this.waiting.get(id);
    this.waiting.delete(id);
    resolve?.(count);
  }
}
