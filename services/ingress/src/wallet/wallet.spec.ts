import { describe, expect, it } from '@jest/globals';
import { SwitchyardError } from '@switchyard/errors';
import { billing, type LeasePort } from '@switchyard/proto';
import { CallTracer, type CallTrace } from '@switchyard/telemetry';
import { captureLogger, eventually, manualClock, recordingTracing } from '@switchyard/testing';
import { LeaseCalls } from './lease-calls.js';
import { isShortage, scopeId, type ScopeNeed } from './reservation.js';
import { Wallet } from './wallet.js';

const scope: billing.LeaseScope = { kind: billing.LeaseScopeKind.ACCOUNT_CREDIT, accountId: 'account', keyHash: '', windowStartMs: 0n };
const keyScope: billing.LeaseScope = { kind: billing.LeaseScopeKind.KEY_LIMIT, accountId: 'account', keyHash: 'k', windowStartMs: 0n };
const need = (amount: bigint, of = scope): ScopeNeed => ({ id: scopeId(of), scope: of, amount });

/** Billing with some credit per scope; it grants what is asked, or `grantAtLeast` when that is more and there. */
class FakeBilling {
  readonly calls: billing.AcquireLeasesRequest[] = [];
  readonly releases: billing.LeaseRelease[] = [];
  readonly order: string[] = [];
  isAway = false;
  takesNothingBack = false;
  /** So many calls are granted, and their callers hear nothing. */
  answersLost = 0;
  grantAtLeast = 0n;
  onAnswer: () => void = () => undefined;
  private leaseCount = 0;
  private readonly answers = new Map<string, billing.AcquireLeasesResponse>();

  /** Nothing is ever settled or given back here. */
  private readonly unspent: ReadonlyMap<string, bigint>;

  constructor(private readonly credit: Map<string, bigint>) {
    this.unspent = new Map(credit);
  }

  readonly port: LeasePort = {
    acquireLeases: async (request) => {
      await Promise.resolve();
      queueMicrotask(() => this.onAnswer());
      this.calls.push(request);
      this.order.push('acquire');
      if (this.isAway) throw new SwitchyardError('provider_unavailable', 'connection refused');
      // Throws for what no message can carry.
      billing.AcquireLeasesRequest.encode(request);
      const answer = this.answers.get(request.requestId) ?? this.answer(request);
      if (answer.leases.length > 0) this.answers.set(request.requestId, answer);
      if (this.answersLost-- > 0) throw new SwitchyardError('gateway_unavailable', 'no answer in time');
      return answer;
    },
    releaseLeases: async ({ releases }) => {
      if (this.takesNothingBack) throw new SwitchyardError('gateway_unavailable', 'connection refused');
      this.releases.push(...releases);
      this.order.push('release');
      return {};
    },
    watchHolder: async function* () {},
    closeEpoch: async () => ({}),
  };

  addCredit(amount: bigint): void {
    this.onAnswer = () => undefined;
    this.credit.set(scopeId(scope), this.credit.get(scopeId(scope))! + amount);
  }

  private answer(request: billing.AcquireLeasesRequest): billing.AcquireLeasesResponse {
    for (const wanted of request.scopes) {
      const available = this.credit.get(scopeId(wanted.scope!)) ?? 0n;
      if (available < wanted.amountNeeded)
        return { leases: [], shortage: { scope: wanted.scope, available, resetTimeMs: 0n, limit: 0n, unspent: this.unspent.get(scopeId(wanted.scope!)) } };
    }
    return { leases: request.scopes.map((wanted) => this.grant(wanted)), shortage: undefined };
  }

  private grant(wanted: billing.ScopeRequest): billing.Lease {
    const id = scopeId(wanted.scope!);
    const available = this.credit.get(id)!;
    const generous = this.grantAtLeast < available ? this.grantAtLeast : available;
    const waiting = wanted.amountWanted ?? wanted.amountNeeded;
    const asked = waiting > generous ? waiting : generous;
    const granted = asked < available ? asked : available;
    this.credit.set(id, available - granted);
    return {
      leaseId: `lease-${this.leaseCount++}`,
      scope: wanted.scope,
      unit: billing.LeaseUnit.PICO_USD,
      granted,
      reserveForMs: 5_000n,
      settleForMs: 10_000n,
      epoch: 1n,
    };
  }
}

function walletOver(credit: bigint, keyLimit?: bigint) {
  const fake = new FakeBilling(new Map([[scopeId(scope), credit], ...(keyLimit === undefined ? [] : ([[scopeId(keyScope), keyLimit]] as const))]));
  const clock = manualClock();
  const logger = captureLogger();
  const { tracer, finished } = recordingTracing();
  const leaseCalls = new LeaseCalls(fake.port, logger, { holderId: 'holder', epoch: 1n, acquireTimeoutMs: 1_000 }, new CallTracer(tracer, []));
  const wallet = new Wallet(leaseCalls, clock, logger, { maxWaiters: 3, sweepIntervalMs: 1_000 });
  return { fake, clock, wallet, finished };
}

describe('Wallet', () => {
  it('asks billing once for many that wait, and never again while the lease suffices', async () => {
    const { fake, wallet } = walletOver(1_000n);
    fake.grantAtLeast = 900n;
    const results = await Promise.all([wallet.reserve([need(10n)], 0), wallet.reserve([need(20n)], 0), wallet.reserve([need(30n)], 0)]);
    expect(results.every((result) => !isShortage(result))).toBe(true);
    expect(wallet.tryReserve([need(500n)])).toBeDefined();
    expect(fake.calls).toHaveLength(1);
  });

  it('would have money for a few reservations at hand, so that a key that is seldom used need not ask for each, but no requests in stock', async () => {
    const { fake, wallet } = walletOver(1_000n);
    const minute: billing.LeaseScope = { ...scope, kind: billing.LeaseScopeKind.ACCOUNT_REQUESTS_PER_MINUTE };
    await wallet.reserve([need(10n), need(1n, minute)], 0);
    expect(fake.calls[0]!.scopes.map(({ amountNeeded, recentSpend }) => [amountNeeded, recentSpend])).toEqual([
      [10n, 40n],
      [1n, 0n],
    ]);
  });

  it('gives the oldest its share when there is too little for all', async () => {
    const { wallet } = walletOver(100n);
    const results = await Promise.all([wallet.reserve([need(70n)], 0), wallet.reserve([need(70n)], 0)]);
    expect(results.map(isShortage)).toEqual([false, true]);
  });

  it('refuses with one answer all who ask for no less, and still serves who asks for less', async () => {
    const { fake, wallet } = walletOver(60n);
    const results = await Promise.all([70n, 90n, 50n].map((amount) => wallet.reserve([need(amount)], 0)));
    expect(results.map(isShortage)).toEqual([true, true, false]);
    // The first, who came alone; the second, and the one that fits.
    expect(fake.calls).toHaveLength(3);
  });

  it('refuses one that asks for more money than a message can tell, and nobody who waits beside it', async () => {
    const { wallet } = walletOver(60n);
    const results = await Promise.all([2n ** 61n, 2n ** 90n, 50n].map((amount) => wallet.reserve([need(amount)], 0)));
    expect(results.map(isShortage)).toEqual([true, true, false]);
  });

  it('refuses nobody who came after billing was asked: what has come back meanwhile is for them', async () => {
    const { fake, wallet } = walletOver(60n);
    const first = wallet.reserve([need(70n)], 0);
    const late = wallet.reserve([need(80n)], 0);
    fake.onAnswer = () => fake.addCredit(100n);
    expect([isShortage(await first), isShortage(await late)]).toEqual([true, false]);
  });

  it('gives what there is to who can do with less, and no more than they want', async () => {
    const { fake, wallet } = walletOver(100n);
    const flexible = (amount: bigint, least: bigint) => wallet.reserve([{ ...need(amount), least }], 0);
    const results = await Promise.all([flexible(60n, 5n), flexible(60n, 5n), flexible(60n, 5n)]);
    const amounts = results.map((result) => (isShortage(result) ? 0n : result.parts.reduce((sum, part) => sum + part.amount, 0n)));
    expect(amounts).toEqual([60n, 40n, 0n]);
    expect(fake.calls.map((call) => [call.scopes[0]!.amountNeeded, call.scopes[0]!.amountWanted])).toEqual([
      [5n, 60n],
      [5n, 120n],
      [5n, 60n],
    ]);
  });

  it('asks for the whole amount first: what it happens to hold is no reason to give less', async () => {
    const { fake, wallet } = walletOver(1_000n);
    fake.grantAtLeast = 10n;
    const first = await wallet.reserve([need(1n)], 0);
    const second = await wallet.reserve([{ ...need(60n), least: 5n }], 0);
    expect([first, second].map((result) => (isShortage(result) ? 0n : result.parts.reduce((sum, part) => sum + part.amount, 0n)))).toEqual([1n, 60n]);
  });

  it('gives back what a recall has freed before it asks for more itself', async () => {
    const { fake, wallet } = walletOver(100n);
    const reservation = await wallet.reserve([need(100n)], 0);
    if (isShortage(reservation)) throw new Error('there was enough');
    wallet.recall(['lease-0']);
    wallet.settle(reservation, () => 30n);
    await wallet.reserve([need(60n)], 0);
    expect(fake.releases.at(-1)).toEqual({ leaseId: 'lease-0', releasedTotal: 70n, isClosed: true });
    expect(fake.order.at(-1)).toBe('acquire');
    expect(fake.order.at(-2)).toBe('release');
  });

  it('refuses nobody for want of what it asked for ahead and is about to get', async () => {
    const { fake, wallet } = walletOver(100n);
    const first = await wallet.reserve([need(10n)], 0);
    if (isShortage(first)) throw new Error('refused');
    wallet.settle(first, () => 10n);
    fake.grantAtLeast = 10n;
    const second = await wallet.reserve([need(10n)], 0);
    expect(isShortage(second)).toBe(false);
    // What was spent is asked for ahead, as much as there is: 80; and before it is there somebody needs all of it.
    fake.grantAtLeast = 80n;
    const third = await wallet.reserve([need(80n)], 0);
    expect(isShortage(third)).toBe(false);
    expect(fake.calls.some((call) => call.scopes[0]!.amountNeeded === 0n)).toBe(true);
  });

  it('answers a recall that overtakes the lease once who waited for it is served', async () => {
    const { fake, wallet } = walletOver(100n);
    fake.grantAtLeast = 100n;
    const waiting = wallet.reserve([need(40n)], 0);
    wallet.recall(['lease-0']);
    expect(isShortage(await waiting)).toBe(false);
    await eventually(() => expect(fake.releases).toEqual([{ leaseId: 'lease-0', releasedTotal: 60n, isClosed: false }]));
  });

  it('answers a recall of a lease that it does not have: nobody waits for it in vain', async () => {
    const { fake, wallet } = walletOver(100n);
    wallet.recall(['lease-of-a-lost-answer']);
    await eventually(() => expect(fake.releases).toEqual([{ leaseId: 'lease-of-a-lost-answer', releasedTotal: 0n, isClosed: false }]));
  });

  it('takes all scopes or none', async () => {
    const { wallet } = walletOver(100n, 10n);
    const result = await wallet.reserve([need(50n), need(50n, keyScope)], 0);
    expect(isShortage(result) && result.shortage.scope?.kind).toBe(billing.LeaseScopeKind.KEY_LIMIT);
    expect(isShortage(await wallet.reserve([need(100n)], 0))).toBe(false);
  });

  it('names every lease that a charge is settled against, and what exceeds the reservation stays with the last', async () => {
    const { wallet } = walletOver(100n);
    const reservation = await wallet.reserve([need(40n)], 0);
    if (isShortage(reservation)) throw new Error('there was enough');
    expect(wallet.settle(reservation, () => 55n)).toEqual([{ leaseId: 'lease-0', amount: 55n }]);
  });

  it('answers a recall with what is free, and gives the rest back when it closes', async () => {
    const { fake, wallet } = walletOver(100n);
    fake.grantAtLeast = 100n;
    const reservation = await wallet.reserve([need(40n)], 0);
    if (isShortage(reservation)) throw new Error('there was enough');
    wallet.recall(['lease-0']);
    await Promise.resolve();
    expect(fake.releases).toEqual([{ leaseId: 'lease-0', releasedTotal: 60n, isClosed: false }]);
    wallet.settle(reservation, () => 15n);
    await wallet.close();
    expect(fake.releases.at(-1)).toEqual({ leaseId: 'lease-0', releasedTotal: 85n, isClosed: true });
  });

  it('reserves nothing from leases whose time went by while the process was stopped', async () => {
    const { clock, fake, wallet } = walletOver(100n);
    fake.grantAtLeast = 50n;
    await wallet.reserve([need(1n)], 0);
    clock.advance(5_000);
    expect(wallet.tryReserve([need(1n)])).toBeUndefined();
  });

  it('repeats a call whose answer was lost under the same id', async () => {
    const { fake, wallet } = walletOver(100n);
    fake.answersLost = 1;
    expect(isShortage(await wallet.reserve([need(40n)], 0))).toBe(false);
    expect(fake.calls.map((call) => call.requestId)).toEqual(['holder:0', 'holder:0']);
  });

  it('takes over what a call was granted whose answers were both lost, before it asks for more', async () => {
    const { fake, wallet } = walletOver(100n);
    fake.answersLost = 2;
    await expect(wallet.reserve([need(80n)], 0)).rejects.toMatchObject({ httpStatus: 503 });
    expect(isShortage(await wallet.reserve([need(80n)], 0))).toBe(false);
    expect(fake.calls.map((call) => call.requestId)).toEqual(['holder:0', 'holder:0', 'holder:0']);
  });

  it('gives what it never heard of back to others that recall it', async () => {
    const { fake, wallet } = walletOver(100n);
    fake.answersLost = 2;
    await expect(wallet.reserve([need(80n)], 0)).rejects.toMatchObject({ httpStatus: 503 });
    wallet.recall(['lease-0']);
    await eventually(() => expect(fake.releases).toEqual([{ leaseId: 'lease-0', releasedTotal: 80n, isClosed: true }]));
  });

  it('says that billing is away with 503, to everybody who waits, and bounds how many do', async () => {
    const { fake, wallet } = walletOver(100n);
    fake.isAway = true;
    const waiting = [1, 2, 3, 4].map(() => wallet.reserve([need(1n)], 0).catch((error: unknown) => error));
    for (const error of await Promise.all(waiting)) expect(error).toMatchObject({ type: 'gateway_unavailable', httpStatus: 503, retryAfterMs: 1_000 });
    fake.isAway = false;
    expect(isShortage(await wallet.reserve([need(1n)], 0))).toBe(false);
  });

  it('gives back what billing did not take while it was away, before it asks for more', async () => {
    const { clock, fake, wallet } = walletOver(100n);
    fake.grantAtLeast = 50n;
    const reservation = await wallet.reserve([need(10n)], 0);
    if (isShortage(reservation)) throw new Error('there was enough');
    wallet.settle(reservation, () => 4n);
    clock.advance(5_000);
    fake.isAway = fake.takesNothingBack = true;
    await expect(wallet.reserve([need(10n)], 0)).rejects.toMatchObject({ httpStatus: 503 });
    expect(fake.releases).toEqual([]);
    fake.isAway = fake.takesNothingBack = false;
    await wallet.reserve([need(10n)], 0);
    expect(fake.releases).toEqual([{ leaseId: 'lease-0', releasedTotal: 46n, isClosed: true }]);
    expect(fake.order.slice(-2)).toEqual(['release', 'acquire']);
  });

  it('traces its calls: a reservation tells which one brought its lease, and who waits hears which it waits for', async () => {
    const { fake, wallet, finished } = walletOver(100n);
    const waited: CallTrace[] = [];
    const waiter = { waitsFor: (call: CallTrace) => void waited.push(call) };
    fake.grantAtLeast = 50n;
    const first = await wallet.reserve([need(10n)], 0, waiter);
    const second = await wallet.reserve([need(20n)], 0, waiter);
    const refused = await wallet.reserve([need(90n)], 0, waiter);
    fake.isAway = true;
    await expect(wallet.reserve([need(90n)], 0, waiter)).rejects.toMatchObject({ type: 'gateway_unavailable' });
    await wallet.close();
    const spans = await finished();
    const ACQUIRE = 'switchyard.billing.v1.LeaseService/AcquireLeases';
    expect(spans.map(({ name, errorType }) => [name, errorType])).toEqual([
      [ACQUIRE, undefined],
      [ACQUIRE, undefined],
      [ACQUIRE, 'provider_unavailable'],
      ['switchyard.billing.v1.LeaseService/ReleaseLeases', undefined],
    ]);
    const [granted, short, failed] = spans.map(({ context }) => context);
    expect([first, second].map((result) => !isShortage(result) && result.parts.map(({ lease }) => lease.grantedBy?.link()))).toEqual([[granted], [granted]]);
    expect(isShortage(refused)).toBe(true);
    expect(waited.map((call) => call.link())).toEqual([granted, short, failed]);
  });
});
