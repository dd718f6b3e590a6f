import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { realClock } from '@switchyard/testing';
import { BillingFixture } from './fixtures/billing-fixture.js';
import { touchEpoch } from './lease-epoch.store.js';

const NOW_MS = 1_800_000_000_000;

describe('a holder that asks for leases', () => {
  let fixture: BillingFixture;

  beforeAll(async () => {
    fixture = await BillingFixture.start(realClock());
    await fixture.startInstance();
  }, 90_000);
  afterAll(() => fixture.close());

  const lastSeenMs = async (holderId: string): Promise<number> =>
    Number((await fixture.pool.query<{ at: bigint }>('SELECT last_seen_ms AS at FROM lease_epochs WHERE holder_id = $1', [holderId])).rows[0]!.at);

  it('is noted when it has not been seen for a while, and never as seen earlier', async () => {
    const seen: number[] = [];
    for (const laterMs of [0, 100, 300, 200, 551]) {
      await touchEpoch(fixture.pool, 'noted', 1n, NOW_MS + laterMs);
      seen.push((await lastSeenMs('noted')) - NOW_MS);
    }
    expect(seen).toEqual([0, 0, 300, 300, 551]);
  });

  it('does not wait for another grant of the same holder when it was seen just now', async () => {
    await touchEpoch(fixture.pool, 'busy', 1n, NOW_MS);
    const other = await fixture.pool.connect();
    const own = await fixture.pool.connect();
    try {
      await other.query('BEGIN');
      await other.query(`SELECT 1 FROM lease_epochs WHERE holder_id = 'busy' FOR NO KEY UPDATE`);
      await own.query(`SET lock_timeout = '100ms'`);
      await touchEpoch(own, 'busy', 1n, NOW_MS + 100);
      await expect(touchEpoch(own, 'busy', 1n, NOW_MS + 300)).rejects.toThrow('lock timeout');
    } finally {
      await other.query('ROLLBACK');
      await own.query('RESET lock_timeout');
      other.release();
      own.release();
    }
  });
});
