import { describe, expect, it } from '@jest/globals';
import { checkConfig } from '@switchyard/config';
import { billingConfig } from './billing.config.js';

describe('the configuration of billing', () => {
  it('takes a heartbeat that no ingress takes for death, and none that floods them', () => {
    const problems = (heartbeat: string) => checkConfig([billingConfig], { SWITCHYARD_BILLING_HEARTBEAT_MS: heartbeat });
    expect(['10ms', '500', '1s'].flatMap(problems)).toEqual([]);
    expect(problems('9ms')).toMatchObject([{ message: expect.stringContaining('must be at least 10ms') }]);
    expect(problems('2s')).toMatchObject([{ message: expect.stringContaining('must be at most 1000ms') }]);
  });

  it('takes no lease that is over before an ingress has it, which would ask for the next without end', () => {
    const problems = (reserve: string) => checkConfig([billingConfig], { SWITCHYARD_LEASE_RESERVE_MS: reserve });
    expect(problems('1s')).toEqual([]);
    for (const reserve of ['0', '999ms']) expect(problems(reserve)).toMatchObject([{ message: expect.stringContaining('must be at least 1000ms') }]);
  });
});
