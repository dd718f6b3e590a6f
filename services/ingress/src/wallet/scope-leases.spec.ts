import { describe, expect, it } from '@jest/globals';
import { billing } from '@switchyard/proto';
import fc from 'fast-check';
import { ScopeLeases, type HeldLease, type ReservedPart } from './scope-leases.js';

const scope: billing.LeaseScope = { kind: billing.LeaseScopeKind.ACCOUNT_CREDIT, accountId: 'account', keyHash: '', windowStartMs: 0n };

function lease(leaseId: string, granted: bigint, reserveBeforeMs = 1_000): HeldLease {
  return {
    leaseId,
    granted,
    reserveBeforeMs,
    settleBeforeMs: reserveBeforeMs + 1_000,
    reserved: 0n,
    settled: 0n,
    released: 0n,
    isRecalled: false,
    mustAnswer: false,
  };
}

describe('ScopeLeases', () => {
  it('reserves over several leases, all of the amount or nothing', () => {
    const leases = new ScopeLeases('credit', scope);
    leases.add(lease('a', 60n));
    leases.add(lease('b', 60n));
    expect(leases.reserve(121n, 0)).toBeUndefined();
    expect(leases.reserve(100n, 0)?.map((part) => [part.lease.leaseId, part.amount])).toEqual([
      ['a', 60n],
      ['b', 40n],
    ]);
    expect(leases.available(0)).toBe(20n);
  });

  it('lets the unspent part of a settled reservation be reserved again', () => {
    const leases = new ScopeLeases('credit', scope);
    leases.add(lease('a', 100n));
    const [part] = leases.reserve(80n, 0)!;
    leases.settle(part!, 30n, 0);
    expect(leases.available(0)).toBe(70n);
    expect(leases.recentSpend(0)).toBe(30n);
  });

  it('reserves nothing from a lease whose time is over, also when the process slept through it', () => {
    const leases = new ScopeLeases('credit', scope);
    leases.add(lease('a', 100n, 1_000));
    expect(leases.reserve(1n, 1_000)).toBeUndefined();
  });

  it('goes on behind leases that are used up, also after these were given back', () => {
    const leases = new ScopeLeases('credit', scope);
    for (const [id, reserveBeforeMs] of [
      ['a', 500],
      ['b', 1_000],
      ['c', 1_000],
    ] as const)
      leases.add(lease(id, 10n, reserveBeforeMs));
    const take = (amount: bigint, nowMs: number): string[] => {
      const parts = leases.reserve(amount, nowMs)!;
      for (const part of parts) leases.settle(part, part.amount, nowMs);
      return parts.map((part) => part.lease.leaseId);
    };
    expect(take(15n, 0)).toEqual(['a', 'b']);
    expect(take(1n, 0)).toEqual(['b']);
    expect(leases.collectReleases(500)).toEqual([{ leaseId: 'a', releasedTotal: 0n, isClosed: true }]);
    expect(take(6n, 500)).toEqual(['b', 'c']);
    expect(leases.reserve(9n, 500)).toBeUndefined();
    expect(take(8n, 500)).toEqual(['c']);
  });

  it('answers a recall with what is free, and again when the running reservation ends', () => {
    const leases = new ScopeLeases('credit', scope);
    leases.add(lease('a', 100n));
    const [part] = leases.reserve(40n, 0)!;
    leases.recall('a');
    expect(leases.collectReleases(0)).toEqual([{ leaseId: 'a', releasedTotal: 60n, isClosed: false }]);
    expect(leases.available(0)).toBe(0n);
    leases.settle(part!, 10n, 0);
    expect(leases.collectReleases(0)).toEqual([{ leaseId: 'a', releasedTotal: 90n, isClosed: true }]);
    expect(leases.isEmpty).toBe(true);
  });

  it('answers a recall of a lease that is wholly reserved', () => {
    const leases = new ScopeLeases('credit', scope);
    leases.add(lease('a', 40n));
    leases.reserve(40n, 0);
    leases.recall('a');
    expect(leases.collectReleases(0)).toEqual([{ leaseId: 'a', releasedTotal: 0n, isClosed: false }]);
    expect(leases.collectReleases(0)).toEqual([]);
  });

  it('never gives out or back more than was granted, whatever happens in which order', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('grant' as const), amount: fc.bigInt(1n, 1_000n) }),
      fc.record({ kind: fc.constant('reserve' as const), amount: fc.bigInt(1n, 400n) }),
      fc.record({ kind: fc.constant('settle' as const), share: fc.integer({ min: 0, max: 100 }) }),
      fc.record({ kind: fc.constant('recall' as const) }),
      fc.record({ kind: fc.constant('sweep' as const) }),
      fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 700 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const leases = new ScopeLeases('credit', scope);
        const open: ReservedPart[] = [];
        const granted = new Map<string, bigint>();
        const settled = new Map<string, bigint>();
        const released = new Map<string, bigint>();
        let nowMs = 0;
        for (const action of steps) {
          if (action.kind === 'grant') {
            const id = `lease-${granted.size}`;
            granted.set(id, action.amount);
            leases.add(lease(id, action.amount, nowMs + 1_000));
          } else if (action.kind === 'reserve') open.push(...(leases.reserve(action.amount, nowMs) ?? []));
          else if (action.kind === 'settle') {
            const part = open.shift();
            if (!part) continue;
            const spent = (part.amount * BigInt(action.share)) / 100n;
            settled.set(part.lease.leaseId, (settled.get(part.lease.leaseId) ?? 0n) + spent);
            leases.settle(part, spent, nowMs);
          } else if (action.kind === 'recall') for (const id of granted.keys()) leases.recall(id);
          else if (action.kind === 'sweep') for (const release of leases.collectReleases(nowMs)) released.set(release.leaseId, release.releasedTotal);
          else nowMs += action.ms;
          for (const [id, amount] of granted) {
            const reserved = open.filter((part) => part.lease.leaseId === id).reduce((sum, part) => sum + part.amount, 0n);
            expect((settled.get(id) ?? 0n) + (released.get(id) ?? 0n) + reserved).toBeLessThanOrEqual(amount);
          }
        }
      }),
    );
  });
});
