import { dayWindow, LIFETIME_WINDOW, limitWindow, minuteWindow, type LimitReset, type LimitWindow } from '@switchyard/core';

export type LeaseScopeKind =
  | 'account_credit'
  | 'key_limit'
  | 'account_requests_per_minute'
  | 'key_requests_per_minute'
  | 'account_tokens_per_minute'
  | 'key_tokens_per_minute'
  | 'free_requests_per_minute'
  | 'free_requests_per_day';

export type LeaseUnit = 'pico_usd' | 'requests' | 'tokens';

export const UNIT_OF_KIND: Readonly<Record<LeaseScopeKind, LeaseUnit>> = {
  account_credit: 'pico_usd',
  key_limit: 'pico_usd',
  account_requests_per_minute: 'requests',
  key_requests_per_minute: 'requests',
  account_tokens_per_minute: 'tokens',
  key_tokens_per_minute: 'tokens',
  free_requests_per_minute: 'requests',
  free_requests_per_day: 'requests',
};

export const IS_KEY_SCOPE: Readonly<Record<LeaseScopeKind, boolean>> = {
  account_credit: false,
  key_limit: true,
  account_requests_per_minute: false,
  key_requests_per_minute: true,
  account_tokens_per_minute: false,
  key_tokens_per_minute: true,
  free_requests_per_minute: false,
  free_requests_per_day: false,
};

/** Which amounts are counted together. */
export interface ScopeIdentity {
  readonly kind: LeaseScopeKind;
  readonly accountId: string;
  /** Empty for scopes of an account. */
  readonly keyHash: string;
  readonly limitReset: LimitReset;
  readonly window: LimitWindow;
}

/** A window may begin this long before the accept time: generations that were accepted in it still try again. */
const WINDOW_GRACE_MS = 3_600_000;
const CLOCK_TOLERANCE_MS = 60_000;

/**
 * The window that a request counts in: the one it names, when that is a window of this kind near the accept time, else
 * the accept time's own (the caller may know an older reset of the key).
 */
export function scopeWindow(kind: LeaseScopeKind, reset: LimitReset, namedStartMs: number, acceptTimeMs: number): LimitWindow {
  if (namedStartMs > 0) {
    const named = windowAt(kind, reset, namedStartMs);
    const isWindow = named.startMs === namedStartMs && named.endMs !== undefined;
    if (isWindow && named.endMs > acceptTimeMs - WINDOW_GRACE_MS && named.startMs <= acceptTimeMs + CLOCK_TOLERANCE_MS) return named;
  }
  return windowAt(kind, reset, acceptTimeMs);
}

function windowAt(kind: LeaseScopeKind, reset: LimitReset, timeMs: number): LimitWindow {
  switch (kind) {
    case 'account_credit':
      return LIFETIME_WINDOW;
    case 'key_limit':
      return limitWindow(reset, timeMs);
    case 'free_requests_per_day':
      return dayWindow(timeMs);
    case 'account_requests_per_minute':
    case 'key_requests_per_minute':
    case 'account_tokens_per_minute':
    case 'key_tokens_per_minute':
    case 'free_requests_per_minute':
      return minuteWindow(timeMs);
  }
}
