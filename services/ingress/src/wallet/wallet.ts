import type { Clock } from '@switchyard/core';
import { SwitchyardError } from '@switchyard/errors';
import type { billing, LeasePort } from '@switchyard/proto';
import type { Logger } from '@switchyard/telemetry';
import { ScopeLeases, type ReservedPart } from './scope-leases.js';

/** One scope that an attempt needs, and how much of it. */
export interface ScopeNeed {
  readonly id: string;
  readonly scope: billing.LeaseScope;
  readonly amount: bigint;
}

/** An attempt's share of its scopes: all of them, or there is no reservation. */
export interface Reservation {
  readonly parts: readonly ReservedPart[];
  /** No byte may be sent and nothing charged after this time on the monotonic clock. */
  readonly settleBeforeMs: number;
}

export interface Shortage {
  readonly shortage: billing.ScopeShortage;
}

export interface WalletOptions {
  readonly holderId: string;
  readonly epoch: bigint;
  readonly acquireTimeoutMs: number;
  readonly maxWaiters: number;
  readonly sweepIntervalMs: number;
}

interface Waiter {
  readonly needs: readonly ScopeNeed[];
  readonly acceptTimeMs: number;
  resolve(result: Reservation | Shortage): void;
  reject(error: unknown): void;
}

/** Everything that waits for the same set of scopes; one call to billing is under way at most. */
interface WaitingGroup {
  waiters: Waiter[];
  isAcquiring: boolean;
}

/**
 * Spends from leases in memory and asks billing only for more: semantics §3. Reservations are synchronous while the
 * leases suffice; near a limit every request asks, so that no number of ingresses overspends.
 */
export class Wallet {
  private readonly scopes = new Map<string, ScopeLeases>();
  private readonly groups = new Map<string, WaitingGroup>();
  private readonly prefetchNotBeforeMs = new Map<string, number>();
  private waiterCount = 0;
  private requestCount = 0;
  private sweepTimer: NodeJS.Timeout | undefined;
  /** Calls to billing so far, tried again ones included: for the metric and the tests that bound it. */
  acquireCallCount = 0;

  constructor(
    private readonly leasePort: LeasePort,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly options: WalletOptions,
  ) {}

  start(): void {
    this.sweepTimer = setInterval(() => void this.sweep(false), this.options.sweepIntervalMs);
    this.sweepTimer.unref();
  }

  /** Gives everything unreserved back; call it when no generation runs any more. */
  async close(): Promise<void> {
    clearInterval(this.sweepTimer);
    await this.sweep(true);
  }

  /** The whole need from leases held, or undefined: the path of nearly every request. */
  tryReserve(needs: readonly ScopeNeed[]): Reservation | undefined {
    const nowMs = this.clock.monotonicMs();
    const parts: ReservedPart[] = [];
    for (const need of needs) {
      const reserved = this.scopes.get(need.id)?.reserve(need.amount, nowMs);
      if (!reserved) {
        for (const part of parts) part.leases.settle(part, 0n, nowMs);
        return undefined;
      }
      parts.push(...reserved);
    }
    this.prefetch(needs, nowMs);
    return { parts, settleBeforeMs: earliestSettle(parts) };
  }

  /**
   * Waits for billing where the leases held do not suffice.
   * @throws SwitchyardError `gateway_unavailable` when billing cannot be asked or too many wait.
   */
  async reserve(needs: readonly ScopeNeed[], acceptTimeMs: number): Promise<Reservation | Shortage> {
    const reservation = this.tryReserve(needs);
    if (reservation) return reservation;
    if (this.waiterCount >= this.options.maxWaiters) throw billingAway('Too many requests wait for credit; try again shortly.');
    const groupId = needs.map((need) => need.id).join('|');
    const group = this.groups.get(groupId) ?? { waiters: [], isAcquiring: false };
    this.groups.set(groupId, group);
    this.waiterCount++;
    try {
      return await new Promise<Reservation | Shortage>((resolve, reject) => {
        group.waiters.push({ needs, acceptTimeMs, resolve, reject });
        if (!group.isAcquiring) void this.acquireFor(groupId, group);
      });
    } finally {
      this.waiterCount--;
    }
  }

  /** What could be reserved of a scope without asking billing. */
  heldAvailable(scope: billing.LeaseScope): bigint {
    return this.scopes.get(scopeId(scope))?.available(this.clock.monotonicMs()) ?? 0n;
  }

  /** Ends a reservation with what it really used: `spentOf` names it per scope; the leases that were used come back for the event. */
  settle(reservation: Reservation, spentOf: (scope: billing.LeaseScope) => bigint): SettledUse[] {
    const nowMs = this.clock.monotonicMs();
    const uses: SettledUse[] = [];
    const lastPartOfScope = new Map<ScopeLeases, ReservedPart>();
    for (const part of reservation.parts) lastPartOfScope.set(part.leases, part);
    const unspent = new Map<ScopeLeases, bigint>();
    for (const part of reservation.parts) {
      const left = unspent.get(part.leases) ?? spentOf(part.leases.scope);
      // What exceeds the reservation stays with its last lease: billing posts the excess to the receivable.
      const spent = left < part.amount || lastPartOfScope.get(part.leases) === part ? left : part.amount;
      unspent.set(part.leases, left - spent);
      part.leases.settle(part, spent, nowMs);
      uses.push({ leaseId: part.lease.leaseId, amount: spent });
    }
    return uses;
  }

  /** Billing asks for money back. */
  recall(leaseIds: readonly string[]): void {
    for (const leases of this.scopes.values()) for (const leaseId of leaseIds) leases.recall(leaseId);
    void this.sweep(false);
  }

  private async acquireFor(groupId: string, group: WaitingGroup): Promise<void> {
    group.isAcquiring = true;
    try {
      while (this.serveWaiters(group)) {
        const asked = await this.acquire(sumNeeds(group.waiters), group.waiters[0]!.acceptTimeMs);
        if (!asked) continue;
        // Together they ask for more than there is: the oldest may still fit alone.
        if (this.serveWaiters(group) === 0) break;
        const first = group.waiters[0]!;
        const alone = await this.acquire(first.needs, first.acceptTimeMs);
        if (!alone) continue;
        refuse(group, first, alone);
      }
    } catch (error) {
      this.logger.warn('billing could not be asked for a lease', { error });
      // What billing refuses on purpose is told as it is; everything else means that it could not be asked.
      const isRefusal = error instanceof SwitchyardError && (error.row.blame === 'client' || error.row.blame === 'account');
      const shown = isRefusal ? error : billingAway('Billing is not reachable at the moment; try again shortly.');
      for (const waiter of group.waiters.splice(0)) waiter.reject(shown);
    } finally {
      group.isAcquiring = false;
      if (group.waiters.length === 0) this.groups.delete(groupId);
      else void this.acquireFor(groupId, group);
    }
  }

  /** Hands out reservations in order of arrival; returns how many still wait. */
  private serveWaiters(group: WaitingGroup): number {
    for (;;) {
      const first = group.waiters[0];
      const reservation = first && this.tryReserve(first.needs);
      if (!first || !reservation) return group.waiters.length;
      group.waiters.shift();
      first.resolve(reservation);
    }
  }

  /** Asks for what is missing of `needs`; returns the shortage when billing granted nothing. */
  private async acquire(needs: readonly ScopeNeed[], acceptTimeMs: number): Promise<billing.ScopeShortage | undefined> {
    const sentAtMs = this.clock.monotonicMs();
    const scopes: billing.ScopeRequest[] = [];
    for (const need of needs) {
      const held = this.scopes.get(need.id);
      const missing = need.amount - (held?.available(sentAtMs) ?? 0n);
      if (missing > 0n) scopes.push({ scope: need.scope, amountNeeded: missing, recentSpend: held?.recentSpend(sentAtMs) ?? 0n });
    }
    if (scopes.length === 0) return undefined;
    const response = await this.askBilling({
      holderId: this.options.holderId,
      epoch: this.options.epoch,
      requestId: `${this.options.holderId}:${this.requestCount++}`,
      scopes,
      acceptTimeMs: BigInt(acceptTimeMs),
    });
    if (response.shortage) return response.shortage;
    for (const lease of response.leases) this.hold(lease, sentAtMs);
    return undefined;
  }

  /** One more try with the same id after a lost answer: leases that were granted the first time are granted again, not twice. */
  private async askBilling(request: billing.AcquireLeasesRequest): Promise<billing.AcquireLeasesResponse> {
    const options = { timeoutMs: this.options.acquireTimeoutMs };
    this.acquireCallCount++;
    try {
      return await this.leasePort.acquireLeases(request, options);
    } catch (error) {
      if (!(error instanceof SwitchyardError) || error.type !== 'gateway_unavailable') throw error;
      this.acquireCallCount++;
      return this.leasePort.acquireLeases(request, options);
    }
  }

  private hold(lease: billing.Lease, sentAtMs: number): void {
    const id = scopeId(lease.scope!);
    let leases = this.scopes.get(id);
    if (!leases) {
      leases = new ScopeLeases(id, lease.scope!);
      this.scopes.set(id, leases);
    }
    leases.add({
      leaseId: lease.leaseId,
      granted: lease.granted,
      reserveBeforeMs: sentAtMs + Number(lease.reserveForMs),
      settleBeforeMs: sentAtMs + Number(lease.settleForMs),
      reserved: 0n,
      settled: 0n,
      released: 0n,
      isRecalled: false,
      mustAnswer: false,
    });
  }

  /** Keeps the next second's spend at hand, so that far from a limit no request waits for billing. */
  private prefetch(needs: readonly ScopeNeed[], nowMs: number): void {
    for (const need of needs) {
      const leases = this.scopes.get(need.id)!;
      const wanted = leases.recentSpend(nowMs);
      if (wanted === 0n || leases.available(nowMs) * 2n >= wanted) continue;
      if ((this.prefetchNotBeforeMs.get(need.id) ?? 0) > nowMs) continue;
      this.prefetchNotBeforeMs.set(need.id, nowMs + PREFETCH_PAUSE_MS);
      void this.acquire([{ ...need, amount: leases.available(nowMs) + wanted }], this.clock.nowMs()).catch((error: unknown) => {
        this.logger.debug('could not prefetch a lease', { error });
      });
    }
  }

  private async sweep(isClosing: boolean): Promise<void> {
    const nowMs = this.clock.monotonicMs();
    const releases: billing.LeaseRelease[] = [];
    for (const [id, leases] of this.scopes) {
      releases.push(...leases.collectReleases(nowMs, isClosing));
      if (leases.isEmpty) {
        this.scopes.delete(id);
        this.prefetchNotBeforeMs.delete(id);
      }
    }
    if (releases.length > 0) await this.release(releases);
  }

  private async release(releases: billing.LeaseRelease[]): Promise<void> {
    for (let attempt = 0; attempt < RELEASE_ATTEMPTS; attempt++) {
      try {
        await this.leasePort.releaseLeases({ holderId: this.options.holderId, epoch: this.options.epoch, releases });
        return;
      } catch (error) {
        this.logger.warn('could not give leases back', { error });
      }
    }
    // What could not be given back returns when billing abandons the lease.
  }
}

/** What a generation settles against one lease; goes into its event. */
export interface SettledUse {
  readonly leaseId: string;
  readonly amount: bigint;
}

const PREFETCH_PAUSE_MS = 200;
const RELEASE_ATTEMPTS = 3;

export function scopeId(scope: billing.LeaseScope): string {
  return `${scope.kind}:${scope.accountId}:${scope.keyHash}:${scope.windowStartMs}`;
}

export function isShortage(result: Reservation | Shortage): result is Shortage {
  return 'shortage' in result;
}

function sumNeeds(waiters: readonly Waiter[]): ScopeNeed[] {
  const sums = new Map<string, ScopeNeed>();
  for (const waiter of waiters) {
    for (const need of waiter.needs) {
      const sum = sums.get(need.id);
      sums.set(need.id, { ...need, amount: need.amount + (sum?.amount ?? 0n) });
    }
  }
  return [...sums.values()];
}

/** Who wants no less of the scope that is short is refused with the first: asking for each alone would keep billing busy with a key at its limit. */
function refuse(group: WaitingGroup, first: Waiter, shortage: billing.ScopeShortage): void {
  const id = shortage.scope && scopeId(shortage.scope);
  const amountOf = (waiter: Waiter) => waiter.needs.find((need) => need.id === id)?.amount ?? 0n;
  const leastAmount = amountOf(first);
  const isRefused = (waiter: Waiter) => waiter === first || (leastAmount > 0n && amountOf(waiter) >= leastAmount);
  const refused = group.waiters.filter(isRefused);
  group.waiters = group.waiters.filter((waiter) => !isRefused(waiter));
  for (const waiter of refused) waiter.resolve({ shortage });
}

function earliestSettle(parts: readonly ReservedPart[]): number {
  let earliestMs = Number.POSITIVE_INFINITY;
  for (const part of parts) earliestMs = Math.min(earliestMs, part.lease.settleBeforeMs);
  return earliestMs;
}

function billingAway(message: string): SwitchyardError {
  return new SwitchyardError('gateway_unavailable', message, { retryAfterMs: 1_000 });
}
