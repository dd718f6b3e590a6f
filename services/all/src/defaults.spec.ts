import { beforeAll, describe, expect, it } from '@jest/globals';
import { loadConfig } from '@switchyard/config';
import type { TargetName } from '@switchyard/runtime';
import { ALL_TARGETS, loadTargets } from './targets.js';

/** What one service counts on in another; operators who change one time have to mind the rest. */
describe('the defaults of the services fit together:', () => {
  const settings = {} as Record<TargetName, Readonly<Record<string, unknown>>>;
  beforeAll(async () => {
    const environment = { SWITCHYARD_DATABASE_URL: 'postgres://localhost/switchyard' };
    for (const target of await loadTargets(ALL_TARGETS)) settings[target.name] = loadConfig(target.config, environment) as Record<string, unknown>;
  }, 60_000);
  const number = (target: TargetName, name: string): number => {
    const value = settings[target][name];
    if (typeof value !== 'number') throw new Error(`${target} has no number ${name}`);
    return value;
  };

  it('an attempt may take ten minutes, and whoever stops waits longer for it', () => {
    const totalMs = number('ingress', 'attemptTotalMs');
    expect(totalMs).toBe(600_000);
    expect(number('ingress', 'drainTimeoutMs')).toBeGreaterThan(totalMs);
    expect(number('worker', 'drainTimeoutMs')).toBeGreaterThan(totalMs);
  });

  it('a lease can be settled for as long as an attempt may take, and is given up only afterwards', () => {
    const settleMs = number('billing', 'leaseReserveMs') + number('billing', 'leaseSettleMarginMs');
    expect(number('billing', 'leaseSettleMarginMs')).toBeGreaterThanOrEqual(number('ingress', 'attemptTotalMs'));
    expect(number('billing', 'leaseAbandonAfterMs')).toBe(1_800_000);
    expect(number('billing', 'leaseAbandonAfterMs')).toBeGreaterThan(settleMs);
  });

  it('an ingress waits longer for a lease than billing waits for recalls, which is a second', () => {
    expect(number('billing', 'recallWaitMs')).toBe(1_000);
    expect(number('ingress', 'leaseAcquireTimeoutMs')).toBeGreaterThan(number('billing', 'recallWaitMs'));
  });

  it('heartbeats come twice a second, keys are served for five minutes without them, a clock may be 100 ms off', () => {
    expect(number('billing', 'heartbeatMs')).toBe(500);
    expect(number('ingress', 'keyGraceMs')).toBe(300_000);
    expect(number('ingress', 'maxClockSkewMs')).toBe(100);
  });

  it('spools take a gibibyte', () => {
    for (const target of ['ingress', 'worker'] as const) expect(number(target, 'spoolMaxBytes')).toBe(1024 ** 3);
  });
});
