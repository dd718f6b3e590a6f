import { billing } from '@switchyard/proto';
import type { ReservedPart, ScopeLeases } from './scope-leases.js';

/** Reservations' worth of money to ask for at once: an answer mostly costs a fraction of what it reserves, so the same lease then serves many in turn. */
const SPARE_RESERVATIONS = 4n;
/** Scopes that hold pico-USD; all others count requests or tokens. */
export const MONEY_SCOPES: ReadonlySet<billing.LeaseScopeKind> = new Set([billing.LeaseScopeKind.ACCOUNT_CREDIT, billing.LeaseScopeKind.KEY_LIMIT]);

/** One scope that an attempt needs, and how much of it. */
export interface ScopeNeed {
  readonly id: string;
  readonly scope: billing.LeaseScope;
  readonly amount: bigint;
  /** Less than the amount is welcome, down to this, where there is no more. All needs that name it name the same two figures. */
  readonly least?: bigint;
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

/** What a generation settles against one lease; goes into its event. */
export interface SettledUse {
  readonly leaseId: string;
  readonly amount: bigint;
}

/** Equal for equal scopes: what maps of this process are keyed by. */
export function scopeId(scope: billing.LeaseScope): string {
  return `${scope.kind}:${scope.accountId}:${scope.keyHash}:${scope.windowStartMs}`;
}

export function isShortage(result: Reservation | Shortage): result is Shortage {
  return 'shortage' in result;
}

/** What an attempt can do with; nothing where it does not need the scope. */
export function leastAmount(need: ScopeNeed | undefined): bigint {
  return need?.least ?? need?.amount ?? 0n;
}

/** What is welcome on top of a need where there is plenty. Quotas are small numbers that run out by the minute: of these nothing is kept in stock. */
export function spareAmount({ scope, amount }: ScopeNeed): bigint {
  return MONEY_SCOPES.has(scope.kind) ? SPARE_RESERVATIONS * amount : 0n;
}

/** Ends a reservation with what it really used: `spentOf` names it per scope; the leases that were used come back for the event. */
export function settleReservation({ parts }: Reservation, spentOf: (scope: billing.LeaseScope) => bigint, nowMs: number): SettledUse[] {
  const [only] = parts;
  if (only && parts.length === 1) {
    const spent = spentOf(only.leases.scope);
    only.leases.settle(only, spent, nowMs);
    return [{ leaseId: only.lease.leaseId, amount: spent }];
  }
  const uses: SettledUse[] = [];
  const lastPartOfScope = new Map<ScopeLeases, ReservedPart>();
  for (const part of parts) lastPartOfScope.set(part.leases, part);
  const unspent = new Map<ScopeLeases, bigint>();
  for (const part of parts) {
    const left = unspent.get(part.leases) ?? spentOf(part.leases.scope);
    // What exceeds the reservation stays with its last lease: billing posts the excess to the receivable.
    const spent = left < part.amount || lastPartOfScope.get(part.leases) === part ? left : part.amount;
    unspent.set(part.leases, left - spent);
    part.leases.settle(part, spent, nowMs);
    uses.push({ leaseId: part.lease.leaseId, amount: spent });
  }
  return uses;
}
