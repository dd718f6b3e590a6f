/** Runs so much at once and lets the rest wait, first come, first served. */
export class WorkQueue {
  private runningCount = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(
    private readonly maxRunning: number,
    private readonly maxWaiting: number,
  ) {}

  /** No more work may come before some of it has ended. */
  get isFull(): boolean {
    return this.runningCount >= this.maxRunning && this.waiting.length >= this.maxWaiting;
  }

  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.runningCount < this.maxRunning) this.runningCount++;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      return await work();
    } finally {
      // The place goes on to who waited longest, so that nobody who comes meanwhile takes it.
      const next = this.waiting.shift();
      if (next) next();
      else this.runningCount--;
    }
  }
}
