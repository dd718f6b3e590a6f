import { LIMIT_RESETS, type CreateKey, type CurrentKey, type KeyBudget, type PublicKey, type UpdateKey } from '@switchyard/api';
import { limitWindow, picoToUsdNumber, usdToPico } from '@switchyard/core';
import { billing } from '@switchyard/proto';
import { isoTime, numberOf } from './public-values.js';

type LimitResetName = (typeof LIMIT_RESETS)[number];

const RESET_OF: Readonly<Record<LimitResetName, billing.LimitReset>> = {
  daily: billing.LimitReset.DAILY,
  weekly: billing.LimitReset.WEEKLY,
  monthly: billing.LimitReset.MONTHLY,
};

export function publicKey({ key, usage }: billing.KeyWithUsage): PublicKey {
  if (!key) throw new TypeError('a key with usage has a key');
  return {
    hash: key.hash,
    name: key.name,
    label: key.label,
    disabled: key.disabled,
    ...limits(key, usage),
    ...usages(usage),
    created_at: isoTime(key.createTimeMs),
    updated_at: key.updateTimeMs === undefined ? null : isoTime(key.updateTimeMs),
    expires_at: key.expireTimeMs === undefined ? null : isoTime(key.expireTimeMs),
    last_used_at: usage?.lastUseTimeMs === undefined ? null : isoTime(usage.lastUseTimeMs),
    creator_user_id: key.creatorUserId || null,
    external_user: key.externalUser || null,
    workspace_id: key.workspaceId,
    allowed_models: key.allowedModels,
    requests_per_minute: numberOf(key.requestsPerMinute),
    tokens_per_minute: numberOf(key.tokensPerMinute),
    cost_centre: key.costCentre || null,
    include_content_in_traces: key.includeContentInTraces,
  };
}

/** The calling key about itself, deprecated fields included: official clients insist on them. `nowMs` is billing's. */
export function currentKey({ key, usage }: billing.KeyWithUsage, nowMs: number): CurrentKey {
  if (!key) throw new TypeError('a key with usage has a key');
  const isManagement = key.kind === billing.KeyKind.MANAGEMENT;
  const hasPurchased = key.account?.hasPurchased ?? false;
  const limit = Number(usage?.freeRequestsPerDay ?? 0n);
  const used = Number(usage?.freeRequestsToday ?? 0n);
  const budget = limitBudget(key, usage, nowMs);
  return {
    label: key.label,
    ...limits(key, usage),
    ...usages(usage),
    expires_at: key.expireTimeMs === undefined ? null : isoTime(key.expireTimeMs),
    is_free_tier: !hasPurchased,
    is_management_key: isManagement,
    is_provisioning_key: isManagement,
    creator_user_id: key.creatorUserId || null,
    organization_id: key.accountId || null,
    workspace_id: key.workspaceId || null,
    rate_limit: { requests: numberOf(key.requestsPerMinute) ?? -1, interval: '60s', note: 'Deprecated; see requests_per_minute of the key.' },
    free_model_daily_requests: { limit, used, remaining: Math.max(0, limit - used) },
    allowed_data_regions: ['global'],
    budgets: budget ? [budget] : [],
    effective_budget: budget ?? null,
  };
}

export function createKeyRequest(body: CreateKey, accountId: string): billing.CreateKeyRequest {
  return {
    accountId,
    workspaceId: body.workspace_id ?? '',
    name: body.name,
    kind: billing.KeyKind.INFERENCE,
    limitPico: picoOf(body.limit),
    limitReset: resetOf(body.limit_reset),
    includeByokInLimit: body.include_byok_in_limit ?? false,
    expireTimeMs: timeOf(body.expires_at),
    allowedModels: body.allowed_models ?? [],
    requestsPerMinute: bigintOf(body.requests_per_minute),
    tokensPerMinute: bigintOf(body.tokens_per_minute),
    creatorUserId: body.creator_user_id ?? '',
    externalUser: body.external?.user ?? '',
    costCentre: body.cost_centre ?? '',
    includeContentInTraces: body.include_content_in_traces ?? false,
  };
}

/** Field of the body → name in the update mask. */
const MASK_NAMES: Readonly<Record<keyof UpdateKey, string>> = {
  name: 'name',
  disabled: 'disabled',
  limit: 'limit_pico',
  limit_reset: 'limit_reset',
  include_byok_in_limit: 'include_byok_in_limit',
  expires_at: 'expire_time_ms',
  allowed_models: 'allowed_models',
  requests_per_minute: 'requests_per_minute',
  tokens_per_minute: 'tokens_per_minute',
  cost_centre: 'cost_centre',
  include_content_in_traces: 'include_content_in_traces',
};

/** Only what the body names changes; `null` clears. */
export function updateKeyRequest(body: UpdateKey, accountId: string, hash: string): billing.UpdateKeyRequest {
  return {
    accountId,
    hash,
    updateMask: (Object.keys(MASK_NAMES) as (keyof UpdateKey)[]).filter((name) => body[name] !== undefined).map((name) => MASK_NAMES[name]),
    name: body.name ?? '',
    disabled: body.disabled ?? false,
    limitPico: picoOf(body.limit),
    limitReset: resetOf(body.limit_reset),
    includeByokInLimit: body.include_byok_in_limit ?? false,
    expireTimeMs: timeOf(body.expires_at),
    allowedModels: body.allowed_models ?? [],
    requestsPerMinute: bigintOf(body.requests_per_minute),
    tokensPerMinute: bigintOf(body.tokens_per_minute),
    externalUser: '',
    costCentre: body.cost_centre ?? '',
    includeContentInTraces: body.include_content_in_traces ?? false,
  };
}

/** The key's own limit as a budget. */
function limitBudget(key: billing.Key, usage: billing.KeyUsage | undefined, nowMs: number): KeyBudget | undefined {
  if (key.limitPico === undefined) return undefined;
  const remainingPico = usage?.limitRemainingPico ?? key.limitPico;
  const reset = resetNameOf(key);
  const { endMs } = limitWindow(reset ?? '', nowMs);
  return {
    scope: 'key_limit',
    limit_usd: picoToUsdNumber(key.limitPico),
    spend_usd: picoToUsdNumber(key.limitPico - remainingPico),
    remaining_usd: picoToUsdNumber(remainingPico),
    reset_interval: reset,
    resets_at: endMs === undefined ? null : isoTime(BigInt(endMs)),
    include_byok: key.includeByokInLimit,
    guardrail_id: null,
    budget_id: null,
  };
}

function resetNameOf({ limitReset }: billing.Key): LimitResetName | null {
  return LIMIT_RESETS.find((reset) => RESET_OF[reset] === limitReset) ?? null;
}

function limits(key: billing.Key, usage: billing.KeyUsage | undefined) {
  return {
    limit: moneyOf(key.limitPico),
    limit_remaining: key.limitPico === undefined ? null : (moneyOf(usage?.limitRemainingPico) ?? moneyOf(key.limitPico)),
    limit_reset: resetNameOf(key),
    include_byok_in_limit: key.includeByokInLimit,
  };
}

function usages(usage: billing.KeyUsage | undefined) {
  return {
    usage: picoToUsdNumber(usage?.totalPico ?? 0n),
    usage_daily: picoToUsdNumber(usage?.dailyPico ?? 0n),
    usage_weekly: picoToUsdNumber(usage?.weeklyPico ?? 0n),
    usage_monthly: picoToUsdNumber(usage?.monthlyPico ?? 0n),
    byok_usage: picoToUsdNumber(usage?.byokTotalPico ?? 0n),
    byok_usage_daily: picoToUsdNumber(usage?.byokDailyPico ?? 0n),
    byok_usage_weekly: picoToUsdNumber(usage?.byokWeeklyPico ?? 0n),
    byok_usage_monthly: picoToUsdNumber(usage?.byokMonthlyPico ?? 0n),
  };
}

/** A JSON number's shortest decimal text is what its sender meant. */
function picoOf(usd: number | null | undefined): bigint | undefined {
  return usd === null || usd === undefined ? undefined : usdToPico(String(usd));
}

function resetOf(name: LimitResetName | null | undefined): billing.LimitReset {
  return name ? RESET_OF[name] : billing.LimitReset.UNSPECIFIED;
}

function timeOf(text: string | null | undefined): bigint | undefined {
  return text ? BigInt(Date.parse(text)) : undefined;
}

function bigintOf(value: number | null | undefined): bigint | undefined {
  return value === null || value === undefined ? undefined : BigInt(value);
}

function moneyOf(value: bigint | undefined): number | null {
  return value === undefined ? null : picoToUsdNumber(value);
}
