/** One waiter's doorbell: a ring while nobody waits is not lost. */
export class WakeSignal {
  private isRung = false;
  private release: () => void = () => {};

  ring(): void {
    this.isRung = true;
    this.release();
  }

  /** Resolves at the next ring (or at once, when it rang since the last wait), or after the time. */
  async wait(timeoutMs?: number): Promise<void> {
    if (!this.isRung) {
      await new Promise<void>((resolve) => {
        const timer = timeoutMs === undefined ? undefined : setTimeout(resolve, timeoutMs);
        this.release = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.release = () => {};
    }
    this.isRung = false;
  }
}
