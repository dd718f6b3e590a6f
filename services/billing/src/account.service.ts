import type { Clock, RandomSource } from '@switchyard/core';
import { newEventId } from '@switchyard/core';
import { withTransaction } from '@switchyard/db';
import { SwitchyardError } from '@switchyard/errors';
import type { AccountPort, billing } from '@switchyard/proto';
import type { Pool, PoolClient } from 'pg';
import { addPurchase, findAccounts, insertAccount, lockAccount, updateNegative, updateSettings, type AccountSettings } from './account.store.js';
import { appendChanges } from './change.store.js';
import { excessOf } from './core/lease-scope.js';
import { grantTransaction } from './core/ledger-transaction.js';
import { findPresentScopes, lockScopes, readCreditScope, saveScopes, type ScopeRow } from './lease-scope.store.js';
import { insertGrant, postTransactions } from './ledger.store.js';
import { accountMessage } from './message-mapping.js';
import { sendSignal } from './notification-listener.store.js';
import { INT64_MAX, invalid, optionalAtLeast, requireAtLeast, requireId, requireList, requireMask, requireText } from './request-checks.js';
import type { ScopeLimits } from './scope-limits.js';

export interface AccountServiceDependencies {
  readonly pool: Pool;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly scopeLimits: ScopeLimits;
  readonly purchaseThresholdPico: bigint;
}

const CHANGEABLE = ['requests_per_minute', 'tokens_per_minute', 'zdr', 'allowed_providers', 'ignored_providers'] as const;
const MAX_PROVIDERS = 500;

export class AccountService implements AccountPort {
  constructor(private readonly dependencies: AccountServiceDependencies) {}

  /** @throws SwitchyardError `invalid_request` */
  async createAccount(request: billing.CreateAccountRequest): Promise<billing.CreateAccountResponse> {
    const { pool, clock, random } = this.dependencies;
    const accountId = request.accountId === '' ? newEventId(clock, random) : requireId(request.accountId, 'account_id');
    const name = requireText(request.name, 'name', 256);
    const account = { accountId, name, workspaceId: newEventId(clock, random), nowMs: clock.nowMs() };
    const defaultWorkspaceId = await withTransaction(pool, (client) => insertAccount(client, account));
    return { accountId, defaultWorkspaceId };
  }

  /** @throws SwitchyardError `invalid_request`, `not_found` */
  async updateAccount(request: billing.UpdateAccountRequest): Promise<billing.UpdateAccountResponse> {
    const { pool, clock, scopeLimits } = this.dependencies;
    const accountId = requireId(request.accountId, 'account_id');
    const mask = requireMask(request.updateMask, CHANGEABLE);
    const wanted = settingsOf(request);
    const account = await withTransaction(pool, async (client) => {
      const scopes = await lockScopes(client, await findPresentScopes(client, { accountId, keyHash: '' }, clock.nowMs()));
      const present = await lockAccount(client, accountId);
      if (!present) throw unknownAccount(accountId);
      const changed = {
        ...present,
        requestsPerMinute: mask.has('requests_per_minute') ? wanted.requestsPerMinute : present.requestsPerMinute,
        tokensPerMinute: mask.has('tokens_per_minute') ? wanted.tokensPerMinute : present.tokensPerMinute,
        zdr: mask.has('zdr') ? wanted.zdr : present.zdr,
        allowedProviders: mask.has('allowed_providers') ? wanted.allowedProviders : present.allowedProviders,
        ignoredProviders: mask.has('ignored_providers') ? wanted.ignoredProviders : present.ignoredProviders,
      };
      await updateSettings(client, accountId, changed);
      await scopeLimits.apply(client, [...scopes.values()], { accounts: [changed], keys: [] });
      await appendChanges(client, { accountIds: [accountId] }, clock.nowMs());
      return changed;
    });
    return { account: accountMessage(account) };
  }

  /** @throws SwitchyardError `invalid_request`, `not_found`, `conflict` (the idempotency key was used for another amount) */
  async grantCredit(request: billing.GrantCreditRequest): Promise<billing.GrantCreditResponse> {
    const { clock, random, pool } = this.dependencies;
    const grant = {
      accountId: requireId(request.accountId, 'account_id'),
      idempotencyKey: requireId(request.idempotencyKey, 'idempotency_key'),
      amountPico: requireAtLeast(request.amountPico, 1n, 'amount_pico'),
      isPromotional: request.isPromotional,
      description: requireText(request.description, 'description', 1_000),
      transactionId: newEventId(clock, random),
    };
    await withTransaction(pool, async (client) => {
      const accounts = await findAccounts(client, [grant.accountId]);
      if (accounts.length === 0) throw unknownAccount(grant.accountId);
      const earlier = await insertGrant(client, grant);
      if (earlier && (earlier.amountPico !== grant.amountPico || earlier.isPromotional !== grant.isPromotional)) {
        throw new SwitchyardError('conflict', 'This idempotency key was used for another grant.');
      }
      if (!earlier) await this.post(client, grant);
    });
    return {};
  }

  /** @throws SwitchyardError `invalid_request`, `not_found` */
  async getCredits(request: billing.GetCreditsRequest): Promise<billing.GetCreditsResponse> {
    const accountId = requireId(request.accountId, 'account_id');
    const scope = await readCreditScope(this.dependencies.pool, accountId);
    if (!scope) throw unknownAccount(accountId);
    const { limit = 0n, held, spent } = scope.amounts;
    return { totalCreditsPico: limit, totalUsagePico: spent, heldPico: held, receivablePico: excessOf(scope.amounts) };
  }

  private async post(
    client: PoolClient,
    grant: { accountId: string; idempotencyKey: string; amountPico: bigint; isPromotional: boolean; transactionId: string },
  ): Promise<void> {
    const { clock, purchaseThresholdPico } = this.dependencies;
    const nowMs = clock.nowMs();
    const scope = await lockCredit(client, grant.accountId);
    const owedBefore = excessOf(scope.amounts);
    const limit = (scope.amounts.limit ?? 0n) + grant.amountPico;
    if (limit > INT64_MAX) throw invalid(`amount_pico would bring the account's credit above ${INT64_MAX} pico-USD in total.`);
    scope.amounts = { ...scope.amounts, limit };
    await saveScopes(client, [scope]);
    const transaction = grantTransaction({ ...grant, acceptTimeMs: nowMs, coveredPico: owedBefore - excessOf(scope.amounts) });
    await postTransactions(client, transaction ? [transaction] : [], nowMs);
    const hasReached = !grant.isPromotional && (await addPurchase(client, grant.accountId, grant.amountPico, purchaseThresholdPico));
    const negativeChanged = await updateNegative(client, [grant.accountId], [isNegative(scope)]);
    if (hasReached || negativeChanged.length > 0) await appendChanges(client, { accountIds: [grant.accountId] }, nowMs);
    await sendSignal(client, 'billing_releases');
  }
}

/** More was charged than ever granted. */
export function isNegative(scope: ScopeRow): boolean {
  return scope.amounts.spent > (scope.amounts.limit ?? 0n);
}

export function unknownAccount(accountId: string): SwitchyardError {
  return new SwitchyardError('not_found', 'There is no such account.', { metadata: { account_id: accountId } });
}

async function lockCredit(client: PoolClient, accountId: string): Promise<ScopeRow> {
  const found = await readCreditScope(client, accountId);
  if (!found) throw unknownAccount(accountId);
  const scopes = await lockScopes(client, [found.scopeId]);
  return scopes.get(found.scopeId)!;
}

function settingsOf(request: billing.UpdateAccountRequest): AccountSettings {
  const providers = (slugs: readonly string[], field: string): string[] =>
    requireList(slugs, field, MAX_PROVIDERS).map((slug) => {
      if (!/^[a-z0-9][a-z0-9._/-]{0,127}$/.test(slug)) throw invalid(`${field} must hold provider slugs.`);
      return slug;
    });
  return {
    requestsPerMinute: optionalAtLeast(request.requestsPerMinute, 1n, 'requests_per_minute'),
    tokensPerMinute: optionalAtLeast(request.tokensPerMinute, 1n, 'tokens_per_minute'),
    zdr: request.zdr,
    allowedProviders: providers(request.allowedProviders, 'allowed_providers'),
    ignoredProviders: providers(request.ignoredProviders, 'ignored_providers'),
  };
}
