import type { billing } from '@switchyard/proto';
import type { CallTrace, CallWaiter } from '@switchyard/telemetry';
import type { LeaseWish } from './lease-supply.js';
import { leastAmount, scopeId, type Reservation, type ScopeNeed, type Shortage } from './reservation.js';

/** A request that waits for credit; one of its two ends is called once. */
export interface Waiter extends LeaseWish {
  /** Hears of the calls to billing that it waits for. */
  readonly trace?: CallWaiter | undefined;
  resolve(result: Reservation | Shortage): void;
  reject(error: unknown): void;
}

/** Takes the needs from what is held, or answers undefined. */
export type Reserve = (needs: readonly ScopeNeed[]) => Reservation | undefined;

/** Everything that waits for the same set of scopes, in order of arrival: who is served, who with less, and who is refused. */
export class WaitingLine {
  /** A call to billing is under way for it: one at most. */
  isAcquiring = false;
  private call: CallTrace | undefined;
  private waiters: Waiter[] = [];

  /** Those that wait now, the oldest first. */
  get waiting(): readonly Waiter[] {
    return [...this.waiters];
  }

  get isEmpty(): boolean {
    return this.waiters.length === 0;
  }

  join(waiter: Waiter): void {
    this.waiters.push(waiter);
    if (this.call?.isUnderWay) waiter.trace?.waitsFor(this.call);
  }

  /** Billing is asked: those that wait now, and who comes before it answers, wait for this call. */
  waitFor(call: CallTrace): void {
    this.call = call;
    for (const { trace } of this.waiters) trace?.waitsFor(call);
  }

  /** Hands out whole reservations until there is not enough for the oldest; returns how many still wait. */
  serve(reserve: Reserve): number {
    for (;;) {
      const first = this.waiters[0];
      const reservation = first && reserve(first.needs);
      if (!first || !reservation) return this.waiters.length;
      this.waiters.shift();
      first.resolve(reservation);
    }
  }

  /** Whoever of those that were asked for can do with what is held gets it. */
  serveAsked(asked: readonly Waiter[], reserve: Reserve): void {
    const waiting = new Set(this.waiters);
    for (const waiter of asked) {
      const reservation = waiting.has(waiter) ? reserve(waiter.needs) : undefined;
      if (!reservation) continue;
      waiting.delete(waiter);
      waiter.resolve(reservation);
    }
    this.waiters = [...waiting];
  }

  /**
   * Whoever needs more than there can be of the scope that is short is refused with the first: asking for each alone would
   * keep all of them waiting. Who came while billing was asked is not: what has come back meanwhile is for them. `held` is what
   * could be reserved here of that scope. Nobody is refused when the first has been served meanwhile.
   */
  refuse(asked: readonly Waiter[], shortage: billing.ScopeShortage, held: bigint): void {
    const first = asked[0]!;
    if (this.waiters[0] !== first) return;
    const wasAsked = new Set(asked);
    const id = shortage.scope && scopeId(shortage.scope);
    const leastOf = (waiter: Waiter) => leastAmount(waiter.needs.find((need) => need.id === id));
    const unspent = shortage.unspent ?? 0n;
    // Billing recalls for what the unspent rest can bear; beyond that it knows the answer without asking anybody.
    const wasRecalled = leastOf(first) - held <= unspent;
    const most = held + (wasRecalled ? shortage.available : unspent);
    const isRefused = (waiter: Waiter) => waiter === first || (wasAsked.has(waiter) && leastOf(waiter) > most);
    const refused = this.waiters.filter(isRefused);
    this.waiters = this.waiters.filter((waiter) => !isRefused(waiter));
    for (const waiter of refused) waiter.resolve({ shortage });
  }

  /** Nobody waits any more. */
  rejectAll(error: unknown): void {
    for (const waiter of this.waiters.splice(0)) waiter.reject(error);
  }
}
