import type { Clock } from '@switchyard/core';
import { SwitchyardError } from '@switchyard/errors';
import type { billing } from '@switchyard/proto';
import type { CallWaiter, Logger } from '@switchyard/telemetry';
import { HeldScopes, type WalletHolding } from './held-scopes.js';
import type { LeaseCalls } from './lease-calls.js';
import { LeaseReturns } from './lease-returns.js';
import { LeaseSupply } from './lease-supply.js';
import { scopeId, settleReservation, type Reservation, type ScopeNeed, type SettledUse, type Shortage } from './reservation.js';
import { WaitingLine } from './waiting-line.js';

export interface WalletOptions {
  readonly maxWaiters: number;
  readonly sweepIntervalMs: number;
}

/**
 * Spends from leases in memory and asks billing only for more. Reservations are synchronous while the
 * leases suffice; near a limit every request asks, so that no number of ingresses overspends.
 */
export class Wallet {
  private readonly held = new HeldScopes();
  private readonly returns: LeaseReturns;
  private readonly supply: LeaseSupply;
  private readonly lines = new Map<string, WaitingLine>();
  private waiterCount = 0;

  constructor(
    calls: LeaseCalls,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly options: WalletOptions,
  ) {
    this.returns = new LeaseReturns(this.held, calls, clock);
    this.supply = new LeaseSupply(this.held, this.returns, calls, clock, logger);
  }

  start(): void {
    this.returns.start(this.options.sweepIntervalMs);
  }

  /** Gives everything unreserved back; call it when no generation runs any more. */
  close(): Promise<void> {
    return this.returns.close();
  }

  /** The whole need from leases held, or undefined: the path of nearly every request. */
  tryReserve(needs: readonly ScopeNeed[]): Reservation | undefined {
    const nowMs = this.clock.monotonicMs();
    const reservation = this.held.reserve(needs, nowMs);
    if (reservation) this.supply.prefetch(needs, nowMs);
    return reservation;
  }

  /**
   * Waits for billing where the leases held do not suffice; `trace` hears of the calls that this takes.
   * @throws SwitchyardError `gateway_unavailable` when billing cannot be asked or too many wait.
   */
  async reserve(needs: readonly ScopeNeed[], acceptTimeMs: number, trace?: CallWaiter): Promise<Reservation | Shortage> {
    const reservation = this.tryReserve(needs);
    if (reservation) return reservation;
    if (this.waiterCount >= this.options.maxWaiters) throw billingAway('Too many requests wait for credit; try again shortly.');
    const lineId = needs.map((need) => need.id).join('|');
    const line = this.lines.get(lineId) ?? new WaitingLine();
    this.lines.set(lineId, line);
    this.waiterCount++;
    try {
      return await new Promise<Reservation | Shortage>((resolve, reject) => {
        line.join({ needs, acceptTimeMs, trace, resolve, reject });
        if (!line.isAcquiring) void this.acquireFor(lineId, line);
      });
    } finally {
      this.waiterCount--;
    }
  }

  /** Ends a reservation with what it really used: `spentOf` names it per scope; the leases that were used come back for the event. */
  settle(reservation: Reservation, spentOf: (scope: billing.LeaseScope) => bigint): SettledUse[] {
    return settleReservation(reservation, spentOf, this.clock.monotonicMs());
  }

  /** Billing asks for money back. */
  recall(leaseIds: readonly string[]): void {
    this.returns.recall(leaseIds);
  }

  /** Requests that wait for billing. */
  get waiting(): number {
    return this.waiterCount;
  }

  /** One entry per scope that has leases. */
  holdings(): WalletHolding[] {
    return this.held.holdings(this.clock.monotonicMs());
  }

  /** What could be reserved of a scope without asking billing. */
  heldAvailable(scope: billing.LeaseScope): bigint {
    return this.held.available(scopeId(scope), this.clock.monotonicMs());
  }

  /** Asks billing until nobody waits in the line. */
  private async acquireFor(lineId: string, line: WaitingLine): Promise<void> {
    line.isAcquiring = true;
    try {
      while (line.serve(this.reserveWhole) > 0) {
        const asked = line.waiting;
        const { shortage, isPartial } = await this.supply.acquireFor(asked, (call) => line.waitFor(call));
        if (shortage === undefined && !isPartial) continue;
        // Billing has no more: whoever can do with less takes what is held now.
        line.serve(this.reserveWhole);
        line.serveAsked(asked, this.reserveWholeOrLess);
        if (shortage) line.refuse(asked, shortage, shortage.scope ? this.heldAvailable(shortage.scope) : 0n);
      }
    } catch (error) {
      this.logger.warn('billing could not be asked for a lease', { error });
      line.rejectAll(shownError(error));
    } finally {
      line.isAcquiring = false;
      if (line.isEmpty) this.lines.delete(lineId);
      else void this.acquireFor(lineId, line);
    }
  }

  private readonly reserveWhole = (needs: readonly ScopeNeed[]): Reservation | undefined => this.tryReserve(needs);

  private readonly reserveWholeOrLess = (needs: readonly ScopeNeed[]): Reservation | undefined => {
    const whole = this.tryReserve(needs);
    if (whole) return whole;
    const affordable = this.held.affordableNeeds(needs, this.clock.monotonicMs());
    return affordable && this.tryReserve(affordable);
  };
}

/** What billing refuses on purpose is told as it is; everything else means that it could not be asked. */
function shownError(error: unknown): unknown {
  const isRefusal = error instanceof SwitchyardError && (error.row.blame === 'client' || error.row.blame === 'account');
  return isRefusal ? error : billingAway('Billing is not reachable at the moment; try again shortly.');
}

function billingAway(message: string): SwitchyardError {
  return new SwitchyardError('gateway_unavailable', message, { retryAfterMs: 1_000 });
}
