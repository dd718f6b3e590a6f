import { availableIn, grant, grantAmount, type ScopeAmounts } from './lease-scope.js';

/** One scope of a call, as it was resolved. */
export interface ScopeAsk {
  readonly scopeId: bigint;
  readonly needed: bigint;
  readonly recentSpend: bigint;
}

export interface Shortage {
  /** Which ask has too little. */
  readonly index: number;
  readonly available: bigint;
  readonly limit: bigint;
}

export interface GrantDecision {
  /** One per ask; empty with a shortage. */
  readonly grants: readonly bigint[];
  readonly heldByScope: ReadonlyMap<bigint, bigint>;
  readonly shortage: Shortage | undefined;
}

/** All asks or none. */
export function sizeGrants(asks: readonly ScopeAsk[], scopes: ReadonlyMap<bigint, ScopeAmounts>, liveHolderCount: number): GrantDecision {
  const amounts = new Map(scopes);
  const grants: bigint[] = [];
  const heldByScope = new Map<bigint, bigint>();
  for (const [index, { scopeId, needed, recentSpend }] of asks.entries()) {
    const scope = amounts.get(scopeId);
    if (!scope) throw new Error(`scope ${scopeId} is gone`);
    const available = availableIn(scope);
    const amount = grantAmount({ needed, recentSpend, available, liveHolderCount });
    if (amount === undefined) return { grants: [], heldByScope: new Map(), shortage: { index, available: available ?? 0n, limit: scope.limit ?? 0n } };
    amounts.set(scopeId, grant(scope, amount));
    grants.push(amount);
    heldByScope.set(scopeId, (heldByScope.get(scopeId) ?? 0n) + amount);
  }
  return { grants, heldByScope, shortage: undefined };
}

/**
 * The scopes that have too little but where holders keep enough: there a recall may help. None when some scope could not
 * give the amount even if every holder gave everything back.
 */
export function scopesToRecall(asks: readonly ScopeAsk[], scopes: ReadonlyMap<bigint, ScopeAmounts>): bigint[] {
  const short: bigint[] = [];
  for (const { scopeId, needed } of asks) {
    const scope = scopes.get(scopeId);
    const available = scope && availableIn(scope);
    if (!scope || scope.limit === undefined || available === undefined) continue;
    const wanted = needed > 0n ? needed : 1n;
    if (available >= wanted) continue;
    if (scope.limit - scope.spent < wanted) return [];
    short.push(scopeId);
  }
  return short;
}
