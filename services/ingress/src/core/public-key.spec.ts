import { describe, expect, it } from '@jest/globals';
import { PICO_PER_USD } from '@switchyard/core';
import { billing } from '@switchyard/proto';
import { currentKey, publicKey } from './public-key.js';

/** A Wednesday. */
const NOW_MS = Date.UTC(2026, 6, 15, 12);

function keyWith(key: Partial<billing.Key>, usage: Partial<billing.KeyUsage> = {}): billing.KeyWithUsage {
  return { key: billing.Key.fromPartial({ hash: 'h', ...key }), usage: billing.KeyUsage.fromPartial(usage) };
}

describe('the budgets of the calling key', () => {
  it('are its own limit, with what is left of it and when it starts anew', () => {
    const limits = { limitPico: 10n * PICO_PER_USD, limitReset: billing.LimitReset.WEEKLY, includeByokInLimit: true };
    const key = currentKey(keyWith(limits, { limitRemainingPico: 4n * PICO_PER_USD }), NOW_MS);
    expect(key.effective_budget).toEqual({
      scope: 'key_limit',
      limit_usd: 10,
      spend_usd: 6,
      remaining_usd: 4,
      reset_interval: 'weekly',
      resets_at: '2026-07-20T00:00:00.000Z',
      include_byok: true,
      guardrail_id: null,
      budget_id: null,
    });
    expect(key.budgets).toEqual([key.effective_budget]);
  });

  it('never start anew where the limit does not', () => {
    const { budgets } = currentKey(keyWith({ limitPico: 1n }), NOW_MS);
    expect(budgets).toMatchObject([{ reset_interval: null, resets_at: null, remaining_usd: 1e-12, spend_usd: 0 }]);
  });

  it('are none without a limit', () => {
    expect(currentKey(keyWith({}), NOW_MS)).toMatchObject({ budgets: [], effective_budget: null });
  });
});

describe('a key as its managers see it', () => {
  it('tells when it was last used, or that it never was', () => {
    expect(publicKey(keyWith({}, { lastUseTimeMs: BigInt(NOW_MS) })).last_used_at).toBe('2026-07-15T12:00:00.000Z');
    expect(publicKey(keyWith({})).last_used_at).toBeNull();
  });
});
