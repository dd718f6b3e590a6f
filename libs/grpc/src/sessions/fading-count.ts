const FADES_WITHIN_MS = 10_000;

/** How often something happened of late: each time counts whole at first, for a third after ten seconds, and soon for nothing. */
export class FadingCount {
  private count = 0;
  private countedAtMs = 0;

  add(): void {
    this.count = this.value + 1;
    this.countedAtMs = performance.now();
  }

  get value(): number {
    return this.count === 0 ? 0 : this.count * Math.exp((this.countedAtMs - performance.now()) / FADES_WITHIN_MS);
  }
}
