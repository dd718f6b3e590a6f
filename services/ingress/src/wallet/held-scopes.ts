import { smaller } from '@switchyard/core';
import type { billing } from '@switchyard/proto';
import type { CallTrace } from '@switchyard/telemetry';
import { leastAmount, scopeId, type Reservation, type ScopeNeed } from './reservation.js';
import { ScopeLeases, type ReservedPart } from './scope-leases.js';

/** What is held of one scope; amounts in the kind's unit (pico-USD, requests or tokens). */
export interface WalletHolding {
  readonly kind: billing.LeaseScopeKind;
  readonly leaseCount: number;
  readonly availableAmount: bigint;
  readonly reservedAmount: bigint;
}

/** The leases held, by scope. A reservation takes from several scopes at once: all of them, or nothing. Time comes in. */
export class HeldScopes {
  private readonly scopes = new Map<string, ScopeLeases>();

  /** The leases of a scope; undefined where none is held. */
  of(id: string): ScopeLeases | undefined {
    return this.scopes.get(id);
  }

  available(id: string, nowMs: number): bigint {
    return this.scopes.get(id)?.available(nowMs) ?? 0n;
  }

  /** The whole need of every scope, or undefined. */
  reserve(needs: readonly ScopeNeed[], nowMs: number): Reservation | undefined {
    const parts: ReservedPart[] = [];
    for (const need of needs) {
      const reserved = this.scopes.get(need.id)?.reserve(need.amount, nowMs);
      if (!reserved) {
        for (const part of parts) part.leases.settle(part, 0n, nowMs);
        return undefined;
      }
      parts.push(...reserved);
    }
    return { parts, settleBeforeMs: earliestSettle(parts) };
  }

  /** The same needs, of those that can do with less as much as the scarcest of their scopes has; undefined where one of all has too little. */
  affordableNeeds(needs: readonly ScopeNeed[], nowMs: number): readonly ScopeNeed[] | undefined {
    let amount: bigint | undefined;
    for (const need of needs) {
      const available = this.available(need.id, nowMs);
      if (available < leastAmount(need)) return undefined;
      if (need.least !== undefined && (amount === undefined || available < amount)) amount = available;
    }
    if (amount === undefined || amount === 0n) return undefined;
    return needs.map((need) => (need.least === undefined ? need : { ...need, amount: smaller(amount, need.amount) }));
  }

  /** Takes a lease in. Its times count from when the call for it was sent, so that they are over here before they are at billing. `grantedBy`: that call. */
  hold(lease: billing.Lease, sentAtMs: number, grantedBy?: CallTrace): void {
    const id = scopeId(lease.scope!);
    let leases = this.scopes.get(id);
    if (!leases) {
      leases = new ScopeLeases(id, lease.scope!);
      this.scopes.set(id, leases);
    }
    leases.add({
      leaseId: lease.leaseId,
      granted: lease.granted,
      grantedBy,
      reserveBeforeMs: sentAtMs + Number(lease.reserveForMs),
      settleBeforeMs: sentAtMs + Number(lease.settleForMs),
      reserved: 0n,
      settled: 0n,
      released: 0n,
      isRecalled: false,
      mustAnswer: false,
    });
  }

  /** Nothing more is reserved from these leases; returns the ids of those that are not held. */
  recall(leaseIds: readonly string[]): ReadonlySet<string> {
    const unknown = new Set(leaseIds);
    for (const leases of this.scopes.values()) for (const leaseId of leaseIds) if (leases.recall(leaseId)) unknown.delete(leaseId);
    return unknown;
  }

  /** What is to be given back now: of leases recalled or past their time, or of all when closing. Forgets scopes without leases. */
  collectReleases(nowMs: number, isClosing: boolean): billing.LeaseRelease[] {
    const releases: billing.LeaseRelease[] = [];
    for (const [id, leases] of this.scopes) {
      releases.push(...leases.collectReleases(nowMs, isClosing));
      if (leases.isEmpty) this.scopes.delete(id);
    }
    return releases;
  }

  /** One entry per scope that has leases. */
  holdings(nowMs: number): WalletHolding[] {
    return [...this.scopes.values()].map((leases) => ({
      kind: leases.scope.kind,
      leaseCount: leases.size,
      availableAmount: leases.available(nowMs),
      reservedAmount: leases.reserved,
    }));
  }
}

function earliestSettle(parts: readonly ReservedPart[]): number {
  let earliestMs = Number.POSITIVE_INFINITY;
  for (const part of parts) earliestMs = Math.min(earliestMs, part.lease.settleBeforeMs);
  return earliestMs;
}
