import { larger } from '@switchyard/core';

/**
 * The arithmetic of a scope: available = limit − held − spent. Money and quotas obey the same rules. A limit of undefined
 * means unlimited. `spent` may pass the limit only by settling more than was reserved, or when a limit is lowered; what is
 * missing then is the scope's excess, and nothing is granted until it is covered.
 */
export interface ScopeAmounts {
  readonly limit: bigint | undefined;
  readonly held: bigint;
  readonly spent: bigint;
}

export interface LeaseAmounts {
  readonly granted: bigint;
  /** Given back by the holder, in all. */
  readonly released: bigint;
  readonly settled: bigint;
  /** Nothing else is expected of it: whatever was open has returned. */
  readonly isResolved: boolean;
}

export interface ScopeAndLease {
  readonly scope: ScopeAmounts;
  readonly lease: LeaseAmounts;
}

/** Undefined when unlimited; negative while an excess waits to be covered. */
export function balanceOf(scope: ScopeAmounts): bigint | undefined {
  return scope.limit === undefined ? undefined : scope.limit - scope.held - scope.spent;
}

/** What may be granted now; undefined when unlimited. */
export function availableIn(scope: ScopeAmounts): bigint | undefined {
  const balance = balanceOf(scope);
  return balance !== undefined && balance < 0n ? 0n : balance;
}

/** What is missing. For an account's credit this is what the customer owes: the receivable. */
export function excessOf(scope: ScopeAmounts): bigint {
  const balance = balanceOf(scope);
  return balance !== undefined && balance < 0n ? -balance : 0n;
}

/** granted − released − settled: what a lease still keeps from others. Releases and settlements may come in any order. */
export function openHold(lease: LeaseAmounts): bigint {
  if (lease.isResolved) return 0n;
  const open = lease.granted - lease.released - lease.settled;
  return open > 0n ? open : 0n;
}

/** @throws RangeError when the scope has less: callers ask first. */
export function grant(scope: ScopeAmounts, amount: bigint): ScopeAmounts {
  const available = availableIn(scope);
  if (amount <= 0n || (available !== undefined && amount > available)) throw new RangeError(`cannot grant ${amount} of ${available}`);
  return { ...scope, held: scope.held + amount };
}

/** `releasedTotal` counts from the lease's beginning, so repeated and reordered releases change nothing. */
export function release({ scope, lease }: ScopeAndLease, releasedTotal: bigint): ScopeAndLease {
  if (releasedTotal <= lease.released) return { scope, lease };
  const capped = releasedTotal > lease.granted ? lease.granted : releasedTotal;
  return withLease(scope, lease, { ...lease, released: capped });
}

/** Counts spending against a lease; what its hold does not cover comes from what is available, or becomes excess. */
export function settle({ scope, lease }: ScopeAndLease, amount: bigint): ScopeAndLease {
  const after = withLease(scope, lease, { ...lease, settled: lease.settled + amount });
  return { scope: spend(after.scope, amount), lease: after.lease };
}

/** Counts spending that no lease was held for. */
export function spend(scope: ScopeAmounts, amount: bigint): ScopeAmounts {
  return { ...scope, spent: scope.spent + amount };
}

/** Returns what is open, for good. */
export function resolve({ scope, lease }: ScopeAndLease): ScopeAndLease {
  return withLease(scope, lease, { ...lease, isResolved: true });
}

function withLease(scope: ScopeAmounts, before: LeaseAmounts, after: LeaseAmounts): ScopeAndLease {
  return { scope: { ...scope, held: scope.held + openHold(after) - openHold(before) }, lease: after };
}

export interface GrantRequest {
  /** What the oldest waiting reservation needs at least. */
  readonly needed: bigint;
  /** What all that wait would take. */
  readonly wanted: bigint;
  /** The holder's own spend in the last 2 s, or a few reservations if that is more. */
  readonly recentSpend: bigint;
  /** Undefined when unlimited. */
  readonly available: bigint | undefined;
  readonly liveHolderCount: number;
}

/**
 * max(wanted, min(recent spend, available ÷ (2 × live holders))), and as much of that as there is: a stock while there is
 * plenty, what waits when there is little. Undefined when that is nothing, or less than needed.
 */
export function grantAmount({ needed, wanted, recentSpend, available, liveHolderCount }: GrantRequest): bigint | undefined {
  const share = available === undefined ? undefined : available / BigInt(2 * Math.max(1, liveHolderCount));
  const ahead = share === undefined || recentSpend < share ? recentSpend : share;
  const waiting = larger(needed, wanted);
  const asked = larger(waiting, ahead);
  const amount = available === undefined || asked <= available ? asked : available;
  if (amount > 0n) return amount >= needed ? amount : undefined;
  // Asked ahead of need by a holder that spent nothing lately: the least that is worth a lease.
  return available === undefined || available > 0n ? 1n : undefined;
}
