import type { Clock } from '@switchyard/core';
import type { billing } from '@switchyard/proto';
import type { HeldScopes } from './held-scopes.js';
import type { LeaseCalls } from './lease-calls.js';

/** Calls at once. */
const MAX_TAKEN_OVER = 100;

/** What goes back to billing: what is left of leases past their time, and an answer to every recall. */
export class LeaseReturns {
  /** Recalled before they were here. */
  private readonly recalledEarly = new Set<string>();
  private sweepTimer: NodeJS.Timeout | undefined;
  private takingOver: Promise<void> | undefined;

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
    // When closing, the end of the epoch returns it.
    const takenOver = isClosing ? undefined : this.takeOver();
    const releases = this.held.collectReleases(this.clock.monotonicMs(), isClosing);
    if (releases.length > 0) await this.calls.release(releases);
    await sentAgain;
    await takenOver;
  }

  /** Takes in what billing granted to calls whose answers never came: nobody could spend it, and it would be held until it counts as abandoned. */
  takeOver(): Promise<void> {
    this.takingOver ??= this.takeOverUnheard().finally(() => (this.takingOver = undefined));
    return this.takingOver;
  }

  private async takeOverUnheard(): Promise<void> {
    const [first, ...others] = this.calls.unheard;
    // One call tells whether billing answers again.
    if (first === undefined || !(await this.takeOverOne(first))) return;
    await Promise.all(others.slice(0, MAX_TAKEN_OVER).map((request) => this.takeOverOne(request)));
    const releases = this.held.collectReleases(this.clock.monotonicMs(), false);
    if (releases.length > 0) await this.calls.release(releases);
    this.recallEarly();
  }

  private async takeOverOne(request: billing.AcquireLeasesRequest): Promise<boolean> {
    const sentAtMs = this.clock.monotonicMs();
    const leases = await this.calls.hear(request);
    for (const lease of leases ?? []) this.held.hold(lease, sentAtMs);
    return leases !== undefined;
  }

  /** Recalled leases that no call can bring any more: somebody waits to hear that nothing comes of them. */
  private answerUnknown(): void {
    const releases = [...this.recalledEarly].map((leaseId) => ({ leaseId, releasedTotal: 0n, isClosed: false }));
    this.recalledEarly.clear();
    if (releases.length > 0) void this.calls.release(releases);
  }
}
