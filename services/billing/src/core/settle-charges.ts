import { larger, smaller } from '@switchyard/core';
import type { ScopeIdentity } from './lease-scope-identity.js';
import { excessOf, settle, spend, type LeaseAmounts, type ScopeAmounts } from './lease-scope.js';

/** A scope whose lock is held; its amounts change in place. */
export interface OpenScope extends ScopeIdentity {
  readonly scopeId: bigint;
  amounts: ScopeAmounts;
}

export interface OpenLease {
  readonly leaseId: string;
  readonly scopeId: bigint;
  amounts: LeaseAmounts;
  readonly resolution: 'spent' | 'epoch_closed' | 'abandoned' | undefined;
}

/** What one generation is charged, and which leases it names. */
export interface ChargeToSettle {
  readonly accountId: string;
  readonly keyHash: string;
  readonly chargePico: bigint;
  /** As the ingress saw it: charge above its reservation. */
  readonly underestimatedPico: bigint;
  readonly leases: readonly { readonly leaseId: string; readonly amount: bigint }[];
}

export interface SettledCharge {
  /** Part of the charge that became receivable. */
  readonly uncoveredPico: bigint;
  /** Part of the charge that no lease covered. */
  readonly excessPico: bigint;
  readonly flags: readonly ('late' | 'underestimated')[];
}

/** Locked scopes and leases of a batch, indexed by what charges name. */
export class SettlementState {
  private readonly creditOf = new Map<string, OpenScope>();
  private readonly limitsOf = new Map<string, OpenScope[]>();

  constructor(
    private readonly scopes: ReadonlyMap<bigint, OpenScope>,
    private readonly leases: ReadonlyMap<string, OpenLease>,
  ) {
    for (const scope of scopes.values()) {
      if (scope.kind === 'account_credit') this.creditOf.set(scope.accountId, scope);
      if (scope.kind === 'key_limit') this.limitsOf.set(scope.keyHash, [...(this.limitsOf.get(scope.keyHash) ?? []), scope]);
    }
  }

  creditScope(accountId: string): OpenScope | undefined {
    return this.creditOf.get(accountId);
  }

  /** Settles one charge; the account's credit must be there. Leases of other accounts or keys are not touched. */
  settle(charge: ChargeToSettle, acceptTimeMs: number): SettledCharge {
    const credit = this.creditOf.get(charge.accountId);
    if (!credit) throw new Error('the account has no credit scope');
    const owedBefore = excessOf(credit.amounts);
    const counted = new Map<bigint, bigint>();
    let isLate = false;
    let leaseExcess = 0n;
    for (const use of charge.leases) {
      const lease = this.leases.get(use.leaseId);
      const scope = lease && this.scopes.get(lease.scopeId);
      // Quota windows are dropped after a day; what a lost lease was for cannot be told, and the charge still counts below.
      if (!scope || scope.accountId !== charge.accountId || (scope.keyHash !== '' && scope.keyHash !== charge.keyHash)) continue;
      const amount = scope === credit ? smaller(use.amount, charge.chargePico - (counted.get(scope.scopeId) ?? 0n)) : use.amount;
      if (lease.resolution === 'abandoned' || lease.resolution === 'epoch_closed') isLate = true;
      else if (scope === credit) leaseExcess += smaller(amount, larger(0n, amount - uncommitted(lease.amounts)));
      const after = settle({ scope: scope.amounts, lease: lease.amounts }, amount);
      scope.amounts = after.scope;
      lease.amounts = after.lease;
      counted.set(scope.scopeId, (counted.get(scope.scopeId) ?? 0n) + amount);
    }
    for (const scope of [credit, ...this.limitsAt(charge.keyHash, acceptTimeMs)]) {
      const missing = charge.chargePico - (counted.get(scope.scopeId) ?? 0n);
      if (missing > 0n) scope.amounts = spend(scope.amounts, missing);
    }
    const excessPico = larger(charge.underestimatedPico, leaseExcess);
    const flags: SettledCharge['flags'] = [...(isLate ? (['late'] as const) : []), ...(excessPico > 0n ? (['underestimated'] as const) : [])];
    return { uncoveredPico: excessOf(credit.amounts) - owedBefore, excessPico, flags };
  }

  /** Every window of the key that the generation was accepted in. */
  private limitsAt(keyHash: string, timeMs: number): OpenScope[] {
    const scopes = this.limitsOf.get(keyHash) ?? [];
    return scopes.filter(({ window }) => timeMs >= window.startMs && (window.endMs === undefined || timeMs < window.endMs));
  }
}

function uncommitted(lease: LeaseAmounts): bigint {
  return larger(0n, lease.granted - lease.released - lease.settled);
}
