import { dayWindow, type Clock, type LimitReset, type RandomSource } from '@switchyard/core';
import { withTransaction } from '@switchyard/db';
import { SwitchyardError } from '@switchyard/errors';
import { billing, type KeyPort } from '@switchyard/proto';
import type { Pool } from 'pg';
import { defaultWorkspace, findAccounts, workspaceBelongsTo } from './account.store.js';
import { unknownAccount } from './account.service.js';
import { appendChanges, readSequence } from './change.store.js';
import { isKeyHash, newApiKeySecret } from './core/api-key-secret.js';
import type { KeyChangeFeed } from './key-change-feed.js';
import { NO_KEY_USAGE, readKeyUsage } from './key-usage.store.js';
import { findKeys, insertKey, listKeys, lockKey, replaceKey, type KeyRow } from './key.store.js';
import { findPresentScopes, lockScopes, readFreeRequestsSpent, type ScopeRow } from './lease-scope.store.js';
import { keyMessage, keyUsageMessage, limitResetOf } from './message-mapping.js';
import { invalid, optionalAtLeast, requireAtLeast, requireId, requireList, requireMask, requireText } from './request-checks.js';
import type { ScopeLimits } from './scope-limits.js';

export interface KeyServiceDependencies {
  readonly pool: Pool;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly scopeLimits: ScopeLimits;
  readonly feed: KeyChangeFeed;
}

const CHANGEABLE = [
  'name',
  'disabled',
  'limit_pico',
  'limit_reset',
  'include_byok_in_limit',
  'expire_time_ms',
  'allowed_models',
  'requests_per_minute',
  'tokens_per_minute',
  'external_user',
  'cost_centre',
  'include_content_in_traces',
] as const;
const MAX_LISTED = 1_000;
const DEFAULT_LISTED = 100;
const MAX_MODEL_PATTERNS = 500;

/** API keys: resolved by the hash of their secret, managed within one account. */
export class KeyService implements KeyPort {
  constructor(private readonly dependencies: KeyServiceDependencies) {}

  /** @throws SwitchyardError `not_found` for unknown and deleted keys, `invalid_request` for what is no hash */
  async resolveKey(request: billing.ResolveKeyRequest): Promise<billing.ResolveKeyResponse> {
    const { pool, scopeLimits } = this.dependencies;
    if (!isKeyHash(request.secretHash)) throw invalid('secret_hash must be a lower-case hex SHA-256.');
    // Read first: the key is then at least as new as the number.
    const sequence = await readSequence(pool);
    const [key] = await findKeys(pool, [request.secretHash]);
    if (!key || key.deleted) throw unknownKey();
    const [account] = await findAccounts(pool, [key.accountId]);
    return { key: keyMessage(key, account && scopeLimits.inForce(account)), sequence };
  }

  watchKeys(request: billing.WatchKeysRequest, options?: { readonly signal?: AbortSignal | undefined }): AsyncIterable<billing.WatchKeysResponse> {
    return this.dependencies.feed.watch(request.afterSequence, options?.signal);
  }

  /** @throws SwitchyardError `invalid_request`, `not_found` (account or workspace) */
  async createKey(request: billing.CreateKeyRequest): Promise<billing.CreateKeyResponse> {
    const { pool, clock, random } = this.dependencies;
    const accountId = requireId(request.accountId, 'account_id');
    // A change of a key may say so: it ends there and then.
    if (request.expireTimeMs !== undefined && request.expireTimeMs <= clock.nowMs()) throw invalid('expires_at is in the past: the key could never be used.');
    const { secret, hash, label } = newApiKeySecret(random);
    const workspaceId = await this.workspaceFor(accountId, requireText(request.workspaceId, 'workspace_id', 128));
    const key: KeyRow = {
      keyHash: hash,
      accountId,
      workspaceId,
      kind: request.kind === billing.KeyKind.MANAGEMENT ? 'management' : 'inference',
      label,
      disabled: false,
      deleted: false,
      creatorUserId: requireText(request.creatorUserId, 'creator_user_id', 256),
      createdAtMs: BigInt(clock.nowMs()),
      updatedAtMs: null,
      version: 1n,
      ...this.settingsOf({ ...request, disabled: false }),
    };
    await withTransaction(pool, async (client) => {
      await insertKey(client, key);
      await appendChanges(client, { keyHashes: [hash] }, clock.nowMs());
    });
    const [account] = await findAccounts(pool, [accountId]);
    return { key: keyMessage(key, account), secret };
  }

  /** @throws SwitchyardError `invalid_request` */
  async listKeys(request: billing.ListKeysRequest): Promise<billing.ListKeysResponse> {
    if (request.offset < 0 || request.limit < 0 || request.limit > MAX_LISTED)
      throw invalid(`offset must not be negative, limit must be within 0 and ${MAX_LISTED}.`);
    const accountId = requireId(request.accountId, 'account_id');
    const workspaceId = requireText(request.workspaceId, 'workspace_id', 128);
    const limit = request.limit === 0 ? DEFAULT_LISTED : request.limit;
    const rows = await listKeys(this.dependencies.pool, { ...request, accountId, workspaceId, limit });
    return { keys: await this.withUsage(rows) };
  }

  /** @throws SwitchyardError `not_found` */
  async getKey(request: billing.GetKeyRequest): Promise<billing.GetKeyResponse> {
    const [row] = await findKeys(this.dependencies.pool, [requireKnowable(request.hash)]);
    if (!row || row.deleted || row.accountId !== request.accountId) throw unknownKey();
    const [key] = await this.withUsage([row]);
    return { key };
  }

  /** @throws SwitchyardError `not_found`, `invalid_request` */
  async updateKey(request: billing.UpdateKeyRequest): Promise<billing.UpdateKeyResponse> {
    const mask = requireMask(request.updateMask, CHANGEABLE);
    const wanted = { ...this.settingsOf(request, mask), disabled: request.disabled };
    const row = await this.change(request, (present) => ({
      ...present,
      name: mask.has('name') ? wanted.name : present.name,
      disabled: mask.has('disabled') ? wanted.disabled : present.disabled,
      limitPico: mask.has('limit_pico') ? wanted.limitPico : present.limitPico,
      limitReset: mask.has('limit_reset') ? wanted.limitReset : present.limitReset,
      includeByokInLimit: mask.has('include_byok_in_limit') ? wanted.includeByokInLimit : present.includeByokInLimit,
      expiresAtMs: mask.has('expire_time_ms') ? wanted.expiresAtMs : present.expiresAtMs,
      allowedModels: mask.has('allowed_models') ? wanted.allowedModels : present.allowedModels,
      requestsPerMinute: mask.has('requests_per_minute') ? wanted.requestsPerMinute : present.requestsPerMinute,
      tokensPerMinute: mask.has('tokens_per_minute') ? wanted.tokensPerMinute : present.tokensPerMinute,
      externalUser: mask.has('external_user') ? wanted.externalUser : present.externalUser,
      costCentre: mask.has('cost_centre') ? wanted.costCentre : present.costCentre,
      includeContentInTraces: mask.has('include_content_in_traces') ? wanted.includeContentInTraces : present.includeContentInTraces,
    }));
    const [key] = await this.withUsage([row]);
    return { key };
  }

  /** The key's records stay; it never resolves again. @throws SwitchyardError `not_found` */
  async deleteKey(request: billing.DeleteKeyRequest): Promise<billing.DeleteKeyResponse> {
    await this.change(request, (present) => ({ ...present, deleted: true }));
    return {};
  }

  /** One change of one key: its limits reach the scopes and its watchers with the commit. */
  private async change(subject: { readonly accountId: string; readonly hash: string }, edit: (present: KeyRow) => KeyRow): Promise<KeyRow> {
    const { pool, clock, scopeLimits } = this.dependencies;
    return withTransaction(pool, async (client) => {
      const present = await lockKey(client, requireKnowable(subject.hash));
      if (!present || present.deleted || present.accountId !== subject.accountId) throw unknownKey();
      const nowMs = clock.nowMs();
      const changed = { ...edit(present), version: present.version + 1n, updatedAtMs: BigInt(nowMs) };
      await replaceKey(client, changed);
      const scopes = await lockScopes(client, await findPresentScopes(client, { accountId: changed.accountId, keyHash: changed.keyHash }, nowMs));
      const accounts = await findAccounts(client, [changed.accountId]);
      await scopeLimits.apply(client, [...scopes.values()], { accounts, keys: [changed] });
      if (changed.deleted || changed.disabled) await scopeLimits.recall(client, [...scopes.values()], 'key_revoked');
      else if (changed.limitReset !== present.limitReset)
        await scopeLimits.recall(client, limitsWithin([...scopes.values()], present.limitReset), 'limit_lowered');
      await appendChanges(client, { keyHashes: [changed.keyHash] }, nowMs);
      return changed;
    });
  }

  private async withUsage(rows: readonly KeyRow[]): Promise<billing.KeyWithUsage[]> {
    const { pool, clock, scopeLimits } = this.dependencies;
    const nowMs = clock.nowMs();
    const accountIds = [...new Set(rows.map((row) => row.accountId))];
    const [accounts, usage, freeRequests] = await Promise.all([
      findAccounts(pool, accountIds),
      readKeyUsage(
        pool,
        rows.map((row) => row.keyHash),
        nowMs,
      ),
      readFreeRequestsSpent(pool, accountIds, dayWindow(nowMs).startMs),
    ]);
    return rows.map((row) => {
      const account = accounts.find((candidate) => candidate.accountId === row.accountId);
      const free = { freeRequestsToday: freeRequests.get(row.accountId) ?? 0n, freeRequestsPerDay: account ? scopeLimits.freeRequestsPerDay(account) : 0n };
      return { key: keyMessage(row, account), usage: keyUsageMessage(row, usage.get(row.keyHash) ?? NO_KEY_USAGE, free) };
    });
  }

  private async workspaceFor(accountId: string, workspaceId: string): Promise<string> {
    const { pool } = this.dependencies;
    const found =
      workspaceId === '' ? await defaultWorkspace(pool, accountId) : (await workspaceBelongsTo(pool, workspaceId, accountId)) ? workspaceId : undefined;
    if (found !== undefined) return found;
    if (workspaceId === '') throw unknownAccount(accountId);
    throw new SwitchyardError('not_found', 'There is no such workspace in this account.');
  }

  /** Fields that a mask leaves out are not looked at. */
  private settingsOf(request: Settings, mask?: ReadonlySet<(typeof CHANGEABLE)[number]>): KeySettings {
    const reset = limitResetOf(request.limitReset);
    if (reset === undefined) throw invalid('limit_reset is unknown.');
    return {
      name: !mask || mask.has('name') ? requireText(request.name, 'name', 256, 1) : '',
      limitPico: optionalAtLeast(request.limitPico, 0n, 'limit_pico'),
      limitReset: reset,
      includeByokInLimit: request.includeByokInLimit,
      expiresAtMs: request.expireTimeMs === undefined ? null : requireAtLeast(request.expireTimeMs, 1n, 'expire_time_ms'),
      allowedModels: requireList(request.allowedModels, 'allowed_models', MAX_MODEL_PATTERNS).map((pattern) => requireText(pattern, 'allowed_models', 256, 1)),
      requestsPerMinute: optionalAtLeast(request.requestsPerMinute, 1n, 'requests_per_minute'),
      tokensPerMinute: optionalAtLeast(request.tokensPerMinute, 1n, 'tokens_per_minute'),
      externalUser: requireText(request.externalUser, 'external_user', 256),
      costCentre: requireText(request.costCentre, 'cost_centre', 256),
      includeContentInTraces: request.includeContentInTraces,
    };
  }
}

type Settings = Pick<
  billing.UpdateKeyRequest,
  | 'name'
  | 'limitPico'
  | 'limitReset'
  | 'includeByokInLimit'
  | 'expireTimeMs'
  | 'allowedModels'
  | 'requestsPerMinute'
  | 'tokensPerMinute'
  | 'externalUser'
  | 'costCentre'
  | 'includeContentInTraces'
  | 'disabled'
>;
type KeySettings = Pick<
  KeyRow,
  | 'name'
  | 'limitPico'
  | 'limitReset'
  | 'includeByokInLimit'
  | 'expiresAtMs'
  | 'allowedModels'
  | 'requestsPerMinute'
  | 'tokensPerMinute'
  | 'externalUser'
  | 'costCentre'
  | 'includeContentInTraces'
>;

/** Windows of a day and a week may begin at the same moment: an ingress would go on spending what it holds of the one under the limit of the other. */
function limitsWithin(scopes: readonly ScopeRow[], reset: LimitReset): ScopeRow[] {
  return scopes.filter((scope) => scope.kind === 'key_limit' && scope.limitReset === reset);
}

/** What is no hash names no key, and the database need not be asked. */
function requireKnowable(hash: string): string {
  if (!isKeyHash(hash)) throw unknownKey();
  return hash;
}

function unknownKey(): SwitchyardError {
  return new SwitchyardError('not_found', 'There is no such key.');
}
