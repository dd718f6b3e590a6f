import { beforeEach, describe, expect, it } from '@jest/globals';
import type { SwitchyardError } from '@switchyard/errors';
import { billing } from '@switchyard/proto';
import { captureLogger, manualClock } from '@switchyard/testing';
import type { Generation } from '../core/generation.js';
import { inputTokenBound } from '../core/reservation-bound.js';
import type { Settlement } from '../core/settlement.js';
import { walletOver, type LeaseBook } from '../fixtures/fake-leases.js';
import { QuotaKeeper, quotaOutputTokens } from './quota-keeper.js';
import { scopeId } from './reservation.js';

const LIMIT = 10_000;
const WISH = { most: 4_000, least: 16 };
const SHARE = LIMIT / 8;

/** Billing with a limit per scope. */
function leaseBook(limitOf: (scope: billing.LeaseScope) => number): LeaseBook {
  const taken = new Map<string, bigint>();
  const takenOf = (scope: billing.LeaseScope) => taken.get(scopeId(scope)) ?? 0n;
  return {
    availableIn: (scope) => BigInt(limitOf(scope)) - takenOf(scope),
    take: (scope, amount) => void taken.set(scopeId(scope), takenOf(scope) + amount),
  };
}

describe('the tokens of a minute', () => {
  let quotas: QuotaKeeper;
  let key: Partial<billing.Key>;

  beforeEach(() => {
    const { ACCOUNT_TOKENS_PER_MINUTE, KEY_TOKENS_PER_MINUTE, KEY_REQUESTS_PER_MINUTE } = billing.LeaseScopeKind;
    const limits = new Map<billing.LeaseScopeKind, number>([
      [KEY_TOKENS_PER_MINUTE, LIMIT],
      [KEY_REQUESTS_PER_MINUTE, 100],
      [ACCOUNT_TOKENS_PER_MINUTE, 3_000],
    ]);
    const clock = manualClock();
    const wallet = walletOver(
      leaseBook(({ kind }) => limits.get(kind)!),
      clock,
      captureLogger(),
    );
    quotas = new QuotaKeeper(wallet, clock, { earlyAbortsPerMinute: 20 });
    key = { hash: 'h', accountId: 'account', tokensPerMinute: BigInt(LIMIT), requestsPerMinute: 100n };
  });

  const BOUND = { textBytes: 36, imageCount: 0, hasTools: false, usesCacheControl: false };
  const INPUT_TOKENS = inputTokenBound(BOUND);

  function generation(maxOutputTokens?: number): Generation {
    return { key, acceptTimeMs: 0, request: { bound: BOUND, maxOutputTokens }, leaseUses: [], quota: undefined } as unknown as Generation;
  }

  /** What of these was let in, and what each may use at most. */
  async function take(generations: readonly Generation[]): Promise<{ mostTokens: number[]; refused: unknown[] }> {
    const results = await Promise.allSettled(generations.map((one) => quotas.take(one, () => WISH)));
    const admitted = generations.filter((_, index) => results[index]!.status === 'fulfilled');
    return {
      mostTokens: admitted.map((one) => INPUT_TOKENS + (one.request.maxOutputTokens ?? quotaOutputTokens(one))),
      refused: results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : [])),
    };
  }

  it('are not exceeded by answers that no client limits: each may write an eighth of them, or what is left, and who would get hardly any is refused', async () => {
    const { mostTokens, refused } = await take(Array.from({ length: 10 }, () => generation()));
    expect(mostTokens.slice(0, -1).every((tokens) => tokens === INPUT_TOKENS + SHARE)).toBe(true);
    expect(mostTokens).toHaveLength(8);
    expect(mostTokens.reduce((sum, tokens) => sum + tokens, 0)).toBe(LIMIT);
    expect(refused).toHaveLength(2);
    for (const error of refused) expect((error as SwitchyardError).type).toBe('rate_limit_exceeded');
  });

  it('come back when an answer took fewer', async () => {
    const first = generation();
    await take([first, ...Array.from({ length: 7 }, () => generation())]);
    expect((await take([generation()])).refused).toHaveLength(1);
    quotas.settle(first, { meters: { input_uncached: 5, output_text: 95 } } as unknown as Settlement);
    // All of the first's share but the hundred.
    expect((await take([generation()])).mostTokens).toEqual([INPUT_TOKENS + SHARE - 100]);
  });

  it('are taken as they are asked for where the client limits its answer', async () => {
    const { mostTokens, refused } = await take([generation(6_000), generation(6_000)]);
    expect(mostTokens).toEqual([INPUT_TOKENS + 6_000]);
    expect(refused).toHaveLength(1);
  });

  it('of the account bind together with those of the key: the scarcer decide', async () => {
    key = { ...key, account: { tokensPerMinute: 3_000n } as unknown as billing.Key['account'] };
    const { mostTokens, refused } = await take(Array.from({ length: 4 }, () => generation()));
    expect(mostTokens.slice(0, 2)).toEqual([INPUT_TOKENS + 1_024, INPUT_TOKENS + 1_024]);
    expect(mostTokens.reduce((sum, tokens) => sum + tokens, 0)).toBe(3_000);
    expect(refused).toHaveLength(1);
  });

  it('limit nothing where there is no such limit', async () => {
    key = { hash: 'h', accountId: 'account', requestsPerMinute: 100n };
    const one = generation();
    await quotas.take(one, () => {
      throw new Error('nobody needs to know');
    });
    expect(quotaOutputTokens(one)).toBe(Number.POSITIVE_INFINITY);
  });
});
