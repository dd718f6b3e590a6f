import { newEventId, type Clock, type RandomSource } from '@switchyard/core';
import { withTransaction } from '@switchyard/db';
import type { Pool } from 'pg';
import { excessOf, openHold, resolve } from './core/lease-scope.js';
import { coverTransaction, type LedgerTransaction } from './core/ledger-transaction.js';
import { lockScopes, saveScopes, type ScopeRow } from './lease-scope.store.js';
import { findScopesOfLeases, readLeases, saveLeases, type LeaseResolution, type LeaseRow } from './lease.store.js';
import { postTransactions } from './ledger.store.js';
import { sendSignal } from './notification-listener.store.js';

export interface LeaseReturnsDependencies {
  readonly pool: Pool;
  readonly clock: Clock;
  readonly random: RandomSource;
}

export interface ResolvedLease {
  readonly holderId: string;
  /** What it still held. */
  readonly returned: bigint;
}

/** Brings amounts back into scopes, under their locks. Credit that returns pays first what the account owes. */
export class LeaseReturns {
  constructor(private readonly dependencies: LeaseReturnsDependencies) {}

  /** Ends leases for good: whatever they still hold returns. Those resolved already are left out of the answer. */
  async resolve(leaseIds: readonly string[], resolution: LeaseResolution): Promise<ResolvedLease[]> {
    let resolved: ResolvedLease[] = [];
    const begin = (): void => {
      resolved = [];
    };
    await this.change(
      leaseIds,
      (lease, scope) => {
        if (lease.resolution !== undefined) return;
        resolved.push({ holderId: lease.holderId, returned: openHold(lease.amounts) });
        const after = resolve({ scope: scope.amounts, lease: lease.amounts });
        scope.amounts = after.scope;
        lease.amounts = after.lease;
        lease.resolution = resolution;
        lease.isRecalled = false;
      },
      begin,
    );
    return resolved;
  }

  /** Edits leases and their scopes in one transaction, which may be repeated; `begin` runs before each try. */
  async change(leaseIds: readonly string[], edit: (lease: LeaseRow, scope: ScopeRow) => void, begin?: () => void): Promise<void> {
    const { pool, clock } = this.dependencies;
    const scopeOf = await findScopesOfLeases(pool, leaseIds);
    if (scopeOf.size === 0) return;
    await withTransaction(pool, async (client) => {
      begin?.();
      const scopes = await lockScopes(client, [...new Set(scopeOf.values())]);
      const leases = [...(await readLeases(client, [...scopeOf.keys()])).values()];
      const excessBefore = new Map([...scopes.values()].map((scope) => [scope.scopeId, excessOf(scope.amounts)]));
      const wasRecalled = leases.some((lease) => lease.isRecalled);
      for (const lease of leases) edit(lease, scopes.get(lease.scopeId)!);
      const nowMs = clock.nowMs();
      await saveScopes(client, [...scopes.values()]);
      await saveLeases(client, leases, nowMs);
      await postTransactions(client, this.covers([...scopes.values()], excessBefore, nowMs), nowMs);
      if (wasRecalled) await sendSignal(client, 'billing_releases');
    });
  }

  private covers(scopes: readonly ScopeRow[], excessBefore: ReadonlyMap<bigint, bigint>, nowMs: number): LedgerTransaction[] {
    const { clock, random } = this.dependencies;
    return scopes.flatMap((scope) => {
      const coveredPico = (excessBefore.get(scope.scopeId) ?? 0n) - excessOf(scope.amounts);
      if (scope.kind !== 'account_credit' || coveredPico === 0n) return [];
      return coverTransaction({ transactionId: newEventId(clock, random), accountId: scope.accountId, acceptTimeMs: nowMs, coveredPico }) ?? [];
    });
  }
}
