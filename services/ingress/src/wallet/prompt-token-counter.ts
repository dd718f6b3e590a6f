import { Worker } from 'node:worker_threads';
import type { PromptTokenCounter } from './attempt-reserver.js';

interface Job {
  readonly id: number;
  readonly body: Uint8Array;
  resolve(count: number | undefined): void;
}

const MAX_JOBS = 64;
const TIMEOUT_MS = 2_000;

/** Counts tokens in a thread of its own: 10 KB take a millisecond, which the event loop must not. Started when first used. */
export class ThreadedTokenCounter implements PromptTokenCounter {
  private thread: Worker | undefined;
  private readonly jobs = new Map<number, Job>();
  private nextId = 0;

  /** Undefined when too many wait, the thread failed, or it took too long: the caller keeps its bound. */
  count(body: Uint8Array): Promise<number | undefined> {
    if (this.jobs.size >= MAX_JOBS) return Promise.resolve(undefined);
    const id = this.nextId++;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.finish(id, undefined), TIMEOUT_MS);
      const finish = (count: number | undefined) => {
        clearTimeout(timer);
        resolve(count);
      };
      this.jobs.set(id, { id, body, resolve: finish });
      this.open().postMessage({ id, body });
    });
  }

  async close(): Promise<void> {
    await this.thread?.terminate();
  }

  private open(): Worker {
    if (this.thread) return this.thread;
    const thread = new Worker(new URL('./token-count.thread.js', import.meta.url));
    thread.unref();
    thread.on('message', ({ id, count }: { id: number; count: number }) => this.finish(id, count));
    thread.on('error', () => this.fail(thread));
    thread.on('exit', () => this.fail(thread));
    this.thread = thread;
    return thread;
  }

  private fail(thread: Worker): void {
    if (this.thread !== thread) return;
    this.thread = undefined;
    for (const id of [...this.jobs.keys()]) this.finish(id, undefined);
  }

  private finish(id: number, count: number | undefined): void {
    const job = this.jobs.get(id);
    this.jobs.delete(id);
    job?.resolve(count);
  }
}
