import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  availableIn,
  balanceOf,
  excessOf,
  grant,
  grantAmount,
  openHold,
  release,
  resolve,
  settle,
  type LeaseAmounts,
  type ScopeAmounts,
} from './lease-scope.js';

type Step =
  | { readonly do: 'grant'; readonly amount: bigint }
  | { readonly do: 'release' | 'settle'; readonly lease: number; readonly amount: bigint }
  | { readonly do: 'resolve'; readonly lease: number };

const amount = fc.bigInt({ min: 0n, max: 400n });
const lease = fc.nat({ max: 50 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('grant' as const), amount: fc.bigInt({ min: 1n, max: 400n }) }),
  fc.record({ do: fc.constantFrom('release' as const, 'settle' as const), lease, amount }),
  fc.record({ do: fc.constant('resolve' as const), lease }),
);

interface World {
  scope: ScopeAmounts;
  leases: LeaseAmounts[];
}

function take(world: World, next: Step): void {
  if (next.do === 'grant') {
    const available = availableIn(world.scope)!;
    if (next.amount > available) {
      expect(() => grant(world.scope, next.amount)).toThrow(RangeError);
      return;
    }
    world.scope = grant(world.scope, next.amount);
    world.leases.push({ granted: next.amount, released: 0n, settled: 0n, isResolved: false });
    return;
  }
  if (world.leases.length === 0) return;
  const index = next.lease % world.leases.length;
  const before = { scope: world.scope, lease: world.leases[index]! };
  const after = next.do === 'release' ? release(before, next.amount) : next.do === 'settle' ? settle(before, next.amount) : resolve(before);
  world.scope = after.scope;
  world.leases[index] = after.lease;
}

describe('the arithmetic of a scope', () => {
  it('keeps available + held + spent = limit, holds equal to their leases, and nothing negative, whatever happens', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 1_000n }), fc.array(step, { maxLength: 60 }), (limit, steps) => {
        const world: World = { scope: { limit, held: 0n, spent: 0n }, leases: [] };
        for (const next of steps) {
          take(world, next);
          const { scope, leases } = world;
          expect(balanceOf(scope)! + scope.held + scope.spent).toBe(limit);
          expect(scope.held).toBe(leases.reduce((sum, one) => sum + openHold(one), 0n));
          expect(scope.spent).toBe(leases.reduce((sum, one) => sum + one.settled, 0n));
          expect(scope.held >= 0n && scope.spent >= 0n && availableIn(scope)! >= 0n).toBe(true);
          expect(availableIn(scope)! === 0n || excessOf(scope) === 0n).toBe(true);
        }
      }),
    );
  });

  it('never spends above the limit while every settlement stays within its hold', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const world: World = { scope: { limit: 1_000n, held: 0n, spent: 0n }, leases: [] };
        for (const next of steps) {
          if (next.do !== 'settle') take(world, next);
          else if (world.leases.length > 0) {
            const hold = openHold(world.leases[next.lease % world.leases.length]!);
            take(world, { ...next, amount: next.amount < hold ? next.amount : hold });
          }
        }
        expect(excessOf(world.scope)).toBe(0n);
      }),
    );
  });

  it('comes to the same whatever the order of releases and settlements', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ isRelease: fc.boolean(), amount }), { maxLength: 12 }), fc.infiniteStream(fc.nat()), (changes, shuffle) => {
        const begin = { scope: grant({ limit: 1_000n, held: 0n, spent: 0n }, 500n), lease: { granted: 500n, released: 0n, settled: 0n, isResolved: false } };
        const run = (order: typeof changes) =>
          order.reduce((state, change) => (change.isRelease ? release(state, change.amount) : settle(state, change.amount)), begin);
        const shuffled = changes
          .map((change) => ({ change, key: shuffle.next().value }))
          .sort((a, b) => a.key - b.key)
          .map(({ change }) => change);
        expect(run(shuffled)).toEqual(run(changes));
      }),
    );
  });
});

describe('grantAmount', () => {
  it.each([
    ['two seconds of spend while there is plenty', { needed: 1n, wanted: 1n, recentSpend: 50n, available: 10_000n, liveHolderCount: 3 }, 50n],
    ['a share of what is left near the limit', { needed: 1n, wanted: 1n, recentSpend: 50n, available: 120n, liveHolderCount: 3 }, 20n],
    ['the single request at the limit', { needed: 7n, wanted: 7n, recentSpend: 50n, available: 12n, liveHolderCount: 3 }, 7n],
    ['as much as there is of what waits', { needed: 7n, wanted: 90n, recentSpend: 0n, available: 12n, liveHolderCount: 3 }, 12n],
    ['all that waits while there is enough', { needed: 7n, wanted: 90n, recentSpend: 50n, available: 10_000n, liveHolderCount: 3 }, 90n],
    ['nothing when the first of those that wait does not fit', { needed: 13n, wanted: 90n, recentSpend: 0n, available: 12n, liveHolderCount: 1 }, undefined],
    ['nothing above what is available', { needed: 13n, wanted: 13n, recentSpend: 0n, available: 12n, liveHolderCount: 1 }, undefined],
    ['everything that is asked where there is no limit', { needed: 5n, wanted: 5n, recentSpend: 9n, available: undefined, liveHolderCount: 3 }, 9n],
    ['nothing of nothing', { needed: 0n, wanted: 0n, recentSpend: 9n, available: 0n, liveHolderCount: 1 }, undefined],
  ])('grants %s', (_, request, expected) => {
    expect(grantAmount(request)).toBe(expected);
  });
});
