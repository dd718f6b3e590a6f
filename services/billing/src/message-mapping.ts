import type { LimitReset } from '@switchyard/core';
import { billing } from '@switchyard/proto';
import { UNIT_OF_KIND, type LeaseScopeKind, type LeaseUnit } from './core/lease-scope-identity.js';
import type { AccountRow } from './account.store.js';
import type { KeyRow } from './key.store.js';
import type { KeyUsageTotals } from './key-usage.store.js';

/** Rows and pure types as messages of `switchyard.billing.v1`, and back. */

const KIND_OF_MESSAGE: Readonly<Partial<Record<billing.LeaseScopeKind, LeaseScopeKind>>> = {
  [billing.LeaseScopeKind.ACCOUNT_CREDIT]: 'account_credit',
  [billing.LeaseScopeKind.KEY_LIMIT]: 'key_limit',
  [billing.LeaseScopeKind.ACCOUNT_REQUESTS_PER_MINUTE]: 'account_requests_per_minute',
  [billing.LeaseScopeKind.KEY_REQUESTS_PER_MINUTE]: 'key_requests_per_minute',
  [billing.LeaseScopeKind.ACCOUNT_TOKENS_PER_MINUTE]: 'account_tokens_per_minute',
  [billing.LeaseScopeKind.KEY_TOKENS_PER_MINUTE]: 'key_tokens_per_minute',
  [billing.LeaseScopeKind.FREE_REQUESTS_PER_MINUTE]: 'free_requests_per_minute',
  [billing.LeaseScopeKind.FREE_REQUESTS_PER_DAY]: 'free_requests_per_day',
};

const MESSAGE_OF_UNIT: Readonly<Record<LeaseUnit, billing.LeaseUnit>> = {
  pico_usd: billing.LeaseUnit.PICO_USD,
  requests: billing.LeaseUnit.REQUESTS,
  tokens: billing.LeaseUnit.TOKENS,
};

const MESSAGE_OF_RESET: Readonly<Record<LimitReset, billing.LimitReset>> = {
  '': billing.LimitReset.UNSPECIFIED,
  daily: billing.LimitReset.DAILY,
  weekly: billing.LimitReset.WEEKLY,
  monthly: billing.LimitReset.MONTHLY,
};

const RESET_OF_MESSAGE: Readonly<Partial<Record<billing.LimitReset, LimitReset>>> = {
  [billing.LimitReset.UNSPECIFIED]: '',
  [billing.LimitReset.DAILY]: 'daily',
  [billing.LimitReset.WEEKLY]: 'weekly',
  [billing.LimitReset.MONTHLY]: 'monthly',
};

/** Undefined for values that this version does not know. */
export function scopeKindOf(kind: billing.LeaseScopeKind): LeaseScopeKind | undefined {
  return KIND_OF_MESSAGE[kind];
}

export function limitResetOf(reset: billing.LimitReset): LimitReset | undefined {
  return RESET_OF_MESSAGE[reset];
}

export function unitMessage(kind: LeaseScopeKind): billing.LeaseUnit {
  return MESSAGE_OF_UNIT[UNIT_OF_KIND[kind]];
}

export function accountMessage(account: AccountRow): billing.AccountFacts {
  return {
    accountId: account.accountId,
    hasPurchased: account.hasPurchased,
    isNegative: account.isNegative,
    requestsPerMinute: account.requestsPerMinute ?? undefined,
    tokensPerMinute: account.tokensPerMinute ?? undefined,
    zdr: account.zdr,
    allowedProviders: account.allowedProviders,
    ignoredProviders: account.ignoredProviders,
  };
}

export function keyMessage(key: KeyRow, account: AccountRow | undefined): billing.Key {
  return {
    hash: key.keyHash,
    name: key.name,
    label: key.label,
    kind: key.kind === 'management' ? billing.KeyKind.MANAGEMENT : billing.KeyKind.INFERENCE,
    accountId: key.accountId,
    workspaceId: key.workspaceId,
    disabled: key.disabled,
    limitPico: key.limitPico ?? undefined,
    limitReset: MESSAGE_OF_RESET[key.limitReset],
    includeByokInLimit: key.includeByokInLimit,
    expireTimeMs: key.expiresAtMs ?? undefined,
    createTimeMs: key.createdAtMs,
    updateTimeMs: key.updatedAtMs ?? undefined,
    version: key.version,
    allowedModels: key.allowedModels,
    requestsPerMinute: key.requestsPerMinute ?? undefined,
    tokensPerMinute: key.tokensPerMinute ?? undefined,
    creatorUserId: key.creatorUserId,
    externalUser: key.externalUser,
    deleted: key.deleted,
    account: account && accountMessage(account),
    costCentre: key.costCentre,
    includeContentInTraces: key.includeContentInTraces,
  };
}

export function keyUsageMessage(
  key: KeyRow,
  usage: KeyUsageTotals,
  freeRequests: Pick<billing.KeyUsage, 'freeRequestsToday' | 'freeRequestsPerDay'>,
): billing.KeyUsage {
  return { ...usage, limitRemainingPico: limitRemaining(key, usage), ...freeRequests };
}

/** Open leases do not count: only what was charged does. */
function limitRemaining(key: KeyRow, usage: KeyUsageTotals): bigint | undefined {
  if (key.limitPico === null) return undefined;
  const usedPico: Readonly<Record<LimitReset, bigint>> = { '': usage.totalPico, daily: usage.dailyPico, weekly: usage.weeklyPico, monthly: usage.monthlyPico };
  const remaining = key.limitPico - usedPico[key.limitReset];
  return remaining > 0n ? remaining : 0n;
}
