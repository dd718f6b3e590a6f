/** One bound for many waits. */
export class Deadline {
  private readonly timer: NodeJS.Timeout;
  private readonly passed = Promise.withResolvers<void>();
  private readonly endMs: number;

  constructor(timeoutMs: number) {
    this.endMs = performance.now() + timeoutMs;
    this.timer = setTimeout(() => this.passed.resolve(), timeoutMs);
  }

  async bound(work: Promise<void>): Promise<void> {
    await Promise.race([work, this.passed.promise]);
  }

  get leftMs(): number {
    return Math.max(0, this.endMs - performance.now());
  }

  clear(): void {
    clearTimeout(this.timer);
  }
}
