import type { Clock } from '@switchyard/core';
import { withTransaction } from '@switchyard/db';
import { SwitchyardError } from '@switchyard/errors';
import { billing } from '@switchyard/proto';
import type { Pool } from 'pg';
import { findAccounts, type AccountRow } from './account.store.js';
import { unknownAccount } from './account.service.js';
import { isKeyHash } from './core/api-key-secret.js';
import { IS_KEY_SCOPE, scopeWindow, type ScopeIdentity } from './core/lease-scope-identity.js';
import { findKeys, lockKeyUsage, type KeyRow } from './key.store.js';
import { readWindowUsage } from './key-usage.store.js';
import { findScopeId, insertScope } from './lease-scope.store.js';
import { scopeKindOf } from './message-mapping.js';
import { invalid, requireId } from './request-checks.js';
import type { ScopeLimits } from './scope-limits.js';

export interface ResolvedScope extends ScopeIdentity {
  readonly scopeId: bigint;
  readonly request: billing.ScopeRequest;
}

export interface ScopeResolverDependencies {
  readonly pool: Pool;
  readonly clock: Clock;
  readonly scopeLimits: ScopeLimits;
}

const MAX_ACCEPT_AGE_MS = 3_600_000;
const MAX_ACCEPT_AHEAD_MS = 60_000;

/** Finds the rows that requested scopes are counted in, and begins windows that nobody has used yet. */
export class ScopeResolver {
  constructor(private readonly dependencies: ScopeResolverDependencies) {}

  /** @throws SwitchyardError `invalid_request`, `not_found` (account or key) */
  async resolve(requests: readonly billing.ScopeRequest[], acceptTimeMs: number): Promise<ResolvedScope[]> {
    const { pool, clock } = this.dependencies;
    const nowMs = clock.nowMs();
    const timeMs = acceptTimeMs === 0 ? nowMs : acceptTimeMs;
    if (timeMs < nowMs - MAX_ACCEPT_AGE_MS || timeMs > nowMs + MAX_ACCEPT_AHEAD_MS) throw invalid("accept_time_ms is not near billing's clock.");
    const scopes = requests.map(({ scope }) => scope ?? billing.LeaseScope.create());
    const accounts = await findAccounts(pool, [...new Set(scopes.map((scope) => requireId(scope.accountId, 'account_id')))]);
    const keyHashes = [...new Set(scopes.map((scope) => scope.keyHash))].filter(isKeyHash);
    const keys = keyHashes.length === 0 ? [] : await findKeys(pool, keyHashes);
    const resolved: ResolvedScope[] = [];
    for (const request of requests) {
      const identity = identityOf(request.scope, { accounts, keys }, timeMs);
      const scopeId = (await findScopeId(pool, identity)) ?? (await this.begin(identity, { accounts, keys }));
      resolved.push({ ...identity, scopeId, request });
    }
    return resolved;
  }

  /** A key's window begins with what the key has spent in it already, whatever its limit was then. */
  private async begin(identity: ScopeIdentity, owners: Owners): Promise<bigint> {
    const { pool, scopeLimits } = this.dependencies;
    return withTransaction(pool, async (client) => {
      let spent = 0n;
      if (identity.kind === 'key_limit') {
        await lockKeyUsage(client, identity.keyHash);
        spent = await readWindowUsage(client, identity.keyHash, identity.window);
      }
      const unlimited = { ...identity, amounts: { limit: undefined, held: 0n, spent } };
      await insertScope(client, identity, scopeLimits.limitOf(unlimited, owners), spent);
      const scopeId = await findScopeId(client, identity);
      if (scopeId === undefined) throw new Error('a scope vanished while it was begun');
      return scopeId;
    });
  }
}

interface Owners {
  readonly accounts: readonly AccountRow[];
  readonly keys: readonly KeyRow[];
}

function identityOf(scope: billing.LeaseScope | undefined, owners: Owners, acceptTimeMs: number): ScopeIdentity {
  const kind = scope && scopeKindOf(scope.kind);
  if (!scope || !kind) throw invalid('Every scope needs a kind that billing knows.');
  const { accountId } = scope;
  if (!owners.accounts.some((account) => account.accountId === accountId)) throw unknownAccount(accountId);
  if (!IS_KEY_SCOPE[kind]) return { kind, accountId, keyHash: '', limitReset: '', window: scopeWindow(kind, '', Number(scope.windowStartMs), acceptTimeMs) };
  const key = owners.keys.find((candidate) => candidate.keyHash === scope.keyHash);
  if (!key || key.deleted || key.accountId !== accountId) throw new SwitchyardError('not_found', 'There is no such key in this account.');
  const limitReset = kind === 'key_limit' ? key.limitReset : '';
  return { kind, accountId, keyHash: key.keyHash, limitReset, window: scopeWindow(kind, limitReset, Number(scope.windowStartMs), acceptTimeMs) };
}
