import type { Clock } from '@switchyard/core';
import type { HeldScopes } from './held-scopes.js';
import type { LeaseCalls } from './lease-calls.js';

/** What goes back to billing: what is left of leases past their time, and an answer to every recall. */
export class LeaseReturns {
  /** Recalled before they were here. */
  private readonly recalledEarly = new Set<string>();
  private sweepTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly held: HeldScopes,
    private readonly calls: LeaseCalls,
    private readonly clock: Clock,
  ) {}

  start(intervalMs: number): void {
    this.sweepTimer = setInterval(() => void this.sweep(), intervalMs);
    this.sweepTimer.unref();
  }

  /** Gives everything unreserved back. */
  async close(): Promise<void> {
    clearInterval(this.sweepTimer);
    await this.sweep(true);
  }

  /** Billing asks for money back. */
  recall(leaseIds: readonly string[]): void {
    // A recall may overtake the answer that grants the lease.
    for (const leaseId of this.held.recall(leaseIds)) this.recalledEarly.add(leaseId);
    void this.sweep();
    if (!this.calls.isAcquiring) this.answerUnknown();
  }

  /** Recalls that overtook the leases that are here now. */
  recallEarly(): void {
    if (this.recalledEarly.size === 0) return;
    const leaseIds = [...this.recalledEarly];
    this.recalledEarly.clear();
    this.recall(leaseIds);
  }

  /** Gives back what may not be reserved any more, and what billing did not take before; the calls are under way when this returns its promise. */
  async sweep(isClosing = false): Promise<void> {
    const sentAgain = this.calls.sendAgain();
    const releases = this.held.collectReleases(this.clock.monotonicMs(), isClosing);
    if (releases.length > 0) await this.calls.release(releases);
    await sentAgain;
  }

  /** Recalled leases that no call can bring any more: somebody waits to hear that nothing comes of them. */
  private answerUnknown(): void {
    const releases = [...this.recalledEarly].map((leaseId) => ({ leaseId, releasedTotal: 0n, isClosed: false }));
    this.recalledEarly.clear();
    if (releases.length > 0) void this.calls.release(releases);
  }
}
