import type { billing } from '@switchyard/proto';
import type { ReservedPart } from './scope-leases.js';

/** One scope that an attempt needs, and how much of it. */
export interface ScopeNeed {
  readonly id: string;
  readonly scope: billing.LeaseScope;
  readonly amount: bigint;
  /** Less than the amount is welcome, down to this, where there is no more. Then every need names the same two figures. */
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

export function scopeId(scope: billing.LeaseScope): string {
  return `${scope.kind}:${scope.accountId}:${scope.keyHash}:${scope.windowStartMs}`;
}

export function isShortage(result: Reservation | Shortage): result is Shortage {
  return 'shortage' in result;
}
