import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PrometheusMetrics } from '@switchyard/telemetry';
import { realClock } from '@switchyard/testing';
import type { Pool, PoolClient } from 'pg';
import { billingMetrics } from './billing-metrics.js';
import { BillingFixture } from './fixtures/billing-fixture.js';
import { LeaseExpiryJob } from './lease-expiry.job.js';
import { LeaseReturns } from './lease-returns.js';

const LEASE_COUNT = 50_000;

describe('the expiry of leases', () => {
  let fixture: BillingFixture;
  let client: PoolClient;
  let job: LeaseExpiryJob;
  beforeAll(async () => {
    fixture = await BillingFixture.start(realClock());
    const instance = await fixture.startInstance();
    await instance.expiry.stop();
    await fixture.createCustomer(instance);
    // One connection, which alone tells of what it did.
    client = await fixture.pool.connect();
    const { clock, random, logger, eventLog } = fixture;
    const pool = client as unknown as Pool;
    const { abandonedLeases: abandonedCounter } = billingMetrics(new PrometheusMetrics());
    const leaseReturns = new LeaseReturns({ pool, clock, random });
    job = new LeaseExpiryJob({ pool, clock, logger, eventLog, leaseReturns, leaseAbandonAfterMs: 1_800_000, abandonedCounter });
  });
  afterAll(async () => {
    client.release();
    await fixture.close();
  });

  /** Blocks of the index of open leases that were walked. */
  async function walkedBy(run: () => Promise<unknown>): Promise<number> {
    const before = await walked();
    await run();
    return (await walked()) - before;
  }

  async function walked(): Promise<number> {
    await client.query('SELECT pg_stat_force_next_flush()');
    const { rows } = await client.query<{ count: number }>(
      `SELECT (idx_blks_read + idx_blks_hit)::int AS count FROM pg_statio_user_indexes WHERE indexrelname = 'leases_open_by_age'`,
    );
    return rows[0]!.count;
  }

  it('walks the leases that were resolved since the last vacuum once, and not every second', async () => {
    await client.query('ALTER TABLE leases SET (autovacuum_enabled = off)');
    await client.query(
      `INSERT INTO leases (lease_id, scope_id, granted, request_index, holder_id, epoch, request_id, granted_at_ms, reserve_until_ms)
       SELECT gen_random_uuid(), scope_id, 1, 0, 'ingress', 1, number, number, number FROM lease_scopes, generate_series(1, ${LEASE_COUNT}) AS number`,
    );
    await client.query(`UPDATE leases SET settled = 1, is_closed = true, resolution = 'spent', resolved_at_ms = granted_at_ms`);
    const first = await walkedBy(() => job.abandonLeases());
    expect(first).toBeGreaterThan(100);
    expect(await walkedBy(() => job.abandonLeases())).toBeLessThan(first / 10);
  });
});
