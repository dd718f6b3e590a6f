import type { Clock } from '@switchyard/core';
import { completionTokenCount, promptTokenCount } from '@switchyard/core';
import { SwitchyardError } from '@switchyard/errors';
import { billing } from '@switchyard/proto';
import type { Generation } from '../core/generation.js';
import { inputTokenBound } from '../core/reservation-bound.js';
import { freeNeeds, isTokenScope, rateNeeds, tokensPerMinute } from '../core/scope-needs.js';
import type { Settlement } from '../core/settlement.js';
import { isShortage, type SettledUse } from './reservation.js';
import type { ScopeLeases } from './scope-leases.js';
import type { Wallet } from './wallet.js';

/** Tokens of an answer that its client did not limit. */
export interface OutputWish {
  readonly most: number;
  /** With fewer it is not worth starting. */
  readonly least: number;
}

export interface QuotaOptions {
  /** Requests that a key may abandon before the upstream answered, per minute; they cost nothing, so they are bounded. */
  readonly earlyAbortsPerMinute: number;
}

const MINUTE_MS = 60_000;
const MAX_TRACKED_KEYS = 10_000;
/** So many answers that no client limits may be under way at once and use up a minute's tokens; of small quotas each may have this many tokens. */
const UNLIMITED_ANSWERS = 8;
const SMALL_SHARE_TOKENS = 1_024;

/** What a generation as a whole takes, whatever its attempts cost: requests and tokens per minute, free-model quotas. */
export class QuotaKeeper {
  private earlyAborts = new Map<string, number>();
  private earlyAbortsMinute = 0;

  constructor(
    private readonly wallet: Wallet,
    private readonly clock: Clock,
    private readonly options: QuotaOptions,
  ) {}

  /**
   * `outputWish` is asked where tokens are limited and the client did not limit its answer.
   * @throws SwitchyardError `payment_required` for an account in debt, `rate_limit_exceeded` when a quota is used up,
   * `gateway_unavailable` when billing cannot be asked.
   */
  async take(generation: Generation, outputWish: () => OutputWish): Promise<void> {
    const { key, acceptTimeMs, request } = generation;
    if (key.account?.isNegative)
      throw new SwitchyardError('payment_required', 'Insufficient credits: the account balance is negative. Add credits, then try again.', {
        metadata: { scope: 'account_credit' },
      });
    if (this.earlyAbortsOf(key.hash) > this.options.earlyAbortsPerMinute) {
      throw new SwitchyardError('rate_limit_exceeded', 'Too many requests were abandoned before they were answered; slow down.', {
        retryAfterMs: this.untilNextMinuteMs(),
      });
    }
    const inputTokens = inputTokenBound(request.bound);
    const wish = request.maxOutputTokens === undefined ? sharedWish(tokensPerMinute(key), outputWish) : undefined;
    const leastTokens = wish && wish.least < wish.most ? inputTokens + wish.least : undefined;
    const needs = rateNeeds(key, inputTokens + (request.maxOutputTokens ?? wish?.most ?? 0), acceptTimeMs, leastTokens);
    if (needs.length === 0) return;
    const result = this.wallet.tryReserve(needs) ?? (await this.wallet.reserve(needs, acceptTimeMs, generation.trace));
    if (isShortage(result)) throw rateLimitError(result.shortage, acceptTimeMs);
    generation.quota = result;
  }

  /**
   * Counts a generation against the quotas of free models, once, when the first of them is to be tried: as a fallback it
   * counts like any other. The error when a quota is used up.
   * @throws SwitchyardError `gateway_unavailable` when billing cannot be asked.
   */
  async takeFree(generation: Generation): Promise<SwitchyardError | undefined> {
    if (generation.freeQuota) return undefined;
    const { key, acceptTimeMs } = generation;
    const needs = freeNeeds(key, acceptTimeMs);
    const result = this.wallet.tryReserve(needs) ?? (await this.wallet.reserve(needs, acceptTimeMs, generation.trace));
    if (isShortage(result)) return rateLimitError(result.shortage, acceptTimeMs);
    generation.freeQuota = result;
    return undefined;
  }

  /** The generation was dispatched: it counts, also when it failed. */
  settle(generation: Generation, settlement: Settlement): void {
    if (!generation.quota && !generation.freeQuota) return;
    const tokens = BigInt(promptTokenCount(settlement.meters) + completionTokenCount(settlement.meters));
    generation.leaseUses.push(...this.close(generation, (scope) => (isTokenScope(scope.kind) ? tokens : 1n)));
  }

  /** Nothing was dispatched: it does not count. */
  release(generation: Generation): void {
    this.close(generation, () => 0n);
  }

  private close(generation: Generation, amountOf: (scope: billing.LeaseScope) => bigint): SettledUse[] {
    const taken = [generation.quota, generation.freeQuota].filter((reservation) => reservation !== undefined);
    generation.quota = undefined;
    generation.freeQuota = undefined;
    return taken.flatMap((reservation) => this.wallet.settle(reservation, amountOf));
  }

  countEarlyAbort(keyHash: string): void {
    const count = this.earlyAbortsOf(keyHash) + 1;
    if (count === 1 && this.earlyAborts.size >= MAX_TRACKED_KEYS) return;
    this.earlyAborts.set(keyHash, count);
  }

  private earlyAbortsOf(keyHash: string): number {
    const minute = Math.floor(this.clock.monotonicMs() / MINUTE_MS);
    if (minute !== this.earlyAbortsMinute) {
      this.earlyAbortsMinute = minute;
      this.earlyAborts = new Map();
    }
    return this.earlyAborts.get(keyHash) ?? 0;
  }

  private untilNextMinuteMs(): number {
    return MINUTE_MS - (this.clock.monotonicMs() % MINUTE_MS);
  }
}

/** One answer may not take the whole minute for as long as it is written. */
function sharedWish(quota: number, outputWish: () => OutputWish): OutputWish | undefined {
  if (quota === Infinity) return undefined;
  const { most, least } = outputWish();
  return { most: Math.min(most, Math.max(least, SMALL_SHARE_TOKENS, Math.floor(quota / UNLIMITED_ANSWERS))), least };
}

/** Output tokens that a generation's share of the token quotas lets it write; infinite where none is limited. */
export function quotaOutputTokens({ quota, request }: Pick<Generation, 'quota' | 'request'>): number {
  if (!quota) return Number.POSITIVE_INFINITY;
  const tokensOfScope = new Map<ScopeLeases, number>();
  for (const { leases, amount } of quota.parts)
    if (isTokenScope(leases.scope.kind)) tokensOfScope.set(leases, (tokensOfScope.get(leases) ?? 0) + Number(amount));
  return Math.max(0, Math.min(...tokensOfScope.values()) - inputTokenBound(request.bound));
}

const SENTENCES: Partial<Record<billing.LeaseScopeKind, string>> = {
  [billing.LeaseScopeKind.FREE_REQUESTS_PER_DAY]: 'Rate limit exceeded: free-models-per-day. Add credits to unlock more free model requests per day.',
  [billing.LeaseScopeKind.FREE_REQUESTS_PER_MINUTE]: 'Rate limit exceeded: free-models-per-min.',
  [billing.LeaseScopeKind.KEY_REQUESTS_PER_MINUTE]: 'Rate limit exceeded: requests per minute of this key.',
  [billing.LeaseScopeKind.ACCOUNT_REQUESTS_PER_MINUTE]: 'Rate limit exceeded: requests per minute of this account.',
  [billing.LeaseScopeKind.KEY_TOKENS_PER_MINUTE]: 'Rate limit exceeded: tokens per minute of this key.',
  [billing.LeaseScopeKind.ACCOUNT_TOKENS_PER_MINUTE]: 'Rate limit exceeded: tokens per minute of this account.',
};

function rateLimitError(shortage: billing.ScopeShortage, nowMs: number): SwitchyardError {
  const kind = shortage.scope?.kind ?? billing.LeaseScopeKind.UNSPECIFIED;
  const resetTimeMs = Number(shortage.resetTimeMs);
  return new SwitchyardError('rate_limit_exceeded', SENTENCES[kind] ?? 'Rate limit exceeded.', {
    retryAfterMs: Math.max(1_000, resetTimeMs - nowMs),
    metadata: { rate_limit: { limit: Number(shortage.limit), remaining: Math.max(0, Number(shortage.available)), resetTimeMs } },
  });
}
