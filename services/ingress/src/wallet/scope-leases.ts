import { larger, smaller } from '@switchyard/core';
import type { billing } from '@switchyard/proto';
import type { CallTrace } from '@switchyard/telemetry';

/** One lease as its holder sees it. Amounts are in the lease's unit (pico-USD, requests or tokens). */
export interface HeldLease {
  readonly leaseId: string;
  readonly granted: bigint;
  /** The call that brought it; undefined where nothing is traced. */
  readonly grantedBy?: CallTrace | undefined;
  /** On the holder's monotonic clock, counted from when the call was sent. */
  readonly reserveBeforeMs: number;
  readonly settleBeforeMs: number;
  /** In flight: reserved and not settled yet. */
  reserved: bigint;
  /** Settled by terminal events. */
  settled: bigint;
  /** Given back, cumulative. */
  released: bigint;
  /** Nothing may be reserved from it any more. */
  isRecalled: boolean;
  /** Billing waits for an answer to its recall, also when nothing is free. */
  mustAnswer: boolean;
}

/** A reservation's share of one lease. */
export interface ReservedPart {
  readonly leases: ScopeLeases;
  readonly lease: HeldLease;
  readonly amount: bigint;
}

const SPEND_WINDOW_MS = 1_000;

/** Every lease held for one scope (an account's credit, a key's limit, a minute of requests). Pure accounting: time comes in. */
export class ScopeLeases {
  /** Until then nothing is asked for ahead of need: on the holder's monotonic clock. */
  prefetchNotBeforeMs = 0;
  private readonly leases: HeldLease[] = [];
  /** All before it are used up for good: they stay until they are given back, and need not be asked for every request. */
  private firstUsable = 0;
  private windowStartMs = 0;
  private windowSpend = 0n;
  private previousWindowSpend = 0n;

  constructor(
    readonly id: string,
    readonly scope: billing.LeaseScope,
  ) {}

  add(lease: HeldLease): void {
    this.leases.push(lease);
  }

  get size(): number {
    return this.leases.length;
  }

  /** In flight. */
  get reserved(): bigint {
    return this.leases.reduce((sum, lease) => sum + lease.reserved, 0n);
  }

  /** What can be reserved now. */
  available(nowMs: number): bigint {
    let sum = 0n;
    for (const lease of this.leases) sum += spendable(lease, nowMs);
    return sum;
  }

  /** Whether this much can be reserved now; asks the newest leases first, which mostly hold it. */
  holds(amount: bigint, nowMs: number): boolean {
    let missing = amount;
    for (let index = this.leases.length - 1; index >= 0 && missing > 0n; index--) missing -= spendable(this.leases[index]!, nowMs);
    return missing <= 0n;
  }

  /** Takes the whole amount, from several leases if needed, or nothing. */
  reserve(amount: bigint, nowMs: number): ReservedPart[] | undefined {
    while (this.firstUsable < this.leases.length && isUsedUp(this.leases[this.firstUsable]!, nowMs)) this.firstUsable++;
    const parts: ReservedPart[] = [];
    let missing = amount;
    for (let index = this.firstUsable; index < this.leases.length && missing > 0n; index++) {
      const lease = this.leases[index]!;
      const share = smaller(spendable(lease, nowMs), missing);
      if (share <= 0n) continue;
      missing -= share;
      parts.push({ leases: this, lease, amount: share });
    }
    if (missing > 0n) return undefined;
    for (const part of parts) part.lease.reserved += part.amount;
    return parts;
  }

  /** Ends a part's reservation: `spent` stays with the lease for good, the rest can be reserved again. */
  settle(part: ReservedPart, spent: bigint, nowMs: number): void {
    part.lease.reserved -= part.amount;
    part.lease.settled += spent;
    this.rollWindow(nowMs);
    this.windowSpend += spent;
  }

  /** Spend of the last one to two seconds, which is what a grant is sized by. */
  recentSpend(nowMs: number): bigint {
    this.rollWindow(nowMs);
    return this.windowSpend + this.previousWindowSpend;
  }

  /** False when the lease is not held. */
  recall(leaseId: string): boolean {
    const lease = this.leases.find((held) => held.leaseId === leaseId);
    if (!lease) return false;
    lease.isRecalled = true;
    lease.mustAnswer = true;
    return true;
  }

  /** Gives back the unreserved rest of leases that may not be reserved from any more, and forgets those with nothing open. */
  collectReleases(nowMs: number, isClosing = false): billing.LeaseRelease[] {
    const releases: billing.LeaseRelease[] = [];
    for (let index = this.leases.length - 1; index >= 0; index--) {
      const lease = this.leases[index]!;
      if (!isClosing && !lease.isRecalled && nowMs < lease.reserveBeforeMs) continue;
      const isClosed = lease.reserved === 0n;
      const rest = larger(lease.granted - lease.settled - lease.reserved - lease.released, 0n);
      if (rest > 0n || isClosed || lease.mustAnswer) {
        lease.released += rest;
        lease.mustAnswer = false;
        releases.push({ leaseId: lease.leaseId, releasedTotal: lease.released, isClosed });
      }
      // Nothing may be reserved from it again: what it has left now belongs to billing.
      lease.isRecalled = true;
      if (isClosed) this.leases.splice(index, 1);
    }
    this.firstUsable = 0;
    return releases;
  }

  /** Something of a lease that may not be reserved from waits to be given back. */
  hasReturns(nowMs: number): boolean {
    return this.leases.some(
      (lease) => (lease.isRecalled || nowMs >= lease.reserveBeforeMs) && lease.granted - lease.settled - lease.reserved - lease.released > 0n,
    );
  }

  get isEmpty(): boolean {
    return this.leases.length === 0;
  }

  private rollWindow(nowMs: number): void {
    const elapsedMs = nowMs - this.windowStartMs;
    if (elapsedMs < SPEND_WINDOW_MS) return;
    this.previousWindowSpend = elapsedMs < 2 * SPEND_WINDOW_MS ? this.windowSpend : 0n;
    this.windowSpend = 0n;
    this.windowStartMs = nowMs;
  }
}

/** Nothing will ever be reserved from it again. */
function isUsedUp(lease: HeldLease, nowMs: number): boolean {
  return lease.isRecalled || lease.settled === lease.granted || nowMs >= lease.reserveBeforeMs;
}

function spendable(lease: HeldLease, nowMs: number): bigint {
  // Those that are used up stay until their time is over: they must cost no arithmetic.
  if (isUsedUp(lease, nowMs)) return 0n;
  return larger(lease.granted - lease.settled - lease.reserved - lease.released, 0n);
}
