import { describe, expect, it } from '@jest/globals';
import { billing } from '@switchyard/proto';
import { CallTracer, type CallTrace } from '@switchyard/telemetry';
import { recordingTracing } from '@switchyard/testing';
import { isShortage, scopeId, type Reservation, type ScopeNeed, type Shortage } from './reservation.js';
import { WaitingLine, type Waiter } from './waiting-line.js';

const scope: billing.LeaseScope = { kind: billing.LeaseScopeKind.ACCOUNT_CREDIT, accountId: 'account', keyHash: '', windowStartMs: 0n };
const need = (amount: bigint): ScopeNeed => ({ id: scopeId(scope), scope, amount });

/** A line of one waiter per amount, and what becomes of each: `served`, `refused` or `failed`. */
function lineOf(...amounts: bigint[]) {
  const line = new WaitingLine();
  const outcomes = new Map<bigint, string>();
  const join = (amount: bigint): void => {
    const resolve = (result: Reservation | Shortage) => outcomes.set(amount, isShortage(result) ? 'refused' : 'served');
    line.join({ needs: [need(amount)], acceptTimeMs: 0, resolve, reject: () => outcomes.set(amount, 'failed') } satisfies Waiter);
  };
  amounts.forEach(join);
  return { line, outcomes, join };
}

/** Reserves while the credit lasts. */
function reserveFrom(credit: bigint): (needs: readonly ScopeNeed[]) => Reservation | undefined {
  let left = credit;
  return ([wanted]) => {
    if (wanted!.amount > left) return undefined;
    left -= wanted!.amount;
    return { parts: [], settleBeforeMs: Number.POSITIVE_INFINITY };
  };
}

const shortOf = (available: bigint, unspent?: bigint): billing.ScopeShortage => ({ scope, available, resetTimeMs: 0n, limit: 0n, unspent });

describe('WaitingLine', () => {
  it('serves the oldest first, and nobody before it: a large request is not overtaken for ever', () => {
    const { line, outcomes } = lineOf(10n, 60n, 5n);
    expect(line.serve(reserveFrom(50n))).toBe(2);
    expect([...outcomes]).toEqual([[10n, 'served']]);
  });

  it('lets those that were asked for, and only them, take what is left once there is no more to come', () => {
    const { line, outcomes, join } = lineOf(60n, 5n);
    const asked = line.waiting;
    join(7n);
    line.serveAsked(asked, reserveFrom(50n));
    expect([...outcomes]).toEqual([[5n, 'served']]);
    expect(line.waiting.map((waiter) => waiter.needs[0]!.amount)).toEqual([60n, 7n]);
  });

  it('refuses with the first all who need more than there can be, but nobody who came later', () => {
    const { line, outcomes, join } = lineOf(70n, 90n, 50n);
    const asked = line.waiting;
    join(95n);
    line.refuse(asked, shortOf(40n, 1_000n), 10n);
    expect([...outcomes]).toEqual([
      [70n, 'refused'],
      [90n, 'refused'],
    ]);
    expect(line.waiting.map((waiter) => waiter.needs[0]!.amount)).toEqual([50n, 95n]);
  });

  it('takes what is unspent for all that there can be where billing knew without recalling anything', () => {
    const { line, outcomes } = lineOf(70n, 35n, 25n);
    // Nobody was asked to give anything back, so billing's own 5 say nothing of the 20 that others hold.
    line.refuse(line.waiting, shortOf(5n, 20n), 10n);
    expect([...outcomes.keys()]).toEqual([70n, 35n]);
  });

  it('refuses nobody when the first has been served meanwhile: the shortage was its', () => {
    const { line, outcomes } = lineOf(70n, 90n);
    const asked = line.waiting;
    line.serve(reserveFrom(80n));
    line.refuse(asked, shortOf(0n, 0n), 0n);
    expect([...outcomes]).toEqual([[70n, 'served']]);
  });

  it('tells everybody when billing is away, once', () => {
    const { line, outcomes } = lineOf(70n, 90n);
    line.rejectAll(new Error('away'));
    expect([...outcomes.values()]).toEqual(['failed', 'failed']);
    expect(line.isEmpty).toBe(true);
  });

  it('tells each waiter which calls it waits for: those begun while it waits, and the one it finds under way', () => {
    const calls = new CallTracer(recordingTracing().tracer, []);
    const line = new WaitingLine();
    const waited = new Map<bigint, CallTrace[]>();
    const join = (amount: bigint): void => {
      waited.set(amount, []);
      const trace = { waitsFor: (call: CallTrace) => void waited.get(amount)!.push(call) };
      line.join({ needs: [need(amount)], acceptTimeMs: 0, trace, resolve: () => undefined, reject: () => undefined });
    };
    const [first, second] = [calls.begin('a/Acquire'), calls.begin('a/Acquire')];
    join(60n);
    line.waitFor(first);
    join(50n);
    first.end();
    join(40n);
    line.serve(reserveFrom(60n));
    line.waitFor(second);
    expect([...waited]).toEqual([
      [60n, [first]],
      [50n, [first, second]],
      [40n, [second]],
    ]);
  });
});
