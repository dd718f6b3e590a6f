/** Runs so much at once and lets the rest wait, first come, first served, for a while. */
export class WorkQueue {
  private runningCount = 0;
  private readonly waiting = new Set<() => void>();

  constructor(
    private readonly maxRunning: number,
    private readonly maxWaiting: number,
    private readonly maxWaitMs: number,
  ) {}

  /** No more work may come before some of it has ended. */
  get isFull(): boolean {
    return this.runningCount >= this.maxRunning && this.waiting.size >= this.maxWaiting;
  }

  /** @throws what `tooLate` gives, when its turn did not come in time */
  async run<Result>(work: () => Promise<Result>, tooLate: () => Error): Promise<Result> {
    if (this.runningCount < this.maxRunning) this.runningCount++;
    else await this.turn(tooLate);
    try {
      return await work();
    } finally {
      // The place goes on to who waited longest, so that nobody who comes meanwhile takes it.
      const [next] = this.waiting;
      if (next) next();
      else this.runningCount--;
    }
  }

  private turn(tooLate: () => Error): Promise<void> {
    return new Promise((resolve, reject) => {
      const begin = (): void => {
        clearTimeout(timer);
        this.waiting.delete(begin);
        resolve();
      };
      const timer = setTimeout(() => {
        this.waiting.delete(begin);
        reject(tooLate());
      }, this.maxWaitMs);
      this.waiting.add(begin);
    });
  }
}
