import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newEventId } from '@switchyard/core';
import { billing } from '@switchyard/proto';
import { eventually, manualClock, realClock } from '@switchyard/testing';
import { setTimeout as delay } from 'node:timers/promises';
import type { Billing } from './billing.module.js';
import { BillingFixture, consume, creditScope, keyScope, USD, type Customer } from './fixtures/billing-fixture.js';

const { KEY_LIMIT, KEY_REQUESTS_PER_MINUTE, ACCOUNT_REQUESTS_PER_MINUTE, FREE_REQUESTS_PER_DAY, FREE_REQUESTS_PER_MINUTE } = billing.LeaseScopeKind;

async function noDifferences(instance: Billing): Promise<void> {
  expect((await instance.ledger.verifyLedger()).differences).toEqual([]);
}

describe('leases', () => {
  let fixture: BillingFixture;
  let first: Billing;
  let second: Billing;
  /** Waits so long for what it recalls that only answers can end it. */
  let patient: Billing;

  beforeAll(async () => {
    fixture = await BillingFixture.start(realClock());
    [first, second, patient] = [await fixture.startInstance(), await fixture.startInstance(), await fixture.startInstance({ recallWaitMs: 60_000 })];
  }, 90_000);
  afterAll(() => fixture.close());

  const untilWatching = (holderId: string) =>
    eventually(async () => {
      const { rows } = await fixture.pool.query<{ seen: bigint }>('SELECT stream_seen_ms AS seen FROM lease_epochs WHERE holder_id = $1', [holderId]);
      expect(rows[0]!.seen).toBeGreaterThan(0n);
    });

  it('grants what is needed and counts it as held, neither spent nor gone', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: USD });
    const { leases } = await fixture.acquire(first, 'ingress-1', [creditScope(customer, 100n)]);
    expect(leases).toMatchObject([{ granted: 100n, unit: billing.LeaseUnit.PICO_USD, epoch: 1n, scope: { accountId: customer.accountId } }]);
    expect(leases[0]!.settleForMs).toBeGreaterThan(leases[0]!.reserveForMs);
    expect(await second.accounts.getCredits({ accountId: customer.accountId })).toEqual({
      totalCreditsPico: USD,
      totalUsagePico: 0n,
      heldPico: 100n,
      receivablePico: 0n,
    });
  });

  it('grants two seconds of spend ahead, but never more than a share of what is left', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: 10_000n });
    const plenty = await fixture.acquire(first, 'ingress-1', [creditScope(customer, 1n, 50n)]);
    expect(plenty.leases[0]!.granted).toBe(50n);
    const near = await fixture.acquire(first, 'ingress-1', [creditScope(customer, 1n, 9_000n)]);
    expect(near.leases[0]!.granted).toBeLessThanOrEqual(4_975n);
    expect(near.leases[0]!.granted).toBeGreaterThan(50n);
  });

  it('names what is available and the limit when there is too little, and holds nothing then', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: USD, limitPico: 30n });
    const { leases, shortage } = await fixture.acquire(first, 'ingress-1', [creditScope(customer, 40n), keyScope(customer, KEY_LIMIT, 40n)]);
    expect(leases).toEqual([]);
    expect(shortage).toMatchObject({ scope: { kind: KEY_LIMIT }, available: 30n, limit: 30n, resetTimeMs: 0n });
    expect((await first.accounts.getCredits({ accountId: customer.accountId })).heldPico).toBe(0n);
  });

  it('refuses an account without credit', async () => {
    const customer = await fixture.createCustomer(first);
    expect((await fixture.acquire(first, 'ingress-1', [creditScope(customer, 1n)])).shortage).toMatchObject({ available: 0n, limit: 0n });
  });

  it('repeats the first answer when a call is repeated', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: USD, limitPico: USD });
    const scopes = [keyScope(customer, KEY_LIMIT, 10n), creditScope(customer, 10n)];
    const call = { requestId: newEventId(fixture.clock, fixture.random) };
    const [once, again] = [await fixture.acquire(first, 'ingress-1', scopes, call), await fixture.acquire(second, 'ingress-1', scopes, call)];
    expect(again.leases.map((lease) => lease.leaseId)).toEqual(once.leases.map((lease) => lease.leaseId));
    const nothingMore = [keyScope(customer, KEY_LIMIT, 0n), creditScope(customer, 0n)];
    expect((await fixture.acquire(first, 'ingress-1', nothingMore, call)).leases).toMatchObject([{ granted: 10n }, { granted: 10n }]);
    expect((await first.accounts.getCredits({ accountId: customer.accountId })).heldPico).toBe(10n);
  });

  it('repeats the first answer also when a call is repeated while the first one still waits for the database', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: USD });
    const call = { requestId: newEventId(fixture.clock, fixture.random) };
    const blocker = await fixture.pool.connect();
    try {
      await blocker.query('BEGIN');
      await blocker.query('SELECT 1 FROM lease_scopes WHERE account_id = $1 FOR UPDATE', [customer.accountId]);
      const answers = Promise.all([first, second].map((instance) => fixture.acquire(instance, 'ingress-1', [creditScope(customer, 10n)], call)));
      answers.catch(() => undefined);
      await eventually(async () => expect(await countWaitingForScopes(fixture)).toBe(2n));
      await blocker.query('ROLLBACK');
      const [once, again] = await answers;
      expect(once!.leases).toMatchObject([{ granted: 10n }]);
      expect(again!.leases).toMatchObject([{ leaseId: once!.leases[0]!.leaseId, granted: 10n }]);
    } finally {
      blocker.release();
    }
    expect((await first.accounts.getCredits({ accountId: customer.accountId })).heldPico).toBe(10n);
    await noDifferences(first);
  });

  it('never grants more than the limit to callers that race over two instances', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: 1_000n, limitPico: 900n });
    const calls = Array.from({ length: 60 }, (_, index) =>
      fixture.acquire(index % 2 === 0 ? first : second, `racer-${index % 3}`, [creditScope(customer, 37n, 80n), keyScope(customer, KEY_LIMIT, 37n)]),
    );
    const answers = await Promise.all(calls);
    const ofKind = (kind: billing.LeaseScopeKind) => answers.flatMap((answer) => answer.leases).filter((lease) => lease.scope!.kind === kind);
    const sum = (leases: readonly billing.Lease[]) => leases.reduce((total, lease) => total + lease.granted, 0n);
    expect(sum(ofKind(KEY_LIMIT))).toBeLessThanOrEqual(900n);
    expect(sum(ofKind(billing.LeaseScopeKind.ACCOUNT_CREDIT))).toBe((await first.accounts.getCredits({ accountId: customer.accountId })).heldPico);
    expect(ofKind(KEY_LIMIT).length).toBeGreaterThan(0);
    expect(answers.some((answer) => answer.shortage)).toBe(true);
    await noDifferences(first);
  });

  it('calls unreserved amounts back from a holder of another instance before it refuses', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: 100n });
    const stop = new AbortController();
    const held = await fixture.acquire(second, 'hoarder', [creditScope(customer, 100n)]);
    const leaseId = held.leases[0]!.leaseId;
    const holding = giveBackOnRecall(second, 'hoarder', new Map([[leaseId, 70n]]), stop.signal);
    await untilWatching('hoarder');
    const granted = await fixture.acquire(patient, 'needy', [creditScope(customer, 60n)]);
    stop.abort();
    expect(granted.leases).toMatchObject([{ granted: 60n }]);
    expect(await holding).toEqual([leaseId]);
    await noDifferences(first);
  });

  it('grants as much of what waits as there is, once other holders gave back what they do not use', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: 100n });
    const stop = new AbortController();
    const held = await fixture.acquire(second, 'keeper', [creditScope(customer, 80n)]);
    const leaseId = held.leases[0]!.leaseId;
    const holding = giveBackOnRecall(second, 'keeper', new Map([[leaseId, 70n]]), stop.signal);
    await untilWatching('keeper');
    const ask = (amountNeeded: bigint, amountWanted: bigint) => fixture.acquire(patient, 'many', [{ ...creditScope(customer, amountNeeded), amountWanted }]);
    expect((await ask(10n, 500n)).leases).toMatchObject([{ granted: 90n }]);
    expect((await ask(10n, 500n)).shortage).toMatchObject({ available: 0n, unspent: 100n });
    stop.abort();
    expect(await holding).toContain(leaseId);
    await noDifferences(first);
  });

  it('refuses as soon as every live holder has answered a recall with nothing', async () => {
    const customer = await fixture.createCustomer(patient, { creditPico: 100n });
    const stop = new AbortController();
    const held = await fixture.acquire(second, 'busy', [creditScope(customer, 100n)]);
    const holding = giveBackOnRecall(second, 'busy', new Map([[held.leases[0]!.leaseId, 0n]]), stop.signal);
    await untilWatching('busy');
    expect((await fixture.acquire(patient, 'needy-2', [creditScope(customer, 60n)])).shortage).toMatchObject({ available: 0n });
    stop.abort();
    await holding;
  });

  it('waits for a live holder that does not answer a recall, and refuses when the time is over', async () => {
    const waiting = await fixture.startInstance({ recallWaitMs: 300 });
    const customer = await fixture.createCustomer(waiting, { creditPico: 100n });
    await fixture.acquire(waiting, 'mute', [creditScope(customer, 100n)]);
    const stop = new AbortController();
    const watching = hearRecalls(second, 'mute', stop.signal);
    await untilWatching('mute');
    const startTime = performance.now();
    const { shortage } = await fixture.acquire(waiting, 'needy-4', [creditScope(customer, 60n)]);
    expect(performance.now() - startTime).toBeGreaterThan(290);
    expect(shortage).toMatchObject({ available: 0n });
    stop.abort();
    await watching;
  });

  it('does not wait for holders that are gone', async () => {
    const impatient = await fixture.startInstance({ recallWaitMs: 60_000, holderLiveMs: 1 });
    const customer = await fixture.createCustomer(impatient, { creditPico: 100n });
    await fixture.acquire(impatient, 'gone', [creditScope(customer, 100n)]);
    await delay(5);
    expect((await fixture.acquire(impatient, 'needy-3', [creditScope(customer, 60n)])).shortage).toBeDefined();
  });

  it('grants nothing to a caller that left while the database stood still', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: 100n });
    await fixture.acquire(first, 'early', [creditScope(customer, 10n)]);
    const blocker = await fixture.pool.connect();
    const left = new AbortController();
    try {
      await blocker.query('BEGIN');
      await blocker.query('SELECT 1 FROM lease_scopes WHERE account_id = $1 FOR UPDATE', [customer.accountId]);
      const request = { holderId: 'gone', epoch: 1n, requestId: 'r', scopes: [creditScope(customer, 60n)], acceptTimeMs: BigInt(fixture.clock.nowMs()) };
      const call = first.leases.acquireLeases(request, { signal: left.signal });
      call.catch(() => undefined);
      await eventually(async () => expect(await countWaitingForScopes(fixture)).toBe(1n));
      left.abort(new Error('the caller left'));
      await blocker.query('ROLLBACK');
      await expect(call).rejects.toThrow('the caller left');
    } finally {
      blocker.release();
    }
    expect((await first.accounts.getCredits({ accountId: customer.accountId })).heldPico).toBe(10n);
    await noDifferences(first);
  });

  it('counts releases from the beginning, so that repeating and reordering them changes nothing', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: 100n });
    const { leases } = await fixture.acquire(first, 'ingress-1', [creditScope(customer, 80n)]);
    const giveBack = (releasedTotal: bigint, changes: Partial<billing.ReleaseLeasesRequest> = {}) =>
      first.leases.releaseLeases({ holderId: 'ingress-1', epoch: 1n, releases: [{ leaseId: leases[0]!.leaseId, releasedTotal, isClosed: false }], ...changes });
    const held = async () => (await first.accounts.getCredits({ accountId: customer.accountId })).heldPico;
    await giveBack(30n);
    await giveBack(30n);
    await giveBack(10n);
    expect(await held()).toBe(50n);
    await giveBack(80n, { holderId: 'somebody-else' });
    await giveBack(80n, { epoch: 2n });
    expect(await held()).toBe(50n);
    await giveBack(200n);
    expect(await held()).toBe(0n);
    await noDifferences(first);
  });

  it('fences a closed epoch at once and returns what it held when the log is consumed', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: 100n });
    await fixture.acquire(first, 'dying', [creditScope(customer, 100n)]);
    fixture.eventLog.lagOfBilling = 3n;
    await first.leases.closeEpoch({ holderId: 'dying', epoch: 1n });
    await expect(fixture.acquire(second, 'dying', [creditScope(customer, 1n)])).rejects.toMatchObject({ type: 'precondition_failed' });
    await first.expiry.closeEpochs();
    expect((await first.accounts.getCredits({ accountId: customer.accountId })).heldPico).toBe(100n);
    fixture.eventLog.lagOfBilling = 0n;
    await eventually(async () => expect((await first.accounts.getCredits({ accountId: customer.accountId })).heldPico).toBe(0n));
    expect((await fixture.acquire(second, 'dying', [creditScope(customer, 1n)], { epoch: 2n })).leases).toHaveLength(1);
  });

  it('returns what a closed epoch held once the events before its close are consumed, also when the log never comes to rest', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: 100n });
    const held = async () => (await first.accounts.getCredits({ accountId: customer.accountId })).heldPico;
    await fixture.acquire(first, 'dead', [creditScope(customer, 100n)]);
    fixture.eventLog.lagOfBilling = 3n;
    await first.leases.closeEpoch({ holderId: 'dead', epoch: 1n });
    // Both instances have seen where the log ends.
    await first.expiry.closeEpochs();
    await second.expiry.closeEpochs();
    fixture.eventLog.publishedCount += 10n;
    fixture.eventLog.lagOfBilling = 11n;
    await first.expiry.closeEpochs();
    expect(await held()).toBe(100n);
    fixture.eventLog.publishedCount += 10n;
    fixture.eventLog.lagOfBilling = 20n;
    await first.expiry.closeEpochs();
    expect(await held()).toBe(0n);
    fixture.eventLog.lagOfBilling = 0n;
  });

  it('returns what a closed epoch held also when the log was made anew meanwhile, and ends far before where it ended', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: 100n });
    await fixture.acquire(first, 'ended', [creditScope(customer, 100n)]);
    const { publishedCount } = fixture.eventLog;
    fixture.eventLog.lagOfBilling = 3n;
    await first.leases.closeEpoch({ holderId: 'ended', epoch: 1n });
    await first.expiry.closeEpochs();
    await second.expiry.closeEpochs();
    fixture.eventLog.publishedCount = 5n;
    fixture.eventLog.lagOfBilling = 0n;
    await first.expiry.closeEpochs();
    expect((await first.accounts.getCredits({ accountId: customer.accountId })).heldPico).toBe(0n);
    fixture.eventLog.publishedCount = publishedCount;
  });

  it('refuses an epoch when a newer one is in use', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: 100n });
    await fixture.acquire(first, 'restarted', [creditScope(customer, 1n)], { epoch: 5n });
    await expect(fixture.acquire(second, 'restarted', [creditScope(customer, 1n)], { epoch: 4n })).rejects.toMatchObject({ type: 'precondition_failed' });
  });

  it.each<[string, Partial<billing.AcquireLeasesRequest>, string]>([
    ['no scope', { scopes: [] }, 'invalid_request'],
    [
      'an unknown account',
      {
        scopes: [
          { scope: billing.LeaseScope.fromPartial({ kind: billing.LeaseScopeKind.ACCOUNT_CREDIT, accountId: 'nobody' }), amountNeeded: 1n, recentSpend: 0n },
        ],
      },
      'not_found',
    ],
    ['an accept time far away', { acceptTimeMs: 1n }, 'invalid_request'],
    ['no holder', { holderId: '' }, 'invalid_request'],
  ])('answers %s with a typed error', async (_, changes, type) => {
    const customer = await fixture.createCustomer(first, { creditPico: 1n });
    await expect(fixture.acquire(first, 'ingress-1', [creditScope(customer, 1n)], changes)).rejects.toMatchObject({ type });
  });

  it('keeps the requests of an account and a key within their minute, over two instances', async () => {
    const customer = await fixture.createCustomer(first);
    const { accountId, keyHash } = customer;
    await first.accounts.updateAccount(billing.UpdateAccountRequest.fromPartial({ accountId, updateMask: ['requests_per_minute'], requestsPerMinute: 5n }));
    await first.keys.updateKey(billing.UpdateKeyRequest.fromPartial({ accountId, hash: keyHash, updateMask: ['requests_per_minute'], requestsPerMinute: 3n }));
    const call = (index: number, kind: billing.LeaseScopeKind) =>
      fixture.acquire(index % 2 === 0 ? first : second, `r-${index % 2}`, [keyScope(customer, kind, 1n)], { acceptTimeMs: minute });
    const minute = BigInt(Math.floor(fixture.clock.nowMs() / 60_000) * 60_000);
    const granted = async (kind: billing.LeaseScopeKind) =>
      (await Promise.all(Array.from({ length: 12 }, (_, index) => call(index, kind)))).reduce((sum, answer) => sum + (answer.leases[0]?.granted ?? 0n), 0n);
    expect(await granted(KEY_REQUESTS_PER_MINUTE)).toBe(3n);
    expect(await granted(ACCOUNT_REQUESTS_PER_MINUTE)).toBe(5n);
    expect((await call(0, KEY_REQUESTS_PER_MINUTE)).shortage).toMatchObject({ limit: 3n, resetTimeMs: minute + 60_000n });
  });
});

describe('limits over time', () => {
  const clock = manualClock(Date.UTC(2026, 10, 21, 23, 59, 50));
  let fixture: BillingFixture;
  let instance: Billing;

  beforeAll(async () => {
    fixture = await BillingFixture.start(clock);
    instance = await fixture.startInstance({ recallWaitMs: 200 });
  }, 90_000);
  afterAll(() => fixture.close());

  const spend = async (customer: Customer, amount: bigint, changes: Partial<billing.AcquireLeasesRequest> = {}): Promise<billing.AcquireLeasesResponse> => {
    const answer = await fixture.acquire(instance, 'ingress', [keyScope(customer, KEY_LIMIT, amount)], changes);
    const acceptTimeMs = changes.acceptTimeMs ?? BigInt(clock.nowMs());
    if (answer.leases[0])
      await consume(instance.consumer, [fixture.charge(customer, amount, [{ leaseId: answer.leases[0].leaseId, amount }], { acceptTimeMs })]);
    return answer;
  };

  it('starts a daily limit anew at midnight UTC, by accept time', async () => {
    clock.setNow(Date.UTC(2026, 10, 21, 23, 59, 50));
    const customer = await fixture.createCustomer(instance, { creditPico: USD, limitPico: 100n, limitReset: billing.LimitReset.DAILY });
    const beforeMidnight = BigInt(clock.nowMs());
    expect((await spend(customer, 80n)).shortage).toBeUndefined();
    expect((await spend(customer, 30n)).shortage).toMatchObject({ available: 20n, limit: 100n, resetTimeMs: BigInt(Date.UTC(2026, 10, 22)) });
    clock.setNow(Date.UTC(2026, 10, 22, 0, 0, 5));
    expect((await spend(customer, 90n)).shortage).toBeUndefined();
    // Accepted before midnight, reserved after it: the old day counts.
    expect((await spend(customer, 30n, { acceptTimeMs: beforeMidnight })).shortage).toMatchObject({ available: 20n });
    expect((await spend(customer, 20n, { acceptTimeMs: beforeMidnight })).shortage).toBeUndefined();
    const { key } = await instance.keys.getKey({ accountId: customer.accountId, hash: customer.keyHash });
    expect(key!.usage).toMatchObject({ dailyPico: 90n, totalPico: 190n, limitRemainingPico: 10n });
    await noDifferences(instance);
  });

  it('begins a window with what the key spent in it before it had that limit', async () => {
    clock.setNow(Date.UTC(2026, 10, 24, 12));
    const customer = await fixture.createCustomer(instance, { creditPico: USD });
    await consume(instance.consumer, [fixture.charge(customer, 70n, [])]);
    const { accountId, keyHash } = customer;
    await instance.keys.updateKey(
      billing.UpdateKeyRequest.fromPartial({
        accountId,
        hash: keyHash,
        updateMask: ['limit_pico', 'limit_reset'],
        limitPico: 100n,
        limitReset: billing.LimitReset.WEEKLY,
      }),
    );
    expect((await spend(customer, 40n)).shortage).toMatchObject({ available: 30n, resetTimeMs: BigInt(Date.UTC(2026, 10, 30)) });
    expect((await spend(customer, 30n)).shortage).toBeUndefined();
  });

  it('follows a raised and a lowered limit at once, and recalls what the lower one does not allow', async () => {
    clock.setNow(Date.UTC(2026, 10, 24, 12));
    const customer = await fixture.createCustomer(instance, { creditPico: USD, limitPico: 50n });
    const { accountId, keyHash } = customer;
    const setLimit = (limitPico: bigint) =>
      instance.keys.updateKey(billing.UpdateKeyRequest.fromPartial({ accountId, hash: keyHash, updateMask: ['limit_pico'], limitPico }));
    expect((await fixture.acquire(instance, 'ingress-a', [keyScope(customer, KEY_LIMIT, 60n)])).shortage).toBeDefined();
    await setLimit(100n);
    const { leases } = await fixture.acquire(instance, 'ingress-a', [keyScope(customer, KEY_LIMIT, 60n)]);
    const stop = new AbortController();
    const holding = giveBackOnRecall(instance, 'ingress-a', new Map([[leases[0]!.leaseId, 45n]]), stop.signal);
    await setLimit(20n);
    await eventually(async () => expect((await fixture.acquire(instance, 'ingress-b', [keyScope(customer, KEY_LIMIT, 5n)])).shortage).toBeUndefined());
    expect((await fixture.acquire(instance, 'ingress-b', [keyScope(customer, KEY_LIMIT, 1n)])).shortage).toMatchObject({ available: 0n, limit: 20n });
    stop.abort();
    await holding;
  });

  it('recalls what is held of a limit whose window was exchanged for another: both may begin at the same moment, and their leases look alike', async () => {
    // A Monday.
    clock.setNow(Date.UTC(2026, 10, 23, 12));
    const customer = await fixture.createCustomer(instance, { creditPico: USD, limitPico: 100n, limitReset: billing.LimitReset.DAILY });
    const { leases } = await fixture.acquire(instance, 'ingress-c', [keyScope(customer, KEY_LIMIT, 80n)]);
    const stop = new AbortController();
    const holding = giveBackOnRecall(instance, 'ingress-c', new Map([[leases[0]!.leaseId, 80n]]), stop.signal);
    const { accountId, keyHash: hash } = customer;
    const change = { accountId, hash, updateMask: ['limit_pico', 'limit_reset'], limitPico: 50n, limitReset: billing.LimitReset.WEEKLY };
    await instance.keys.updateKey(billing.UpdateKeyRequest.fromPartial(change));
    await eventually(async () => {
      const { rows } = await fixture.pool.query<{ released: bigint }>('SELECT released FROM leases WHERE lease_id = $1', [leases[0]!.leaseId]);
      expect(rows[0]!.released).toBe(80n);
    });
    stop.abort();
    expect(await holding).toEqual([leases[0]!.leaseId]);
    await noDifferences(instance);
  });

  it('limits free requests per minute and day, with more for accounts that bought credit', async () => {
    clock.setNow(Date.UTC(2026, 10, 25, 12, 0, 1));
    const customer = await fixture.createCustomer(instance);
    const free = (kind: billing.LeaseScopeKind, amount: bigint) => fixture.acquire(instance, 'ingress', [keyScope(customer, kind, amount)]);
    expect((await free(FREE_REQUESTS_PER_MINUTE, 20n)).shortage).toBeUndefined();
    expect((await free(FREE_REQUESTS_PER_MINUTE, 1n)).shortage).toMatchObject({ limit: 20n, resetTimeMs: BigInt(Date.UTC(2026, 10, 25, 12, 1)) });
    clock.advance(60_000);
    expect((await free(FREE_REQUESTS_PER_MINUTE, 1n)).shortage).toBeUndefined();
    expect((await free(FREE_REQUESTS_PER_DAY, 50n)).shortage).toBeUndefined();
    expect((await free(FREE_REQUESTS_PER_DAY, 1n)).shortage).toMatchObject({ limit: 50n, resetTimeMs: BigInt(Date.UTC(2026, 10, 26)) });
    await fixture.grantCredit(instance, customer.accountId, 10n * USD);
    expect((await free(FREE_REQUESTS_PER_DAY, 950n)).shortage).toBeUndefined();
    expect((await free(FREE_REQUESTS_PER_DAY, 1n)).shortage).toMatchObject({ limit: 1_000n });
  });

  it('returns what an abandoned lease held after half an hour, and flags the charge that comes later', async () => {
    clock.setNow(Date.UTC(2026, 10, 25, 13));
    const customer = await fixture.createCustomer(instance, { creditPico: 100n });
    const { leases } = await fixture.acquire(instance, 'lost', [creditScope(customer, 100n)]);
    const acceptTimeMs = BigInt(clock.nowMs());
    clock.advance(29 * 60_000);
    await instance.expiry.abandonLeases();
    expect((await instance.accounts.getCredits({ accountId: customer.accountId })).heldPico).toBe(100n);
    clock.advance(2 * 60_000);
    await eventually(async () => expect((await instance.accounts.getCredits({ accountId: customer.accountId })).heldPico).toBe(0n));
    await consume(instance.consumer, [fixture.charge(customer, 40n, [{ leaseId: leases[0]!.leaseId, amount: 40n }], { acceptTimeMs })]);
    expect(await instance.accounts.getCredits({ accountId: customer.accountId })).toMatchObject({ totalUsagePico: 40n, heldPico: 0n, receivablePico: 0n });
    const { flagged } = await instance.ledger.verifyLedger();
    expect(flagged).toContainEqual(expect.objectContaining({ check: 'flagged_charge', detail: 'late' }));
    expect(flagged).toContainEqual(expect.objectContaining({ check: 'abandoned_lease', subject: leases[0]!.leaseId }));
    await noDifferences(instance);
  });

  it('returns what an abandoned lease held though the epoch of another waits for an event log that is away', async () => {
    clock.setNow(Date.UTC(2026, 10, 25, 15));
    const customer = await fixture.createCustomer(instance, { creditPico: 100n });
    await fixture.acquire(instance, 'lost-too', [creditScope(customer, 60n)]);
    fixture.eventLog.isAway = true;
    try {
      await instance.leases.closeEpoch({ holderId: 'ended', epoch: 1n });
      clock.advance(31 * 60_000);
      await eventually(async () => expect((await instance.accounts.getCredits({ accountId: customer.accountId })).heldPico).toBe(0n));
    } finally {
      fixture.eventLog.isAway = false;
    }
  });

  it('starts no billing that would give an abandoned lease back while it may still be charged', async () => {
    const times = { leaseReserveMs: 60_000, leaseSettleMarginMs: 600_000 };
    await expect(fixture.startInstance({ ...times, leaseAbandonAfterMs: 660_000 })).rejects.toThrow(
      'SWITCHYARD_LEASE_ABANDON_AFTER_MS must be more than 660000',
    );
  });

  it('forgets minute windows a day later, with their leases', async () => {
    clock.setNow(Date.UTC(2026, 10, 26, 12));
    const customer = await fixture.createCustomer(instance);
    await fixture.acquire(instance, 'ingress', [keyScope(customer, FREE_REQUESTS_PER_MINUTE, 1n)]);
    const countScopes = async () =>
      Number((await fixture.pool.query<{ count: bigint }>('SELECT count(*) FROM lease_scopes WHERE account_id = $1', [customer.accountId])).rows[0]!.count);
    expect(await countScopes()).toBe(2);
    clock.advance(25 * 3_600_000);
    // A window whose lease is just being given up is locked, and left to another time.
    await eventually(async () => {
      await instance.expiry.keepHouse();
      expect(await countScopes()).toBe(1);
    });
  });
});

async function countWaitingForScopes({ pool }: BillingFixture): Promise<bigint> {
  const { rows } = await pool.query<{ count: bigint }>(
    `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%lease_scopes%' AND datname = current_database()`,
  );
  return rows[0]!.count;
}

/** A holder that answers no recall. */
async function hearRecalls(instance: Billing, holderId: string, signal: AbortSignal): Promise<void> {
  let recallCount = 0;
  for await (const { recalls } of instance.leases.watchHolder({ holderId, epoch: 1n }, { signal })) recallCount += recalls.length;
  expect(recallCount).toBe(1);
}

/** A holder that answers recalls: it gives back the named totals; resolves with the leases recalled once the signal aborts. */
async function giveBackOnRecall(instance: Billing, holderId: string, totals: ReadonlyMap<string, bigint>, signal: AbortSignal): Promise<string[]> {
  const recalled: string[] = [];
  for await (const { recalls } of instance.leases.watchHolder({ holderId, epoch: 1n }, { signal })) {
    for (const { leaseId } of recalls) {
      recalled.push(leaseId);
      await instance.leases.releaseLeases({ holderId, epoch: 1n, releases: [{ leaseId, releasedTotal: totals.get(leaseId) ?? 0n, isClosed: false }] });
    }
  }
  return recalled;
}
