import { dayWindow, limitWindow, minuteWindow, type LimitReset } from '@switchyard/core';
import { billing } from '@switchyard/proto';
import { scopeId, type ScopeNeed } from '../wallet/reservation.js';

/**
 * Money scopes of one attempt: the account's credit and, where the key has one, its limit in the window of the accept time.
 * With `leastPico` the attempt can do with less, down to that.
 */
export function moneyNeeds(key: billing.Key, amountPico: bigint, acceptTimeMs: number, leastPico?: bigint): ScopeNeed[] {
  if (amountPico === 0n) return [];
  const needs = [{ ...creditScope(key), amount: amountPico }];
  if (key.limitPico !== undefined)
    needs.push(need(billing.LeaseScopeKind.KEY_LIMIT, key.accountId, key.hash, limitWindow(RESETS[key.limitReset], acceptTimeMs).startMs, amountPico));
  return leastPico === undefined ? needs : needs.map((whole) => ({ ...whole, least: leastPico }));
}

const RESETS: Readonly<Record<billing.LimitReset, LimitReset>> = {
  [billing.LimitReset.UNSPECIFIED]: '',
  [billing.LimitReset.DAILY]: 'daily',
  [billing.LimitReset.WEEKLY]: 'weekly',
  [billing.LimitReset.MONTHLY]: 'monthly',
  [billing.LimitReset.UNRECOGNIZED]: '',
};

const creditScopes = new WeakMap<billing.Key, Omit<ScopeNeed, 'amount'>>();

/** Every request needs it, and it is the same as long as its key is. */
function creditScope(key: billing.Key): Omit<ScopeNeed, 'amount'> {
  let known = creditScopes.get(key);
  if (!known) {
    const { id, scope } = need(billing.LeaseScopeKind.ACCOUNT_CREDIT, key.accountId, '', 0, 0n);
    known = { id, scope };
    creditScopes.set(key, known);
  }
  return known;
}

/**
 * Rate scopes of one generation: requests and tokens per minute of key and account. `tokens` is an upper bound; with
 * `leastTokens` the generation can do with fewer, down to that.
 */
export function rateNeeds(key: billing.Key, tokens: number, acceptTimeMs: number, leastTokens?: number): ScopeNeed[] {
  const minute = minuteWindow(acceptTimeMs).startMs;
  const account = key.account;
  const needs: ScopeNeed[] = [];
  if (account?.requestsPerMinute !== undefined) needs.push(need(billing.LeaseScopeKind.ACCOUNT_REQUESTS_PER_MINUTE, key.accountId, '', minute, 1n));
  if (key.requestsPerMinute !== undefined) needs.push(need(billing.LeaseScopeKind.KEY_REQUESTS_PER_MINUTE, key.accountId, key.hash, minute, 1n));
  const least = leastTokens === undefined ? {} : { least: BigInt(leastTokens) };
  const tokenNeed = (kind: billing.LeaseScopeKind, keyHash: string) => ({ ...need(kind, key.accountId, keyHash, minute, BigInt(tokens)), ...least });
  if (account?.tokensPerMinute !== undefined) needs.push(tokenNeed(billing.LeaseScopeKind.ACCOUNT_TOKENS_PER_MINUTE, ''));
  if (key.tokensPerMinute !== undefined) needs.push(tokenNeed(billing.LeaseScopeKind.KEY_TOKENS_PER_MINUTE, key.hash));
  return needs;
}

/** The smaller of what key and account may use in a minute; infinite where neither is limited. */
export function tokensPerMinute({ tokensPerMinute: ofKey, account }: billing.Key): number {
  return Math.min(Number(ofKey ?? Infinity), Number(account?.tokensPerMinute ?? Infinity));
}

/** Quotas of free models, per account: keys do not raise them. */
export function freeNeeds(key: billing.Key, acceptTimeMs: number): ScopeNeed[] {
  return [
    need(billing.LeaseScopeKind.FREE_REQUESTS_PER_MINUTE, key.accountId, '', minuteWindow(acceptTimeMs).startMs, 1n),
    need(billing.LeaseScopeKind.FREE_REQUESTS_PER_DAY, key.accountId, '', dayWindow(acceptTimeMs).startMs, 1n),
  ];
}

export function isTokenScope(kind: billing.LeaseScopeKind): boolean {
  return kind === billing.LeaseScopeKind.ACCOUNT_TOKENS_PER_MINUTE || kind === billing.LeaseScopeKind.KEY_TOKENS_PER_MINUTE;
}

function need(kind: billing.LeaseScopeKind, accountId: string, keyHash: string, windowStartMs: number, amount: bigint): ScopeNeed {
  const scope: billing.LeaseScope = { kind, accountId, keyHash, windowStartMs: BigInt(windowStartMs) };
  return { id: scopeId(scope), scope, amount };
}
