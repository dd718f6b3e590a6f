import type { Queryable } from '@switchyard/db';
import { findAccounts, type AccountRow } from './account.store.js';
import { scopeLimit, type PlatformLimits } from './core/scope-limit.js';
import { findKeys, type KeyRow } from './key.store.js';
import { requestRecalls, type RecallReason } from './lease.store.js';
import { saveScopes, type ScopeRow } from './lease-scope.store.js';
import { sendSignal } from './notification-listener.store.js';

export interface LimitOwners {
  readonly accounts: readonly AccountRow[];
  readonly keys: readonly KeyRow[];
}

/** Keeps the limits of scopes as their keys, accounts and the platform have them now. */
export class ScopeLimits {
  constructor(
    private readonly platform: PlatformLimits,
    private readonly nowMs: () => number,
  ) {}

  /** Brings locked scopes up to date; reading after locking makes sure that no older limit is written over a newer one. */
  async refresh(client: Queryable, scopes: readonly ScopeRow[]): Promise<void> {
    const accounts = await findAccounts(client, [...new Set(scopes.map((scope) => scope.accountId))]);
    const keyHashes = [...new Set(scopes.map((scope) => scope.keyHash).filter((hash) => hash !== ''))];
    const keys = keyHashes.length === 0 ? [] : await findKeys(client, keyHashes);
    await this.apply(client, scopes, { accounts, keys });
  }

  /** Writes the limits that differ. A lowered limit calls back what holders have not reserved; what is reserved stands. */
  async apply(client: Queryable, scopes: readonly ScopeRow[], owners: LimitOwners): Promise<void> {
    const changed: ScopeRow[] = [];
    const lowered: ScopeRow[] = [];
    for (const scope of scopes) {
      const limit = this.limitOf(scope, owners);
      if (limit === scope.amounts.limit) continue;
      if (limit !== undefined && (scope.amounts.limit === undefined || limit < scope.amounts.limit)) lowered.push(scope);
      scope.amounts = { ...scope.amounts, limit };
      changed.push(scope);
    }
    await saveScopes(client, changed);
    await this.recall(client, lowered, 'limit_lowered');
  }

  async recall(client: Queryable, scopes: readonly ScopeRow[], reason: RecallReason): Promise<void> {
    if (scopes.length === 0) return;
    const count = await requestRecalls(
      client,
      scopes.map((scope) => scope.scopeId),
      '',
      reason,
      this.nowMs(),
    );
    if (count > 0) await sendSignal(client, 'billing_recalls');
  }

  /** The account with the platform's limits where it has none of its own: an ingress asks for quotas only where a limit is. */
  inForce(account: AccountRow): AccountRow {
    const requestsPerMinute = scopeLimit('account_requests_per_minute', account, undefined, this.platform) ?? null;
    const tokensPerMinute = scopeLimit('account_tokens_per_minute', account, undefined, this.platform) ?? null;
    return { ...account, requestsPerMinute, tokensPerMinute };
  }

  /** Requests to free models that the account has on each day. */
  freeRequestsPerDay(account: AccountRow): bigint {
    return scopeLimit('free_requests_per_day', account, undefined, this.platform) ?? 0n;
  }

  /** The limit a scope should have. Windows of a reset that the key no longer has keep theirs: nothing is granted from them. */
  limitOf(scope: Pick<ScopeRow, 'kind' | 'accountId' | 'keyHash' | 'limitReset' | 'amounts'>, owners: LimitOwners): bigint | undefined {
    if (scope.kind === 'account_credit') return scope.amounts.limit;
    const account = owners.accounts.find((candidate) => candidate.accountId === scope.accountId);
    const key = owners.keys.find((candidate) => candidate.keyHash === scope.keyHash);
    if (!account || (scope.keyHash !== '' && !key)) return scope.amounts.limit;
    if (scope.kind === 'key_limit' && key?.limitReset !== scope.limitReset) return scope.amounts.limit;
    return scopeLimit(scope.kind, account, key, this.platform);
  }
}
