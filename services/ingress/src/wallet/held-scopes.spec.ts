import { describe, expect, it } from '@jest/globals';
import { billing } from '@switchyard/proto';
import { HeldScopes } from './held-scopes.js';
import { scopeId, settleReservation, type ScopeNeed } from './reservation.js';

const credit: billing.LeaseScope = { kind: billing.LeaseScopeKind.ACCOUNT_CREDIT, accountId: 'account', keyHash: '', windowStartMs: 0n };
const limit: billing.LeaseScope = { kind: billing.LeaseScopeKind.KEY_LIMIT, accountId: 'account', keyHash: 'k', windowStartMs: 0n };
const need = (scope: billing.LeaseScope, amount: bigint, least?: bigint): ScopeNeed => ({
  id: scopeId(scope),
  scope,
  amount,
  ...(least === undefined ? {} : { least }),
});

function held(...granted: readonly (readonly [string, billing.LeaseScope, bigint, bigint?])[]): HeldScopes {
  const scopes = new HeldScopes();
  for (const [leaseId, scope, amount, settleForMs = 10_000n] of granted)
    scopes.hold({ leaseId, scope, unit: billing.LeaseUnit.PICO_USD, granted: amount, reserveForMs: 5_000n, settleForMs, epoch: 1n }, 1_000);
  return scopes;
}

describe('HeldScopes', () => {
  it('leaves a scope as it was when another has too little', () => {
    const scopes = held(['a', credit, 100n], ['b', limit, 10n]);
    expect(scopes.reserve([need(credit, 50n), need(limit, 50n)], 1_000)).toBeUndefined();
    expect(scopes.available(scopeId(credit), 1_000)).toBe(100n);
  });

  it('says by when a reservation must be settled: its first lease to end decides, counted from when the call was sent', () => {
    const scopes = held(['a', credit, 100n, 9_000n], ['b', limit, 100n, 7_000n]);
    expect(scopes.reserve([need(credit, 50n), need(limit, 50n)], 1_000)?.settleBeforeMs).toBe(8_000);
  });

  it('scales all needs to what the scarcest scope has, unless that is too little for one of them', () => {
    const scopes = held(['a', credit, 100n], ['b', limit, 30n]);
    expect(scopes.affordableNeeds([need(credit, 50n, 5n), need(limit, 50n, 5n)], 1_000)?.map(({ amount }) => amount)).toEqual([30n, 30n]);
    expect(scopes.affordableNeeds([need(credit, 50n, 40n), need(limit, 50n, 40n)], 1_000)).toBeUndefined();
    expect(scopes.affordableNeeds([need(credit, 50n), need(limit, 50n)], 1_000)).toBeUndefined();
  });

  it('leaves a need that can do with no less as it is, beside one that can', () => {
    const scopes = held(['a', credit, 100n], ['b', limit, 30n]);
    expect(scopes.affordableNeeds([need(credit, 1n), need(limit, 50n, 5n)], 1_000)?.map(({ amount }) => amount)).toEqual([1n, 30n]);
    expect(scopes.affordableNeeds([need(credit, 101n), need(limit, 50n, 5n)], 1_000)).toBeUndefined();
  });

  it('names the recalled leases that it does not have', () => {
    expect([...held(['a', credit, 100n]).recall(['a', 'elsewhere'])]).toEqual(['elsewhere']);
  });

  it('spreads a charge over the leases that a reservation was made of, and books what exceeds it on the last', () => {
    const scopes = held(['a', credit, 60n], ['b', credit, 60n], ['c', limit, 200n]);
    const reservation = scopes.reserve([need(credit, 100n), need(limit, 100n)], 1_000)!;
    expect(settleReservation(reservation, () => 130n, 1_000)).toEqual([
      { leaseId: 'a', amount: 60n },
      { leaseId: 'b', amount: 70n },
      { leaseId: 'c', amount: 130n },
    ]);
  });

  it('spends the leases of a reservation in turn when the charge is less', () => {
    const scopes = held(['a', credit, 60n], ['b', credit, 60n]);
    const reservation = scopes.reserve([need(credit, 100n)], 1_000)!;
    expect(settleReservation(reservation, () => 25n, 1_000)).toEqual([
      { leaseId: 'a', amount: 25n },
      { leaseId: 'b', amount: 0n },
    ]);
    expect(scopes.available(scopeId(credit), 1_000)).toBe(95n);
  });
});
