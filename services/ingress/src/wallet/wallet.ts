import type { Clock } from '@switchyard/core';
import { SwitchyardError } from '@switchyard/errors';
import type { billing } from '@switchyard/proto';
import type { Logger } from '@switchyard/telemetry';
import type { LeaseCalls } from './lease-calls.js';
import { leastAmount, scopeId, spareAmount, type Reservation, type ScopeNeed, type SettledUse, type Shortage } from './reservation.js';
import { ScopeLeases, type ReservedPart } from './scope-leases.js';

/** What is held of one scope; amounts in the kind's unit (pico-USD, requests or tokens). */
export interface WalletHolding {
  readonly kind: billing.LeaseScopeKind;
  readonly leaseCount: number;
  readonly availableAmount: bigint;
  readonly reservedAmount: bigint;
}

export interface WalletOptions {
  readonly maxWaiters: number;
  readonly sweepIntervalMs: number;
}

interface Waiter {
  readonly needs: readonly ScopeNeed[];
  readonly acceptTimeMs: number;
  resolve(result: Reservation | Shortage): void;
  reject(error: unknown): void;
}

/** What one call to billing asks of one scope. */
interface Ask {
  readonly need: ScopeNeed;
  /** With less than this nothing is granted. */
  readonly needed: bigint;
  readonly wanted: bigint;
  /** What is welcome on top, where there is plenty. */
  readonly ahead: bigint;
}

interface Acquired {
  /** Set when billing granted nothing. */
  readonly shortage: billing.ScopeShortage | undefined;
  /** Billing granted less than was wanted: there is no more. */
  readonly isPartial: boolean;
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
  /** Per scope, the call under way that asks ahead of need; they never fail. */
  private readonly prefetching = new Map<string, Promise<void>>();
  private readonly recalledEarly = new Set<string>();
  private waiterCount = 0;
  private sweepTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly calls: LeaseCalls,
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

  /** Requests that wait for billing. */
  get waiting(): number {
    return this.waiterCount;
  }

  /** One entry per scope that has leases. */
  holdings(): WalletHolding[] {
    const nowMs = this.clock.monotonicMs();
    return [...this.scopes.values()].map((leases) => ({
      kind: leases.scope.kind,
      leaseCount: leases.size,
      availableAmount: leases.available(nowMs),
      reservedAmount: leases.reserved,
    }));
  }

  /** What could be reserved of a scope without asking billing. */
  heldAvailable(scope: billing.LeaseScope): bigint {
    return this.scopes.get(scopeId(scope))?.available(this.clock.monotonicMs()) ?? 0n;
  }

  /** Ends a reservation with what it really used: `spentOf` names it per scope; the leases that were used come back for the event. */
  settle(reservation: Reservation, spentOf: (scope: billing.LeaseScope) => bigint): SettledUse[] {
    const nowMs = this.clock.monotonicMs();
    const [only] = reservation.parts;
    if (only && reservation.parts.length === 1) {
      const spent = spentOf(only.leases.scope);
      only.leases.settle(only, spent, nowMs);
      return [{ leaseId: only.lease.leaseId, amount: spent }];
    }
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
    const unknown = new Set(leaseIds);
    for (const leases of this.scopes.values()) for (const leaseId of leaseIds) if (leases.recall(leaseId)) unknown.delete(leaseId);
    // A recall may overtake the answer that grants the lease.
    for (const leaseId of unknown) this.recalledEarly.add(leaseId);
    void this.sweep(false);
    if (!this.calls.isAcquiring) this.answerUnknown();
  }

  /** Recalled leases that no call can bring any more: somebody waits to hear that nothing comes of them. */
  private answerUnknown(): void {
    const releases = [...this.recalledEarly].map((leaseId) => ({ leaseId, releasedTotal: 0n, isClosed: false }));
    this.recalledEarly.clear();
    if (releases.length > 0) void this.calls.release(releases);
  }

  private async acquireFor(groupId: string, group: WaitingGroup): Promise<void> {
    group.isAcquiring = true;
    try {
      while (this.serveWaiters(group) > 0) {
        const asked = [...group.waiters];
        const { shortage, isPartial } = await this.acquireForAll(asked);
        if (shortage === undefined && !isPartial) continue;
        // Billing has no more: whoever can do with less takes what is held now.
        this.serveWaiters(group);
        this.serveWithLess(group, asked);
        if (shortage && group.waiters[0] === asked[0]) this.refuse(group, asked, shortage);
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

  /** Hands out whole reservations in order of arrival; returns how many still wait. */
  private serveWaiters(group: WaitingGroup): number {
    for (;;) {
      const first = group.waiters[0];
      const reservation = first && this.tryReserve(first.needs);
      if (!first || !reservation) return group.waiters.length;
      group.waiters.shift();
      first.resolve(reservation);
    }
  }

  /** What is held goes to those that were asked for and take less, in order of arrival. */
  private serveWithLess(group: WaitingGroup, asked: readonly Waiter[]): void {
    const waiting = new Set(group.waiters);
    for (const waiter of asked) {
      const reservation = waiting.has(waiter) ? (this.tryReserve(waiter.needs) ?? this.tryReserveLess(waiter.needs)) : undefined;
      if (!reservation) continue;
      waiting.delete(waiter);
      waiter.resolve(reservation);
    }
    group.waiters = [...waiting];
  }

  /** As much of every need as the scarcest scope has, if that is not too little. */
  private tryReserveLess(needs: readonly ScopeNeed[]): Reservation | undefined {
    const nowMs = this.clock.monotonicMs();
    let amount: bigint | undefined;
    for (const need of needs) {
      const available = this.scopes.get(need.id)?.available(nowMs) ?? 0n;
      if (need.least === undefined || available < need.least) return undefined;
      if (amount === undefined || available < amount) amount = available;
    }
    return amount === undefined || amount === 0n ? undefined : this.tryReserve(needs.map((need) => ({ ...need, amount: smaller(amount, need.amount) })));
  }

  /**
   * Whoever needs more than there can be of the scope that is short is refused with the first: asking for each alone would
   * keep all of them waiting. Who came while billing was asked is not: what has come back meanwhile is for them.
   */
  private refuse(group: WaitingGroup, asked: readonly Waiter[], shortage: billing.ScopeShortage): void {
    const first = asked[0]!;
    const wasAsked = new Set(asked);
    const id = shortage.scope && scopeId(shortage.scope);
    const leastOf = (waiter: Waiter) => leastAmount(waiter.needs.find((need) => need.id === id));
    const held = (id === undefined ? undefined : this.scopes.get(id)?.available(this.clock.monotonicMs())) ?? 0n;
    const unspent = shortage.unspent ?? 0n;
    // Billing recalls for what the unspent rest can bear; beyond that it knows the answer without asking anybody.
    const wasRecalled = leastOf(first) - held <= unspent;
    const most = held + (wasRecalled ? shortage.available : unspent);
    const isRefused = (waiter: Waiter) => waiter === first || (wasAsked.has(waiter) && leastOf(waiter) > most);
    const refused = group.waiters.filter(isRefused);
    group.waiters = group.waiters.filter((waiter) => !isRefused(waiter));
    for (const waiter of refused) waiter.resolve({ shortage });
  }

  /** Asks for at least what the first needs, and for as much of what all want as there is. */
  private async acquireForAll(waiters: readonly Waiter[]): Promise<Acquired> {
    const first = waiters[0]!;
    // What a recall has freed here meanwhile is billing's to grant, to us too: it must know of it first.
    const nowMs = this.clock.monotonicMs();
    if (first.needs.some((need) => this.scopes.get(need.id)?.hasReturns(nowMs) === true)) void this.sweep(false);
    // And what was asked for ahead is ours already: billing would call it missing.
    const underWay = [...this.calls.openReleases, ...first.needs.flatMap((need) => this.prefetching.get(need.id) ?? [])];
    if (underWay.length > 0) await endOrTimeout(Promise.all(underWay), PATIENCE_MS);
    const sentAtMs = this.clock.monotonicMs();
    const wanted = sumNeeds(waiters);
    const asks = first.needs.map((need) => this.askOf(need, wanted.get(need.id) ?? need.amount, sentAtMs)).filter((ask) => ask.wanted > 0n);
    const needed = asks.filter((ask) => ask.needed > 0n);
    const acquired = await this.acquire(asks, first.acceptTimeMs, sentAtMs);
    const shortId = acquired.shortage?.scope && scopeId(acquired.shortage.scope);
    // Nothing more to be had of a scope that has enough for the first already: that must not keep it from the others.
    const isNeedless = needed.length > 0 && asks.some((ask) => ask.need.id === shortId && ask.needed === 0n);
    if (!isNeedless) return acquired;
    return { ...(await this.acquire(needed, first.acceptTimeMs, this.clock.monotonicMs())), isPartial: true };
  }

  private askOf(need: ScopeNeed, wantedInAll: bigint, nowMs: number): Ask {
    const held = this.scopes.get(need.id);
    const available = held?.available(nowMs) ?? 0n;
    const needed = larger(0n, leastAmount(need) - available);
    return { need, needed, wanted: larger(needed, wantedInAll - available), ahead: larger(held?.recentSpend(nowMs) ?? 0n, spareAmount(need)) };
  }

  private async acquire(asks: readonly Ask[], acceptTimeMs: number, sentAtMs: number): Promise<Acquired> {
    if (asks.length === 0) return { shortage: undefined, isPartial: false };
    const scopes = asks.map(({ need, needed, wanted, ahead }) => ({ scope: need.scope, amountNeeded: needed, amountWanted: wanted, recentSpend: ahead }));
    // Recalls that overtook this answer: after its leases are held and those that waited for them are served.
    const response = await this.calls.acquire(scopes, acceptTimeMs).finally(() => setImmediate(() => this.recallEarly()));
    if (response.shortage) return { shortage: response.shortage, isPartial: false };
    for (const lease of response.leases) this.hold(lease, sentAtMs);
    return { shortage: undefined, isPartial: asks.some((ask, index) => (response.leases[index]?.granted ?? 0n) < ask.wanted) };
  }

  private recallEarly(): void {
    if (this.recalledEarly.size === 0) return;
    const leaseIds = [...this.recalledEarly];
    this.recalledEarly.clear();
    this.recall(leaseIds);
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
      if (wanted === 0n || leases.holds((wanted + 1n) / 2n, nowMs)) continue;
      if ((this.prefetchNotBeforeMs.get(need.id) ?? 0) > nowMs) continue;
      this.prefetchNotBeforeMs.set(need.id, nowMs + PREFETCH_PAUSE_MS);
      void this.prefetchOne(need, wanted, nowMs);
    }
  }

  /** By billing's clock, which ours may differ from; and never so much that others would have to give something back. */
  private async prefetchOne(need: ScopeNeed, recentSpend: bigint, nowMs: number): Promise<void> {
    const prefetched = this.acquire([{ need, needed: 0n, wanted: 0n, ahead: larger(recentSpend, spareAmount(need)) }], 0, nowMs).then(
      () => undefined,
      (error: unknown) => this.logger.debug('could not prefetch a lease', { error }),
    );
    this.prefetching.set(need.id, prefetched);
    await prefetched;
    if (this.prefetching.get(need.id) === prefetched) this.prefetching.delete(need.id);
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
    if (releases.length > 0) await this.calls.release(releases);
  }
}

const PREFETCH_PAUSE_MS = 200;
/** For calls under way that may bring what is needed. */
const PATIENCE_MS = 500;

function sumNeeds(waiters: readonly Waiter[]): ReadonlyMap<string, bigint> {
  const sums = new Map<string, bigint>();
  for (const waiter of waiters) for (const need of waiter.needs) sums.set(need.id, need.amount + (sums.get(need.id) ?? 0n));
  return sums;
}

/** Waits for work that never fails, but not for ever. */
function endOrTimeout(work: Promise<unknown>, timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, timeoutMs);
    void work.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function earliestSettle(parts: readonly ReservedPart[]): number {
  let earliestMs = Number.POSITIVE_INFINITY;
  for (const part of parts) earliestMs = Math.min(earliestMs, part.lease.settleBeforeMs);
  return earliestMs;
}

function billingAway(message: string): SwitchyardError {
  return new SwitchyardError('gateway_unavailable', message, { retryAfterMs: 1_000 });
}
