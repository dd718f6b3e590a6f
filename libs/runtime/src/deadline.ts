/** One bound for many waits. */
export class Deadline {
  private readonly timer: NodeJS.Timeout;
  private readonly passed = Promise.withResolvers<void>();

  constructor(timeoutMs: number) {
    this.timer = setTimeout(() => this.passed.resolve(), timeoutMs);
  }

  async bound(work: Promise<void>): Promise<void> {
    await Promise.race([work, this.passed.promise]);
  }

  clear(): void {
    clearTimeout(this.timer);
  }
}
