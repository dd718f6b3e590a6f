import type { LeaseScopeKind } from './lease-scope-identity.js';

export interface AccountLimits {
  readonly requestsPerMinute: bigint | null;
  readonly tokensPerMinute: bigint | null;
  readonly hasPurchased: boolean;
}

export interface KeyLimits {
  readonly limitPico: bigint | null;
  readonly requestsPerMinute: bigint | null;
  readonly tokensPerMinute: bigint | null;
}

/** What holds where an account names nothing of its own. */
export interface PlatformLimits {
  readonly accountRequestsPerMinute: number | undefined;
  readonly accountTokensPerMinute: number | undefined;
  readonly freeRequestsPerMinute: number;
  readonly freeRequestsPerDay: number;
  readonly freeRequestsPerDayPurchased: number;
}

/** The limit of every kind but the account's credit, whose limit is what was granted. Undefined: unlimited. */
export function scopeLimit(
  kind: Exclude<LeaseScopeKind, 'account_credit'>,
  account: AccountLimits,
  key: KeyLimits | undefined,
  platform: PlatformLimits,
): bigint | undefined {
  switch (kind) {
    case 'key_limit':
      return key?.limitPico ?? undefined;
    case 'key_requests_per_minute':
      return key?.requestsPerMinute ?? undefined;
    case 'key_tokens_per_minute':
      return key?.tokensPerMinute ?? undefined;
    case 'account_requests_per_minute':
      return account.requestsPerMinute ?? optionalCount(platform.accountRequestsPerMinute);
    case 'account_tokens_per_minute':
      return account.tokensPerMinute ?? optionalCount(platform.accountTokensPerMinute);
    case 'free_requests_per_minute':
      return BigInt(platform.freeRequestsPerMinute);
    case 'free_requests_per_day':
      return BigInt(account.hasPurchased ? platform.freeRequestsPerDayPurchased : platform.freeRequestsPerDay);
  }
}

function optionalCount(count: number | undefined): bigint | undefined {
  return count === undefined ? undefined : BigInt(count);
}
