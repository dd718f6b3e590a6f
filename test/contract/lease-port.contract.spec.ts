import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { billingTarget } from '@switchyard/billing/billing.target';
import { AccountPort, billing, KeyPort, LeasePort } from '@switchyard/proto';
import { eventually } from '@switchyard/testing';
import { describePort } from './bindings.js';
import { ServedTarget } from './served-target.js';
import { firstMessage, itKeepsStreamPromises, StreamReading } from './stream-promises.js';

/** More than a double can hold exactly. */
const ODD_AMOUNT = 9_007_199_254_740_993n;
const MINUTE_MS = 60_000n;
const { ACCOUNT_CREDIT, KEY_LIMIT, KEY_REQUESTS_PER_MINUTE, ACCOUNT_TOKENS_PER_MINUTE, FREE_REQUESTS_PER_MINUTE } = billing.LeaseScopeKind;

let target: ServedTarget;

beforeAll(async () => {
  // No grants ahead of need, so that amounts are exact; a long wait for recalls, so that only answers can end it.
  target = await ServedTarget.start(billingTarget, {
    environment: { SWITCHYARD_BILLING_HEARTBEAT_MS: '100ms', SWITCHYARD_LEASE_RECALL_WAIT_MS: '20s' },
  });
}, 90_000);

afterAll(() => target.close());

interface Customer {
  readonly accountId: string;
  readonly keyHash: string;
}

async function newCustomer(creditPico: bigint, key: Partial<billing.CreateKeyRequest> = {}): Promise<Customer> {
  const accounts = target.implementation(AccountPort);
  const { accountId } = await accounts.createAccount({ accountId: '', name: 'Acme' });
  if (creditPico > 0n) await accounts.grantCredit({ accountId, amountPico: creditPico, idempotencyKey: 'credit', description: '', isPromotional: false });
  const created = await target.implementation(KeyPort).createKey(billing.CreateKeyRequest.fromPartial({ accountId, name: 'key', ...key }));
  return { accountId, keyHash: created.key!.hash };
}

function scopeOf(kind: billing.LeaseScopeKind, { accountId, keyHash }: Customer, amountNeeded: bigint, windowStartMs = 0n): billing.ScopeRequest {
  const isOfKey = kind === KEY_LIMIT || kind === KEY_REQUESTS_PER_MINUTE;
  return { scope: { kind, accountId, keyHash: isOfKey ? keyHash : '', windowStartMs }, amountNeeded, recentSpend: 0n };
}

async function heldPico({ accountId }: Customer): Promise<bigint> {
  return (await target.implementation(AccountPort).getCredits({ accountId })).heldPico;
}

function holder(): string {
  return `holder-${randomUUID()}`;
}

describePort(
  LeasePort,
  () => target.implementation(LeasePort),
  ({ port, logger, openCalls }) => {
    const acquire = (holderId: string, scopes: billing.ScopeRequest[], fields: Partial<billing.AcquireLeasesRequest> = {}, signal?: AbortSignal) =>
      port.acquireLeases({ holderId, epoch: 1n, requestId: randomUUID(), scopes, acceptTimeMs: BigInt(Date.now()), ...fields }, { signal, timeoutMs: 15_000 });
    const release = (holderId: string, leaseId: string, releasedTotal: bigint, isClosed = false) =>
      port.releaseLeases({ holderId, epoch: 1n, releases: [{ leaseId, releasedTotal, isClosed }] });

    it('grants all scopes, in their order and as they were asked for, those without a limit too', async () => {
      const customer = await newCustomer(2n * ODD_AMOUNT, { limitPico: 2n * ODD_AMOUNT });
      const windowStartMs = (BigInt(Date.now()) / MINUTE_MS) * MINUTE_MS;
      const scopes = [
        scopeOf(KEY_LIMIT, customer, ODD_AMOUNT),
        scopeOf(ACCOUNT_TOKENS_PER_MINUTE, customer, 5n, windowStartMs),
        scopeOf(ACCOUNT_CREDIT, customer, ODD_AMOUNT),
        scopeOf(FREE_REQUESTS_PER_MINUTE, customer, 1n, windowStartMs),
      ];
      const { leases, shortage } = await acquire(holder(), scopes);
      expect(shortage).toBeUndefined();
      expect(leases.map((lease) => lease.scope)).toEqual(scopes.map(({ scope }) => scope));
      expect(leases.map((lease) => lease.unit)).toEqual([
        billing.LeaseUnit.PICO_USD,
        billing.LeaseUnit.TOKENS,
        billing.LeaseUnit.PICO_USD,
        billing.LeaseUnit.REQUESTS,
      ]);
      expect([leases[0]!.granted, leases[2]!.granted]).toEqual([ODD_AMOUNT, ODD_AMOUNT]);
      expect(new Set(leases.map((lease) => lease.leaseId)).size).toBe(4);
      for (const { epoch, reserveForMs, settleForMs } of leases) {
        expect([epoch, settleForMs - reserveForMs]).toEqual([1n, 600_000n]);
        expect(reserveForMs).toBeGreaterThan(30_000n);
        expect(reserveForMs).toBeLessThanOrEqual(60_000n);
      }
      expect(await heldPico(customer)).toBe(ODD_AMOUNT);
    });

    it('names the scope that has too little, and grants nothing then', async () => {
      const customer = await newCustomer(3n * ODD_AMOUNT, { limitPico: ODD_AMOUNT, requestsPerMinute: 2n });
      const scopes = [scopeOf(ACCOUNT_CREDIT, customer, ODD_AMOUNT + 1n), scopeOf(KEY_LIMIT, customer, ODD_AMOUNT + 1n)];
      expect(await acquire(holder(), scopes)).toEqual({
        leases: [],
        shortage: { scope: scopes[1]!.scope, available: ODD_AMOUNT, limit: ODD_AMOUNT, resetTimeMs: 0n, unspent: ODD_AMOUNT },
      });
      expect(await heldPico(customer)).toBe(0n);
      const acceptTimeMs = BigInt(Date.now());
      const { shortage } = await acquire(holder(), [scopeOf(KEY_REQUESTS_PER_MINUTE, customer, 3n)], { acceptTimeMs });
      expect(shortage).toMatchObject({ available: 2n, limit: 2n, resetTimeMs: (acceptTimeMs / MINUTE_MS + 1n) * MINUTE_MS });
    });

    it('knows no account and no key that never was', async () => {
      const customer = await newCustomer(10n);
      const stranger = { accountId: 'no such account', keyHash: '0'.repeat(64) };
      const notFound = { type: 'not_found' };
      await expect(acquire(holder(), [scopeOf(ACCOUNT_CREDIT, stranger, 1n)])).rejects.toMatchObject(notFound);
      for (const keyHash of [stranger.keyHash, 'no hash', 'a\u0000b', '']) {
        await expect(acquire(holder(), [scopeOf(KEY_LIMIT, { ...customer, keyHash }, 1n)])).rejects.toMatchObject(notFound);
      }
      const other = await newCustomer(10n);
      await expect(acquire(holder(), [scopeOf(KEY_LIMIT, { ...other, keyHash: customer.keyHash }, 1n)])).rejects.toMatchObject(notFound);
    });

    it.each<[string, (customer: Customer) => Promise<unknown>]>([
      ['no scopes', () => acquire(holder(), [])],
      ['a holder without a name', (customer) => acquire('', [scopeOf(ACCOUNT_CREDIT, customer, 1n)])],
      ['a scope of no kind', (customer) => acquire(holder(), [scopeOf(billing.LeaseScopeKind.UNSPECIFIED, customer, 1n)])],
      ['a negative amount', (customer) => acquire(holder(), [scopeOf(ACCOUNT_CREDIT, customer, -1n)])],
      ['an amount beyond 64 bits', (customer) => acquire(holder(), [scopeOf(ACCOUNT_CREDIT, customer, 2n ** 63n)])],
      ['an epoch beyond 64 bits', (customer) => acquire(holder(), [scopeOf(ACCOUNT_CREDIT, customer, 1n)], { epoch: 2n ** 63n })],
      ['another time', (customer) => acquire(holder(), [scopeOf(ACCOUNT_CREDIT, customer, 1n)], { acceptTimeMs: 1n })],
      ['an account that the database cannot hold', (customer) => acquire(holder(), [scopeOf(ACCOUNT_CREDIT, { ...customer, accountId: '\u0000' }, 1n)])],
      ['the release of what is no lease', () => release(holder(), 'lease', 1n)],
      ['a close without a holder', () => port.closeEpoch({ holderId: '', epoch: 1n })],
      ['a watch without a holder', () => firstMessage(port.watchHolder({ holderId: '', epoch: 1n }))],
    ])('refuses %s', async (_what, call) => {
      await expect(call(await newCustomer(10n))).rejects.toMatchObject({ type: 'invalid_request' });
    });

    it('repeats the first answer to a call that is repeated', async () => {
      const [customer, holderId, requestId] = [await newCustomer(100n), holder(), randomUUID()];
      const scopes = [scopeOf(ACCOUNT_CREDIT, customer, 40n)];
      const first = await acquire(holderId, scopes, { requestId });
      const again = await acquire(holderId, scopes, { requestId });
      expect(again.leases.map(({ leaseId, granted }) => [leaseId, granted])).toEqual(first.leases.map(({ leaseId, granted }) => [leaseId, granted]));
      expect(await heldPico(customer)).toBe(40n);
    });

    it('counts what is given back in total: calls may be repeated and come late', async () => {
      const [customer, holderId] = [await newCustomer(2n * ODD_AMOUNT), holder()];
      const { leases } = await acquire(holderId, [scopeOf(ACCOUNT_CREDIT, customer, ODD_AMOUNT)]);
      for (const total of [2n, 2n, 1n]) expect(await release(holderId, leases[0]!.leaseId, total)).toEqual({});
      expect(await heldPico(customer)).toBe(ODD_AMOUNT - 2n);
      await release(holder(), leases[0]!.leaseId, ODD_AMOUNT);
      expect(await heldPico(customer)).toBe(ODD_AMOUNT - 2n);
      await release(holderId, leases[0]!.leaseId, ODD_AMOUNT, true);
      expect(await heldPico(customer)).toBe(0n);
    });

    it('fences an epoch that was closed and one that a newer one follows', async () => {
      const [customer, holderId] = [await newCustomer(100n), holder()];
      const scopes = [scopeOf(ACCOUNT_CREDIT, customer, 1n)];
      await acquire(holderId, scopes);
      await acquire(holderId, scopes, { epoch: 2n });
      await expect(acquire(holderId, scopes)).rejects.toMatchObject({ type: 'precondition_failed', metadata: { epoch: '1' } });
      for (let time = 0; time < 2; time++) expect(await port.closeEpoch({ holderId, epoch: 2n })).toEqual({});
      await expect(acquire(holderId, scopes, { epoch: 2n })).rejects.toMatchObject({ type: 'precondition_failed' });
      await expect(firstMessage(port.watchHolder({ holderId, epoch: 2n }))).rejects.toMatchObject({ type: 'precondition_failed' });
      expect(openCalls()).toBe(0);
    });

    it('begins a watch with billing’s clock and goes on with heartbeats', async () => {
      const watch = new StreamReading((signal) => port.watchHolder({ holderId: holder(), epoch: 1n }, { signal }));
      await eventually(() => expect(watch.messages.length).toBeGreaterThanOrEqual(3));
      await watch.stop();
      const times = watch.messages.map((message) => Number(message.serverTimeMs));
      expect(times).toEqual([...times].sort((left, right) => left - right));
      for (const timeMs of times) expect(Math.abs(timeMs - Date.now())).toBeLessThan(600_000);
    });

    it('recalls what another holder needs, and refuses once everybody has answered', async () => {
      const [customer, hoarder] = [await newCustomer(100n), holder()];
      const { leases } = await acquire(hoarder, [scopeOf(ACCOUNT_CREDIT, customer, 100n)]);
      let free = 70n;
      const watch = new StreamReading(
        (signal) => port.watchHolder({ holderId: hoarder, epoch: 1n }, { signal }),
        async ({ recalls }) => {
          for (const { leaseId } of recalls) await release(hoarder, leaseId, free);
        },
      );
      // Live from its second message on: only then is it waited for.
      await eventually(() => expect(watch.messages.length).toBeGreaterThanOrEqual(3));
      const granted = await acquire(holder(), [scopeOf(ACCOUNT_CREDIT, customer, 60n)]);
      expect(granted.leases).toMatchObject([{ granted: 60n }]);
      expect(watch.messages.flatMap(({ recalls }) => recalls)).toEqual([{ leaseId: leases[0]!.leaseId, reason: 'shortage' }]);
      free = 70n;
      const refused = await acquire(holder(), [scopeOf(ACCOUNT_CREDIT, customer, 60n)]);
      expect(refused).toMatchObject({ leases: [], shortage: { available: 10n, limit: 100n } });
      await watch.stop();
    });

    it('lets a caller go who does not want to wait for recalls any more', async () => {
      const [customer, hoarder, abort] = [await newCustomer(100n), holder(), new AbortController()];
      await acquire(hoarder, [scopeOf(ACCOUNT_CREDIT, customer, 100n)]);
      const watch = new StreamReading((signal) => port.watchHolder({ holderId: hoarder, epoch: 1n }, { signal }));
      await eventually(() => expect(watch.messages.length).toBeGreaterThanOrEqual(3));
      const waiting = expect(acquire(holder(), [scopeOf(ACCOUNT_CREDIT, customer, 60n)], {}, abort.signal)).rejects.toThrow('never mind');
      await eventually(() => expect(watch.messages.some(({ recalls }) => recalls.length > 0)).toBe(true));
      abort.abort(new Error('never mind'));
      await waiting;
      await eventually(() => expect(openCalls()).toBe(1));
      await watch.stop();
      await eventually(() => expect(openCalls()).toBe(0));
      expect(await heldPico(customer)).toBe(100n);
    });

    itKeepsStreamPromises((signal) => port.watchHolder({ holderId: 'watcher', epoch: 1n }, { signal }), openCalls);

    it('masks what nobody expected', async () => {
      await target.pool.query('ALTER TABLE leases RENAME TO leases_away');
      try {
        await expect(release(holder(), randomUUID(), 1n)).rejects.toMatchObject({ type: 'server', message: expect.not.stringContaining('leases') });
        expect(logger.lines.filter(({ level, fields }) => level === 'error' && fields['method'] === 'billing.LeaseService/releaseLeases')).toHaveLength(1);
      } finally {
        await target.pool.query('ALTER TABLE leases_away RENAME TO leases');
      }
    });
  },
);
