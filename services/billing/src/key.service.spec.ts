import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { billing } from '@switchyard/proto';
import { eventually, realClock } from '@switchyard/testing';
import { createHash } from 'node:crypto';
import type { Billing } from './billing.module.js';
import { BillingFixture, creditScope, consume, USD } from './fixtures/billing-fixture.js';

const update = (changes: Partial<billing.UpdateKeyRequest>): billing.UpdateKeyRequest => billing.UpdateKeyRequest.fromPartial(changes);
const create = (changes: Partial<billing.CreateKeyRequest>): billing.CreateKeyRequest => billing.CreateKeyRequest.fromPartial({ name: 'a key', ...changes });

describe('accounts and keys', () => {
  let fixture: BillingFixture;
  let first: Billing;
  let second: Billing;

  beforeAll(async () => {
    fixture = await BillingFixture.start(realClock());
    [first, second] = [await fixture.startInstance(), await fixture.startInstance()];
  }, 90_000);
  afterAll(() => fixture.close());

  it('shows a secret once and knows it by its SHA-256 alone', async () => {
    const { accountId, defaultWorkspaceId } = await first.accounts.createAccount({ accountId: '', name: 'Test' });
    const { key, secret } = await first.keys.createKey(create({ accountId, costCentre: 'r-and-d', allowedModels: ['openai/*'] }));
    expect(secret).toMatch(/^sk-sy-v1-[0-9A-Za-z]{43}$/);
    const hash = createHash('sha256').update(secret).digest('hex');
    expect(key).toMatchObject({
      hash,
      label: `sk-sy-v1-...${secret.slice(-4)}`,
      accountId,
      workspaceId: defaultWorkspaceId,
      kind: billing.KeyKind.INFERENCE,
      version: 1n,
    });
    const resolved = await second.keys.resolveKey({ secretHash: hash });
    expect(resolved.key).toEqual(key);
    const { rows } = await fixture.pool.query<{ text: string }>('SELECT api_keys::text AS text FROM api_keys');
    expect(rows.some((row) => row.text.includes(secret.slice(9)))).toBe(false);
    await expect(first.keys.resolveKey({ secretHash: createHash('sha256').update(hash).digest('hex') })).rejects.toMatchObject({ type: 'not_found' });
    await expect(first.keys.resolveKey({ secretHash: secret })).rejects.toMatchObject({ type: 'invalid_request' });
  });

  it('tells the platform’s limits with a key whose account has none of its own', async () => {
    const limited = await fixture.startInstance({ accountRequestsPerMinute: 7, accountTokensPerMinute: 700 });
    const { accountId } = await limited.accounts.createAccount({ accountId: '', name: 'Test' });
    const { key } = await limited.keys.createKey(create({ accountId }));
    const resolved = await limited.keys.resolveKey({ secretHash: key!.hash });
    expect(resolved.key!.account).toMatchObject({ requestsPerMinute: 7n, tokensPerMinute: 700n });
    const changes = limited.keys.watchKeys({ afterSequence: resolved.sequence })[Symbol.asyncIterator]();
    await changes.next();
    await limited.accounts.updateAccount(billing.UpdateAccountRequest.fromPartial({ accountId, updateMask: ['requests_per_minute'], requestsPerMinute: 5n }));
    const told = await eventually(async () => {
      const { value } = (await changes.next()) as { value: billing.WatchKeysResponse };
      expect(value.changedAccounts.length).toBeGreaterThan(0);
      return value.changedAccounts[0];
    });
    expect(told).toMatchObject({ accountId, requestsPerMinute: 5n, tokensPerMinute: 700n });
    await changes.return?.();
  });

  it('creates an account once and grants a credit once', async () => {
    const [one, two] = await Promise.all([
      first.accounts.createAccount({ accountId: 'acme', name: 'Acme' }),
      second.accounts.createAccount({ accountId: 'acme', name: 'Acme' }),
    ]);
    expect(one).toEqual(two);
    const grant = { accountId: 'acme', amountPico: USD, idempotencyKey: 'payment-1', description: '', isPromotional: false };
    await Promise.all([first.accounts.grantCredit(grant), second.accounts.grantCredit(grant), first.accounts.grantCredit(grant)]);
    await expect(second.accounts.grantCredit({ ...grant, amountPico: 2n * USD })).rejects.toMatchObject({ type: 'conflict' });
    await first.accounts.grantCredit({ ...grant, idempotencyKey: 'payment-2' });
    expect(await first.accounts.getCredits({ accountId: 'acme' })).toMatchObject({ totalCreditsPico: 2n * USD, totalUsagePico: 0n });
    expect((await first.ledger.verifyLedger()).differences).toEqual([]);
  });

  it.each<[string, Partial<billing.GrantCreditRequest>, string]>([
    ['an unknown account', { accountId: 'nobody' }, 'not_found'],
    ['no amount', { amountPico: 0n }, 'invalid_request'],
    ['a negative amount', { amountPico: -1n }, 'invalid_request'],
    ['no idempotency key', { idempotencyKey: '' }, 'invalid_request'],
  ])('refuses a grant to %s', async (_, changes, type) => {
    await first.accounts.createAccount({ accountId: 'grantee', name: '' });
    await expect(
      first.accounts.grantCredit({ accountId: 'grantee', amountPico: 1n, idempotencyKey: 'x', description: '', isPromotional: false, ...changes }),
    ).rejects.toMatchObject({ type });
  });

  it('counts only bought credit for the larger free quota', async () => {
    const customer = await fixture.createCustomer(first);
    const hasPurchased = async () => (await first.keys.resolveKey({ secretHash: customer.keyHash })).key!.account!.hasPurchased;
    await first.accounts.grantCredit({ accountId: customer.accountId, amountPico: 50n * USD, idempotencyKey: 'welcome', description: '', isPromotional: true });
    await fixture.grantCredit(first, customer.accountId, 9n * USD);
    expect(await hasPurchased()).toBe(false);
    await fixture.grantCredit(first, customer.accountId, USD);
    expect(await hasPurchased()).toBe(true);
  });

  it('changes what the mask names and clears what is absent', async () => {
    const customer = await fixture.createCustomer(first, { limitPico: 5n });
    const { accountId, keyHash: hash } = customer;
    const renamed = await first.keys.updateKey(update({ accountId, hash, updateMask: ['name', 'disabled'], name: 'renamed', disabled: true }));
    expect(renamed.key!.key).toMatchObject({ name: 'renamed', disabled: true, limitPico: 5n, version: 2n });
    const cleared = await second.keys.updateKey(update({ accountId, hash, updateMask: ['limit_pico'] }));
    expect(cleared.key!.key).toMatchObject({ name: 'renamed', limitPico: undefined, version: 3n });
    expect(cleared.key!.usage!.limitRemainingPico).toBeUndefined();
    await expect(first.keys.updateKey(update({ accountId, hash, updateMask: ['hash'] }))).rejects.toMatchObject({ type: 'invalid_request' });
    await expect(first.keys.updateKey(update({ accountId: 'acme', hash, updateMask: ['name'], name: 'x' }))).rejects.toMatchObject({ type: 'not_found' });
  });

  it('makes no key that has expired already, and ends one there and then by a change', async () => {
    const { accountId } = await first.accounts.createAccount({ accountId: '', name: '' });
    const past = BigInt(Date.now() - 60_000);
    await expect(first.keys.createKey(create({ accountId, expireTimeMs: past }))).rejects.toMatchObject({
      type: 'invalid_request',
      message: expect.stringContaining('expires_at'),
    });
    const { key } = await first.keys.createKey(create({ accountId, expireTimeMs: past + 120_000n }));
    const ended = await first.keys.updateKey(update({ accountId, hash: key!.hash, updateMask: ['expire_time_ms'], expireTimeMs: past }));
    expect(ended.key!.key).toMatchObject({ expireTimeMs: past });
  });

  it('keeps a key’s content out of traces unless it says otherwise, and tells the ingresses', async () => {
    const customer = await fixture.createCustomer(first);
    const { accountId, keyHash: hash } = customer;
    const resolved = async () => (await second.keys.resolveKey({ secretHash: hash })).key!.includeContentInTraces;
    expect(await resolved()).toBe(false);
    await first.keys.updateKey(update({ accountId, hash, updateMask: ['include_content_in_traces'], includeContentInTraces: true }));
    expect(await resolved()).toBe(true);
    await first.keys.updateKey(update({ accountId, hash, updateMask: ['name'], name: 'renamed' }));
    expect(await resolved()).toBe(true);
    await first.keys.updateKey(update({ accountId, hash, updateMask: ['include_content_in_traces'] }));
    expect(await resolved()).toBe(false);
    const { key } = await first.keys.createKey(create({ accountId, includeContentInTraces: true }));
    expect(key).toMatchObject({ includeContentInTraces: true });
  });

  it('lists the newest first, hides disabled and deleted keys, and pages', async () => {
    const { accountId } = await first.accounts.createAccount({ accountId: '', name: '' });
    const made: string[] = [];
    for (const name of ['a', 'b', 'c', 'd']) made.push((await first.keys.createKey(create({ accountId, name }))).key!.hash);
    await first.keys.updateKey(update({ accountId, hash: made[0]!, updateMask: ['disabled'], disabled: true }));
    await first.keys.deleteKey({ accountId, hash: made[1]! });
    const names = async (changes: Partial<billing.ListKeysRequest>) => {
      const { keys } = await first.keys.listKeys({ accountId, workspaceId: '', includeDisabled: false, offset: 0, limit: 0, ...changes });
      return keys.map((item) => item.key!.name).sort();
    };
    expect(await names({})).toEqual(['c', 'd']);
    expect(await names({ includeDisabled: true })).toEqual(['a', 'c', 'd']);
    expect([...(await names({ includeDisabled: true, limit: 2 })), ...(await names({ includeDisabled: true, limit: 2, offset: 2 }))].sort()).toEqual([
      'a',
      'c',
      'd',
    ]);
    expect(await names({ workspaceId: 'elsewhere' })).toEqual([]);
    await expect(first.keys.resolveKey({ secretHash: made[1]! })).rejects.toMatchObject({ type: 'not_found' });
    await expect(first.keys.deleteKey({ accountId, hash: made[1]! })).rejects.toMatchObject({ type: 'not_found' });
  });

  it.each<[string, Partial<billing.CreateKeyRequest>, string]>([
    ['without a name', { name: '' }, 'invalid_request'],
    ['with a negative limit', { limitPico: -1n }, 'invalid_request'],
    ['with no requests per minute', { requestsPerMinute: 0n }, 'invalid_request'],
    ['for an unknown account', { accountId: 'nobody' }, 'not_found'],
    ['in a workspace of somebody else', { workspaceId: 'elsewhere' }, 'not_found'],
  ])('refuses a key %s', async (_, changes, type) => {
    const { accountId } = await first.accounts.createAccount({ accountId: '', name: '' });
    await expect(first.keys.createKey(create({ accountId, ...changes }))).rejects.toMatchObject({ type });
  });
});

describe('the stream of key changes', () => {
  let fixture: BillingFixture;
  let first: Billing;
  let second: Billing;

  beforeAll(async () => {
    fixture = await BillingFixture.start(realClock());
    [first, second] = [await fixture.startInstance({ heartbeatMs: 50 }), await fixture.startInstance({ heartbeatMs: 50 })];
  }, 90_000);
  afterAll(() => fixture.close());

  function follow(instance: Billing, afterSequence?: bigint): { messages: billing.WatchKeysResponse[]; end(): Promise<void> } {
    const stop = new AbortController();
    const messages: billing.WatchKeysResponse[] = [];
    const done = (async () => {
      for await (const message of instance.keys.watchKeys({ afterSequence }, { signal: stop.signal })) messages.push(message);
    })();
    return {
      messages,
      end: () => {
        stop.abort();
        return done;
      },
    };
  }

  it('begins with the present number, beats, and carries changes made through another instance without a gap', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: 100n });
    const { accountId, keyHash: hash } = customer;
    const { messages, end } = follow(second);
    await eventually(() => expect(messages.length).toBeGreaterThan(2));
    expect(messages.every((message) => message.changed.length === 0 && message.sequence === messages[0]!.sequence)).toBe(true);
    await first.keys.updateKey(update({ accountId, hash, updateMask: ['disabled'], disabled: true }));
    await eventually(() =>
      expect(messages.flatMap((message) => message.changed)).toContainEqual(expect.objectContaining({ hash, disabled: true, version: 2n })),
    );
    await first.keys.deleteKey({ accountId, hash });
    await eventually(() =>
      expect(messages.flatMap((message) => message.changed)).toContainEqual(expect.objectContaining({ hash, deleted: true, version: 3n })),
    );
    await end();
    for (const [index, message] of messages.slice(1).entries()) expect(message.previousSequence).toBe(messages[index]!.sequence);
    expect(messages.at(-1)!.sequence).toBe(messages[0]!.sequence + 2n);
  });

  it('resumes after the number that a watcher has seen, and shows a gap where it cannot', async () => {
    const before = (await first.keys.resolveKey({ secretHash: (await fixture.createCustomer(first)).keyHash })).sequence;
    const customer = await fixture.createCustomer(first);
    const resumed = follow(second, before);
    await eventually(() => expect(resumed.messages[0]).toMatchObject({ previousSequence: before, changed: [{ hash: customer.keyHash }] }));
    await resumed.end();
    const ahead = follow(second, before + 1_000n);
    await eventually(() => expect(ahead.messages[0]).toMatchObject({ sequence: before + 1n, previousSequence: before + 1n }));
    await ahead.end();
  });

  it('sends what a watcher missed as it is read: the last of much tells a key as it is by then', async () => {
    const { accountId, keyHash: hash } = await fixture.createCustomer(first);
    const { sequence: before } = await first.keys.resolveKey({ secretHash: hash });
    await fixture.pool.query(
      `WITH counter AS (UPDATE change_counter SET sequence = sequence + 1500 RETURNING sequence - 1500 AS before)
       INSERT INTO changes (sequence, key_hash, changed_at_ms) SELECT before + number, $1, $2 FROM counter, generate_series(1, 1500) number`,
      [hash, fixture.clock.nowMs()],
    );
    const missed = second.keys.watchKeys({ afterSequence: before })[Symbol.asyncIterator]();
    const next = async (): Promise<billing.WatchKeysResponse> => ((await missed.next()) as { value: billing.WatchKeysResponse }).value;
    expect(await next()).toMatchObject({ previousSequence: before, sequence: before + 1_000n, changed: [{ hash, disabled: false }] });
    await first.keys.updateKey(update({ accountId, hash, updateMask: ['disabled'], disabled: true }));
    expect(await next()).toMatchObject({ previousSequence: before + 1_000n, sequence: before + 1_501n, changed: [{ hash, disabled: true }] });
    await missed.return?.();
  });

  it('shows the gap to its watchers when it slept for longer than changes are kept', async () => {
    const { messages, end } = follow(second);
    await eventually(() => expect(messages.length).toBeGreaterThan(0));
    const before = messages[0]!.sequence;
    // As they come in a day, all of which have gone by now.
    await fixture.pool.query('UPDATE change_counter SET sequence = sequence + 5');
    await eventually(() => expect(messages.at(-1)!.sequence).toBe(before + 5n));
    const late = messages.find(({ sequence }) => sequence > before);
    expect(late).toMatchObject({ previousSequence: before + 5n, changed: [] });
    await end();
  });

  it('goes on after every database connection broke', async () => {
    const { accountId, keyHash: hash } = await fixture.createCustomer(first);
    const { messages, end } = follow(second);
    await eventually(() => expect(messages.length).toBeGreaterThan(0));
    await fixture.pool
      .query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()')
      .catch(() => undefined);
    await eventually(() => first.keys.updateKey(update({ accountId, hash, updateMask: ['disabled'], disabled: true })));
    await eventually(() => expect(messages.flatMap((message) => message.changed)).toContainEqual(expect.objectContaining({ hash, disabled: true })));
    await eventually(() => expect([first.listener.isListening, second.listener.isListening]).toEqual([true, true]));
    await end();
  });

  it('tells that an account went below zero and came back', async () => {
    const customer = await fixture.createCustomer(first, { creditPico: 100n });
    const { messages, end } = follow(second);
    await eventually(() => expect(messages.length).toBeGreaterThan(0));
    const { leases } = await fixture.acquire(first, 'ingress', [creditScope(customer, 100n)]);
    await consume(first.consumer, [fixture.charge(customer, 150n, [{ leaseId: leases[0]!.leaseId, amount: 150n }])]);
    const facts = () => messages.flatMap((message) => message.changedAccounts).map((account) => account.isNegative);
    await eventually(() => expect(facts()).toEqual([true]));
    await fixture.grantCredit(first, customer.accountId, 100n);
    await eventually(() => expect(facts()).toEqual([true, false]));
    await end();
  });
});
