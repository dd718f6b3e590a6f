import { availableIn, grant, grantAmount, type ScopeAmounts } from './lease-scope.js';

/** One scope of a call, as it was resolved. */
export interface ScopeAsk {
  readonly scopeId: bigint;
  readonly needed: bigint;
  /** At least `needed`. */
  readonly wanted: bigint;
  readonly recentSpend: bigint;
}

export interface Shortage {
  /** Which ask has too little. */
  readonly index: number;
  readonly available: bigint;
  readonly limit: bigint;
  /** What could become available at most. */
  readonly unspent: bigint;
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
  for (const [index, { scopeId, needed, wanted, recentSpend }] of asks.entries()) {
    const scope = amounts.get(scopeId);
    if (!scope) throw new Error(`scope ${scopeId} is gone`);
    const available = availableIn(scope);
    const amount = grantAmount({ needed, wanted, recentSpend, available, liveHolderCount });
    if (amount === undefined) return { grants: [], heldByScope: new Map(), shortage: shortageOf(index, scopes.get(scopeId)!) };
    amounts.set(scopeId, grant(scope, amount));
    grants.push(amount);
    heldByScope.set(scopeId, (heldByScope.get(scopeId) ?? 0n) + amount);
  }
  return { grants, heldByScope, shortage: undefined };
}

export function shortageOf(index: number, scope: ScopeAmounts): Shortage {
  return { index, available: availableIn(scope) ?? 0n, limit: scope.limit ?? 0n, unspent: unspentOf(scope) };
}

/**
 * The scopes that have less than is wanted: there a recall may help. None when some scope could not give what is needed
 * even if every holder gave everything back.
 */
export function scopesToRecall(asks: readonly ScopeAsk[], scopes: ReadonlyMap<bigint, ScopeAmounts>): bigint[] {
  const short: bigint[] = [];
  for (const { scopeId, needed, wanted } of asks) {
    const scope = scopes.get(scopeId);
    const available = scope && availableIn(scope);
    if (!scope || available === undefined) continue;
    const least = needed > 0n ? needed : 1n;
    if (unspentOf(scope) < least) return [];
    if (available < wanted || available < least) short.push(scopeId);
  }
  return short;
}

function unspentOf({ limit, spent }: ScopeAmounts): bigint {
  return limit === undefined || limit <= spent ? 0n : limit - spent;
}
