import { larger, smaller, type Clock } from '@switchyard/core';
import type { billing } from '@switchyard/proto';
import type { CallTrace, Logger } from '@switchyard/telemetry';
import type { HeldScopes } from './held-scopes.js';
import type { LeaseCalls } from './lease-calls.js';
import type { LeaseReturns } from './lease-returns.js';
import { leastAmount, scopeId, spareAmount, type ScopeNeed } from './reservation.js';

/** What a request that waits for leases needs. */
export interface LeaseWish {
  readonly needs: readonly ScopeNeed[];
  readonly acceptTimeMs: number;
}

export interface Acquired {
  /** Set when billing granted nothing. */
  readonly shortage: billing.ScopeShortage | undefined;
  /** Billing granted less than was wanted: there is no more. */
  readonly isPartial: boolean;
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

/** Of 64 bits. */
const MAX_TOLD_AMOUNT = 2n ** 63n - 1n;
const PREFETCH_PAUSE_MS = 200;
/** For calls under way that may bring what is needed. */
const PATIENCE_MS = 500;

/** Gets leases from billing: for those that wait, and ahead of need, so that far from a limit nobody waits. */
export class LeaseSupply {
  /** Per scope, the call under way that asks ahead of need; they never fail. */
  private readonly prefetching = new Map<string, Promise<void>>();

  constructor(
    private readonly held: HeldScopes,
    private readonly returns: LeaseReturns,
    private readonly calls: LeaseCalls,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /** Keeps the next second's spend of the scopes just reserved from at hand. */
  prefetch(needs: readonly ScopeNeed[], nowMs: number): void {
    for (const need of needs) {
      const leases = this.held.of(need.id)!;
      const wanted = leases.recentSpend(nowMs);
      if (wanted === 0n || leases.holds((wanted + 1n) / 2n, nowMs)) continue;
      if (leases.prefetchNotBeforeMs > nowMs) continue;
      leases.prefetchNotBeforeMs = nowMs + PREFETCH_PAUSE_MS;
      void this.prefetchOne(need, wanted, nowMs);
    }
  }

  /**
   * Asks for at least what the first needs, and for as much of what all want as there is. All need the same scopes. `onCall` hears of
   * each call that this takes, where calls are traced.
   * @throws SwitchyardError what billing refuses with, or `gateway_unavailable`.
   */
  async acquireFor(wishes: readonly LeaseWish[], onCall: (call: CallTrace) => void): Promise<Acquired> {
    const first = wishes[0]!;
    // What a recall has freed here meanwhile is billing's to grant, to us too: it must know of it first.
    const nowMs = this.clock.monotonicMs();
    if (this.calls.hasUnsent || first.needs.some((need) => this.held.of(need.id)?.hasReturns(nowMs) === true)) void this.returns.sweep();
    // And what was asked for ahead is ours already: billing would call it missing.
    // Nor does it know that we never heard of what it granted.
    const takenOver = this.calls.unheard.length > 0 ? [this.returns.takeOver()] : [];
    const underWay = [...this.calls.openReleases, ...takenOver, ...first.needs.flatMap((need) => this.prefetching.get(need.id) ?? [])];
    if (underWay.length > 0) await endOrTimeout(Promise.all(underWay), PATIENCE_MS);
    const sentAtMs = this.clock.monotonicMs();
    const wanted = sumNeeds(wishes);
    const asks = first.needs.map((need) => this.askOf(need, wanted.get(need.id) ?? need.amount, sentAtMs)).filter((ask) => ask.wanted > 0n);
    const needed = asks.filter((ask) => ask.needed > 0n);
    const acquired = await this.acquire(asks, first.acceptTimeMs, sentAtMs, onCall);
    const shortId = acquired.shortage?.scope && scopeId(acquired.shortage.scope);
    // Nothing more to be had of a scope that has enough for the first already: that must not keep it from the others.
    const isNeedless = needed.length > 0 && asks.some((ask) => ask.need.id === shortId && ask.needed === 0n);
    if (!isNeedless) return acquired;
    return { ...(await this.acquire(needed, first.acceptTimeMs, this.clock.monotonicMs(), onCall)), isPartial: true };
  }

  private askOf(need: ScopeNeed, wantedInAll: bigint, nowMs: number): Ask {
    const held = this.held.of(need.id);
    const available = held?.available(nowMs) ?? 0n;
    const needed = larger(0n, leastAmount(need) - available);
    return { need, needed, wanted: larger(needed, wantedInAll - available), ahead: larger(held?.recentSpend(nowMs) ?? 0n, spareAmount(need)) };
  }

  private async acquire(asks: readonly Ask[], acceptTimeMs: number, sentAtMs: number, onCall?: (call: CallTrace) => void): Promise<Acquired> {
    if (asks.length === 0) return { shortage: undefined, isPartial: false };
    const scopes = asks.map(({ need, needed, wanted, ahead }) => ({
      scope: need.scope,
      amountNeeded: told(needed),
      amountWanted: told(wanted),
      recentSpend: told(ahead),
    }));
    const call = this.calls.traceAcquire();
    if (call) onCall?.(call);
    // Recalls that overtook this answer: after its leases are held and those that waited for them are served.
    const response = await this.calls.acquire(scopes, acceptTimeMs, call).finally(() => setImmediate(() => this.returns.recallEarly()));
    if (response.shortage) return { shortage: response.shortage, isPartial: false };
    for (const lease of response.leases) this.held.hold(lease, sentAtMs, call);
    return { shortage: undefined, isPartial: asks.some((ask, index) => (response.leases[index]?.granted ?? 0n) < ask.wanted) };
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
}

/** Clients name any `max_tokens`. Nobody has as much as a message can tell: who asks for more is refused as well, and not together with all who wait beside it. */
function told(amount: bigint): bigint {
  return smaller(amount, MAX_TOLD_AMOUNT);
}

function sumNeeds(wishes: readonly LeaseWish[]): ReadonlyMap<string, bigint> {
  const sums = new Map<string, bigint>();
  for (const wish of wishes) for (const need of wish.needs) sums.set(need.id, need.amount + (sums.get(need.id) ?? 0n));
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
