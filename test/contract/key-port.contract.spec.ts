import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { billingTarget } from '@switchyard/billing/billing.target';
import { AccountPort, billing, KeyPort } from '@switchyard/proto';
import { eventually } from '@switchyard/testing';
import { describePort } from './bindings.js';
import { ServedTarget } from './served-target.js';
import { firstMessage, itKeepsStreamPromises, StreamReading } from './stream-promises.js';

/** More than a double can hold exactly. */
const ODD_AMOUNT = 9_007_199_254_740_993n;
const INT64_MAX = 9_223_372_036_854_775_807n;
const NO_SUCH_HASH = '0'.repeat(64);
const NOT_FOUND = { type: 'not_found' };
const INVALID = { type: 'invalid_request' };

let target: ServedTarget;
let accounts: AccountPort;

beforeAll(async () => {
  target = await ServedTarget.start(billingTarget, { environment: { SWITCHYARD_BILLING_HEARTBEAT_MS: '100ms' } });
  accounts = target.implementation(AccountPort);
}, 90_000);

afterAll(() => target.close());

const newAccount = async (): Promise<string> => (await accounts.createAccount({ accountId: '', name: 'Acme' })).accountId;
const keyRequest = (accountId: string, fields: Partial<billing.CreateKeyRequest> = {}): billing.CreateKeyRequest =>
  billing.CreateKeyRequest.fromPartial({ accountId, name: 'a key', ...fields });
const listRequest = (accountId: string, fields: Partial<billing.ListKeysRequest> = {}): billing.ListKeysRequest =>
  billing.ListKeysRequest.fromPartial({ accountId, ...fields });

describePort(
  KeyPort,
  () => target.implementation(KeyPort),
  ({ port, logger, openCalls }) => {
    const update = (accountId: string, hash: string, updateMask: string[], fields: Partial<billing.UpdateKeyRequest> = {}) =>
      port.updateKey(billing.UpdateKeyRequest.fromPartial({ accountId, hash, updateMask, ...fields }));

    it('makes a key whose secret resolves to it, with the facts of its account', async () => {
      const accountId = await newAccount();
      const { key, secret } = await port.createKey(
        keyRequest(accountId, {
          kind: billing.KeyKind.MANAGEMENT,
          limitPico: ODD_AMOUNT,
          limitReset: billing.LimitReset.WEEKLY,
          expireTimeMs: INT64_MAX,
          allowedModels: ['acme/*', 'openai/gpt-4o'],
          tokensPerMinute: ODD_AMOUNT,
          externalUser: 'Zoë 🚂',
        }),
      );
      const hash = createHash('sha256').update(secret).digest('hex');
      expect(key).toMatchObject({ hash, accountId, kind: billing.KeyKind.MANAGEMENT, limitReset: billing.LimitReset.WEEKLY, externalUser: 'Zoë 🚂' });
      expect(key).toMatchObject({ limitPico: ODD_AMOUNT, expireTimeMs: INT64_MAX, tokensPerMinute: ODD_AMOUNT, allowedModels: ['acme/*', 'openai/gpt-4o'] });
      const resolved = await port.resolveKey({ secretHash: hash });
      expect(resolved.key).toEqual(key);
      expect(resolved.key!.account).toEqual(billing.AccountFacts.fromPartial({ accountId }));
      expect(resolved.key!.requestsPerMinute).toBeUndefined();
      expect(resolved.sequence).toBeGreaterThan(0n);
    });

    it('knows no key that never was, was deleted or belongs to another account', async () => {
      const [accountId, other] = [await newAccount(), await newAccount()];
      const { key } = await port.createKey(keyRequest(accountId));
      const hash = key!.hash;
      await expect(port.resolveKey({ secretHash: NO_SUCH_HASH })).rejects.toMatchObject(NOT_FOUND);
      await expect(port.getKey({ accountId: other, hash })).rejects.toMatchObject(NOT_FOUND);
      await expect(update(other, hash, ['disabled'], { disabled: true })).rejects.toMatchObject(NOT_FOUND);
      await expect(port.deleteKey({ accountId: other, hash })).rejects.toMatchObject(NOT_FOUND);
      expect(await port.deleteKey({ accountId, hash })).toEqual({});
      await expect(port.deleteKey({ accountId, hash })).rejects.toMatchObject(NOT_FOUND);
      await expect(port.getKey({ accountId, hash })).rejects.toMatchObject(NOT_FOUND);
      await expect(port.resolveKey({ secretHash: hash })).rejects.toMatchObject(NOT_FOUND);
      await expect(port.createKey(keyRequest('no such account'))).rejects.toMatchObject(NOT_FOUND);
      await expect(port.createKey(keyRequest(accountId, { workspaceId: 'no such workspace' }))).rejects.toMatchObject(NOT_FOUND);
    });

    it('changes what the mask names and clears what it names without a value', async () => {
      const accountId = await newAccount();
      const { key } = await port.createKey(keyRequest(accountId, { limitPico: 5n, requestsPerMinute: 7n }));
      const { key: raised } = await update(accountId, key!.hash, ['limit_pico', 'limit_reset'], { limitPico: INT64_MAX, limitReset: billing.LimitReset.DAILY });
      expect(raised).toMatchObject({ key: { limitPico: INT64_MAX, limitReset: billing.LimitReset.DAILY, name: 'a key', requestsPerMinute: 7n } });
      expect(raised!.usage).toMatchObject({ limitRemainingPico: INT64_MAX, totalPico: 0n, freeRequestsPerDay: 50n });
      const { key: cleared } = await update(accountId, key!.hash, ['limit_pico', 'requests_per_minute']);
      expect([cleared!.key!.limitPico, cleared!.key!.requestsPerMinute, cleared!.usage!.limitRemainingPico]).toEqual([undefined, undefined, undefined]);
      expect(cleared!.key!.version).toBe(key!.version + 2n);
      expect(await port.getKey({ accountId, hash: key!.hash })).toEqual({ key: cleared });
    });

    it('lists newest first and in pages, disabled keys on demand, deleted ones never', async () => {
      const accountId = await newAccount();
      const hashes: string[] = [];
      for (const name of ['first', 'second', 'third', 'fourth']) hashes.unshift((await port.createKey(keyRequest(accountId, { name }))).key!.hash);
      const listed = async (fields: Partial<billing.ListKeysRequest> = {}) =>
        (await port.listKeys(listRequest(accountId, fields))).keys.map(({ key }) => key!.hash);
      expect(await listed()).toEqual(hashes);
      expect(await listed({ offset: 1, limit: 2 })).toEqual(hashes.slice(1, 3));
      await update(accountId, hashes[0]!, ['disabled'], { disabled: true });
      await port.deleteKey({ accountId, hash: hashes[1]! });
      expect(await listed()).toEqual(hashes.slice(2));
      expect(await listed({ includeDisabled: true })).toEqual([hashes[0], ...hashes.slice(2)]);
      expect(await listed({ workspaceId: 'no such workspace' })).toEqual([]);
    });

    it.each<[string, (accountId: string) => Promise<unknown>]>([
      ['a hash that is none', () => port.resolveKey({ secretHash: 'sk-sy-v1-secret' })],
      ['a field that cannot be changed', (accountId) => update(accountId, NO_SUCH_HASH, ['account_id'])],
      ['a page that is too long', (accountId) => port.listKeys(listRequest(accountId, { limit: 1_001 }))],
      ['a negative limit', (accountId) => port.createKey(keyRequest(accountId, { limitPico: -1n }))],
      ['an amount beyond 64 bits', (accountId) => port.createKey(keyRequest(accountId, { limitPico: INT64_MAX + 1n }))],
      ['an empty name', (accountId) => port.createKey(keyRequest(accountId, { name: '' }))],
    ])('refuses %s', async (_what, call) => {
      await expect(call(await newAccount())).rejects.toMatchObject(INVALID);
    });

    it('takes names that the database cannot hold for what they are', async () => {
      const [accountId, name] = [await newAccount(), 'a\u0000b'];
      await expect(port.listKeys(listRequest(name))).rejects.toMatchObject(INVALID);
      await expect(port.listKeys(listRequest(accountId, { workspaceId: name }))).rejects.toMatchObject(INVALID);
      await expect(port.createKey(keyRequest(accountId, { workspaceId: name }))).rejects.toMatchObject(INVALID);
      await expect(port.getKey({ accountId, hash: name })).rejects.toMatchObject(NOT_FOUND);
      await expect(update(accountId, name, [])).rejects.toMatchObject(NOT_FOUND);
      await expect(port.deleteKey({ accountId, hash: name })).rejects.toMatchObject(NOT_FOUND);
    });

    it('watches: the number first, then each change with the number before it, heartbeats between', async () => {
      const accountId = await newAccount();
      const { key, secret } = await port.createKey(keyRequest(accountId, { limitPico: ODD_AMOUNT }));
      const watch = new StreamReading((signal) => port.watchKeys({}, { signal }));
      const first = await eventually(() => expectFirst(watch.messages));
      expect(first).toMatchObject({ changed: [], changedAccounts: [] });
      expect(first.previousSequence).toBe(first.sequence);
      expect(Math.abs(Number(first.serverTimeMs) - Date.now())).toBeLessThan(600_000);
      await update(accountId, key!.hash, ['disabled'], { disabled: true });
      await accounts.updateAccount(billing.UpdateAccountRequest.fromPartial({ accountId, updateMask: ['requests_per_minute'], requestsPerMinute: ODD_AMOUNT }));
      await port.deleteKey({ accountId, hash: key!.hash });
      const changes = await eventually(() => {
        const found = watch.messages.flatMap(({ changed }) => changed).filter(({ hash }) => hash === key!.hash);
        expect(found.at(-1)).toMatchObject({ deleted: true });
        return found;
      });
      await watch.stop();
      expect(changes.at(-1)).toMatchObject({ limitPico: ODD_AMOUNT, disabled: true, version: 3n, account: { requestsPerMinute: ODD_AMOUNT } });
      expect(watch.messages.flatMap(({ changedAccounts }) => changedAccounts)).toContainEqual(
        billing.AccountFacts.fromPartial({ accountId, requestsPerMinute: ODD_AMOUNT }),
      );
      for (const [index, message] of watch.messages.slice(1).entries()) expect(message.previousSequence).toBe(watch.messages[index]!.sequence);
      expect(JSON.stringify(watch.messages, (_name, value: unknown) => (typeof value === 'bigint' ? `${value}` : value))).not.toContain(secret);
    });

    it('sends heartbeats while nothing changes', async () => {
      const watch = new StreamReading((signal) => port.watchKeys({}, { signal }));
      await eventually(() => expect(watch.messages.length).toBeGreaterThanOrEqual(3));
      await watch.stop();
      expect(new Set(watch.messages.map(({ sequence }) => sequence)).size).toBe(1);
    });

    it('sends again what came after the number that a watcher has seen', async () => {
      const accountId = await newAccount();
      const { sequence } = await firstMessage(port.watchKeys({}));
      const { key } = await port.createKey(keyRequest(accountId));
      await update(accountId, key!.hash, ['name'], { name: 'renamed' });
      const message = await firstMessage(port.watchKeys({ afterSequence: sequence }));
      expect(message).toMatchObject({ previousSequence: sequence, sequence: sequence + 2n, changed: [{ hash: key!.hash, name: 'renamed' }] });
      expect((await port.resolveKey({ secretHash: key!.hash })).sequence).toBe(message.sequence);
    });

    it('shows a gap to a watcher that was away for too long, or that saw more than there is', async () => {
      const { sequence: seen } = await firstMessage(port.watchKeys({}));
      const accountId = await newAccount();
      await port.createKey(keyRequest(accountId));
      await port.createKey(keyRequest(accountId));
      await target.pool.query('DELETE FROM changes WHERE sequence = $1', [seen + 1n]);
      const late = await firstMessage(port.watchKeys({ afterSequence: seen }));
      expect(late).toMatchObject({ sequence: seen + 2n, changed: [] });
      expect(late.previousSequence).not.toBe(seen);
      const ahead = await firstMessage(port.watchKeys({ afterSequence: seen + 1_000n }));
      expect(ahead).toMatchObject({ sequence: seen + 2n, previousSequence: seen + 2n });
    });

    itKeepsStreamPromises((signal) => port.watchKeys({}, { signal }), openCalls);

    it('masks what nobody expected', async () => {
      await target.pool.query('ALTER TABLE api_keys RENAME TO api_keys_away');
      try {
        const call = port.resolveKey({ secretHash: NO_SUCH_HASH });
        await expect(call).rejects.toMatchObject({ type: 'server', message: expect.not.stringContaining('api_keys') });
        const errorId: unknown = await call.catch((error: { metadata: { errorId: string } }) => error.metadata.errorId);
        expect(logger.lines).toContainEqual(
          expect.objectContaining({ level: 'error', fields: expect.objectContaining({ errorId, method: 'billing.KeyService/resolveKey' }) }),
        );
      } finally {
        await target.pool.query('ALTER TABLE api_keys_away RENAME TO api_keys');
      }
    });
  },
);

function expectFirst<Message>(messages: readonly Message[]): Message {
  expect(messages.length).toBeGreaterThan(0);
  return messages[0]!;
}
