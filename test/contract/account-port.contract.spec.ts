import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { billingTarget } from '@switchyard/billing/billing.target';
import { AccountPort, billing, KeyPort } from '@switchyard/proto';
import { eventually } from '@switchyard/testing';
import { chargeOf, publishUsage } from './billing-events.js';
import { describePort } from './bindings.js';
import { ServedTarget } from './served-target.js';

/** More than a double can hold exactly. */
const ODD_AMOUNT = 9_007_199_254_740_993n;
const INT64_MAX = 9_223_372_036_854_775_807n;
const NOT_FOUND = { type: 'not_found' };
const INVALID = { type: 'invalid_request' };

let target: ServedTarget;

beforeAll(async () => {
  target = await ServedTarget.start(billingTarget);
}, 90_000);

afterAll(() => target.close());

describePort(
  AccountPort,
  () => target.implementation(AccountPort),
  ({ port, logger }) => {
    const newAccount = async (): Promise<string> => (await port.createAccount({ accountId: '', name: 'Acme' })).accountId;
    const grant = (accountId: string, amountPico: bigint, fields: Partial<billing.GrantCreditRequest> = {}) =>
      port.grantCredit({ accountId, amountPico, idempotencyKey: randomUUID(), description: 'top-up', isPromotional: false, ...fields });
    const update = (accountId: string, updateMask: string[], fields: Partial<billing.UpdateAccountRequest> = {}) =>
      port.updateAccount(billing.UpdateAccountRequest.fromPartial({ accountId, updateMask, ...fields }));
    const credits = (accountId: string) => port.getCredits({ accountId });

    it('creates an account once, under its own id or a new one', async () => {
      const accountId = `Zoë 🚂 ${randomUUID()}`;
      const first = await port.createAccount({ accountId, name: 'First' });
      expect(first).toEqual({ accountId, defaultWorkspaceId: expect.stringMatching(/./) });
      expect(await port.createAccount({ accountId, name: 'Second' })).toEqual(first);
      const { rows } = await target.pool.query('SELECT name FROM accounts WHERE account_id = $1', [accountId]);
      expect(rows).toEqual([{ name: 'First' }]);
      const [one, other] = [await port.createAccount({ accountId: '', name: '' }), await port.createAccount({ accountId: '', name: '' })];
      expect(new Set([one.accountId, other.accountId, '', one.defaultWorkspaceId, other.defaultWorkspaceId]).size).toBe(5);
    });

    it('changes what the mask names and clears what it names without a value', async () => {
      const accountId = await newAccount();
      const changed = await update(accountId, ['requests_per_minute', 'tokens_per_minute', 'zdr', 'allowed_providers'], {
        requestsPerMinute: INT64_MAX,
        tokensPerMinute: ODD_AMOUNT,
        zdr: true,
        allowedProviders: ['openai', 'azure/eastus'],
        ignoredProviders: ['groq'],
      });
      const facts = {
        accountId,
        hasPurchased: false,
        isNegative: false,
        requestsPerMinute: INT64_MAX,
        tokensPerMinute: ODD_AMOUNT,
        zdr: true,
        allowedProviders: ['openai', 'azure/eastus'],
        ignoredProviders: [],
      };
      expect(changed).toEqual({ account: facts });
      const cleared = await update(accountId, ['requests_per_minute', 'allowed_providers']);
      expect(cleared).toEqual({ account: { ...facts, requestsPerMinute: undefined, allowedProviders: [] } });
    });

    it('adds credit once for an idempotency key', async () => {
      const accountId = await newAccount();
      for (let time = 0; time < 2; time++) expect(await grant(accountId, ODD_AMOUNT, { idempotencyKey: 'June' })).toEqual({});
      await grant(accountId, 2n, { isPromotional: true });
      expect(await credits(accountId)).toEqual({ totalCreditsPico: ODD_AMOUNT + 2n, totalUsagePico: 0n, heldPico: 0n, receivablePico: 0n });
      await expect(grant(accountId, 1n, { idempotencyKey: 'June' })).rejects.toMatchObject({ type: 'conflict' });
      expect((await credits(accountId)).totalCreditsPico).toBe(ODD_AMOUNT + 2n);
      const other = await newAccount();
      await grant(other, 1n, { idempotencyKey: 'June' });
      expect((await credits(other)).totalCreditsPico).toBe(1n);
    });

    it('adds credit once when calls race', async () => {
      const accountId = await newAccount();
      await Promise.all(Array.from({ length: 8 }, () => grant(accountId, 5n, { idempotencyKey: 'June' })));
      expect((await credits(accountId)).totalCreditsPico).toBe(5n);
    });

    it('covers what the account owes first', async () => {
      const accountId = await newAccount();
      const { key } = await target.implementation(KeyPort).createKey(billing.CreateKeyRequest.fromPartial({ accountId, name: 'key' }));
      await grant(accountId, 50n);
      await publishUsage(target.eventLog, chargeOf({ accountId, keyHash: key!.hash }, 80n));
      await eventually(async () => expect(await credits(accountId)).toEqual({ totalCreditsPico: 50n, totalUsagePico: 80n, heldPico: 0n, receivablePico: 30n }));
      expect((await update(accountId, [])).account).toMatchObject({ isNegative: true });
      await grant(accountId, 10n);
      expect(await credits(accountId)).toMatchObject({ totalCreditsPico: 60n, receivablePico: 20n });
      await grant(accountId, ODD_AMOUNT);
      expect(await credits(accountId)).toMatchObject({ totalCreditsPico: ODD_AMOUNT + 60n, totalUsagePico: 80n, receivablePico: 0n });
      expect((await update(accountId, [])).account).toMatchObject({ isNegative: false });
    });

    it('knows no account that never was', async () => {
      await expect(credits('no such account')).rejects.toMatchObject(NOT_FOUND);
      await expect(grant('no such account', 1n)).rejects.toMatchObject(NOT_FOUND);
      await expect(update('no such account', ['zdr'])).rejects.toMatchObject(NOT_FOUND);
    });

    it.each<[string, (accountId: string) => Promise<unknown>]>([
      ['a grant of nothing', (accountId) => grant(accountId, 0n)],
      ['a grant beyond 64 bits', (accountId) => grant(accountId, INT64_MAX + 1n)],
      ['a grant without an idempotency key', (accountId) => grant(accountId, 1n, { idempotencyKey: '' })],
      ['grants that together are beyond 64 bits', (accountId) => grant(accountId, INT64_MAX).then(() => grant(accountId, 1n))],
      ['a field that cannot be changed', (accountId) => update(accountId, ['is_negative'])],
      ['a limit of nothing', (accountId) => update(accountId, ['requests_per_minute'], { requestsPerMinute: 0n })],
      ['what is no provider', (accountId) => update(accountId, ['allowed_providers'], { allowedProviders: ['Open AI'] })],
      ['a name that is too long', () => port.createAccount({ accountId: '', name: 'x'.repeat(257) })],
      ['an account id that the database cannot hold', () => port.createAccount({ accountId: 'a\u0000b', name: '' })],
      ['credits of an id that the database cannot hold', () => credits('a\u0000b')],
    ])('refuses %s', async (_what, call) => {
      await expect(call(await newAccount())).rejects.toMatchObject(INVALID);
    });

    it('masks what nobody expected', async () => {
      await target.pool.query('ALTER TABLE lease_scopes RENAME TO lease_scopes_away');
      try {
        await expect(credits('acme')).rejects.toMatchObject({ type: 'server', message: expect.not.stringContaining('lease_scopes') });
        expect(logger.lines.filter(({ level, fields }) => level === 'error' && fields['method'] === 'billing.AccountService/getCredits')).toHaveLength(1);
      } finally {
        await target.pool.query('ALTER TABLE lease_scopes_away RENAME TO lease_scopes');
      }
    });
  },
);
