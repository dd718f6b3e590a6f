import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { DAY_MS, dayWindow } from '@switchyard/core';
import { realClock } from '@switchyard/testing';
import type { PoolClient } from 'pg';
import { BillingFixture, USD } from './fixtures/billing-fixture.js';
import { dropOldQuotaWindows, lockScopes, saveScopes } from './lease-scope.store.js';
import { requestRecalls } from './lease.store.js';
import { AUDIT_CHECKS } from './ledger-audit.store.js';
import { readLedgerFigures } from './ledger-watch.store.js';

const RESOLVED_COUNT = 20_000;
const OPEN_COUNT = 5;
const KEY_COUNT = 20;
const BLOCKED_COUNT = 4;
const WINDOWS_PER_KEY = 300;
const LEASES_PER_KEY_WINDOW = 60;
const QUOTA_WINDOW_COUNT = 1_400;
const LEASES_PER_QUOTA_WINDOW = 1;
const MINUTE_MS = 60_000;

/** In this order: read, deleted, updated, and updated with no new entry in any index. */
const COUNTERS = ['seq_tup_read + idx_tup_fetch', 'n_tup_del', 'n_tup_upd', 'n_tup_hot_upd'];

interface Touched {
  readonly read: number;
  readonly deleted: number;
  readonly updated: number;
  readonly updatedInPlace: number;
}

interface PlanNode {
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Rows Removed by Join Filter'?: number;
  readonly Plans?: readonly PlanNode[];
}

/** Rows that the steps of a plan handed on or threw away. */
function handledBy(node: PlanNode): number {
  const removed = (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Join Filter'] ?? 0);
  const own = (node['Actual Rows'] + removed) * node['Actual Loops'];
  return (node.Plans ?? []).reduce((sum, child) => sum + handledBy(child), own);
}

describe('among many past windows and leases', () => {
  /** Still to come for billing itself, which would drop them else before a test does. */
  const nowMs = Date.now();
  const firstMs = nowMs + DAY_MS;
  const afterwardsMs = firstMs + DAY_MS;
  let fixture: BillingFixture;
  let creditScopeId: bigint;
  let client: PoolClient;

  beforeAll(async () => {
    fixture = await BillingFixture.start(realClock());
    const instance = await fixture.startInstance();
    const { accountId } = await fixture.createCustomer(instance, { creditPico: USD });
    const { rows } = await fixture.pool.query<{ id: bigint }>('SELECT scope_id AS id FROM lease_scopes WHERE account_id = $1', [accountId]);
    creditScopeId = rows[0]!.id;
    await fixture.pool.query(
      `INSERT INTO api_keys (key_hash, account_id, workspace_id, kind, name, label, limit_reset, created_at_ms)
       SELECT lpad(key::text, 64, '0'), $1, workspace_id, 'inference', 'a key', 'a key', 'daily', 1 FROM workspaces, generate_series(1, ${KEY_COUNT}) AS key WHERE account_id = $1`,
      [accountId],
    );
    await fixture.pool.query(
      `INSERT INTO lease_scopes (kind, account_id, key_hash, limit_reset, window_start_ms, window_end_ms, limit_amount, spent, over_amount)
       SELECT 'key_limit', $1, lpad(key::text, 64, '0'), 'daily', start_ms, start_ms + ${DAY_MS}, 10, 10 + over_amount, over_amount
         FROM generate_series(1, ${KEY_COUNT}) AS key, generate_series(0, ${WINDOWS_PER_KEY - 1}) AS days_ago,
              LATERAL (SELECT ${dayWindow(nowMs).startMs} - days_ago * ${DAY_MS}::bigint AS start_ms, CASE WHEN key <= ${BLOCKED_COUNT} AND days_ago = 0 THEN 1 ELSE 0 END AS over_amount) AS owed`,
      [accountId],
    );
    await fixture.pool.query(
      `INSERT INTO key_usage_days (key_hash, day_start_ms, charge_pico) SELECT key_hash, window_start_ms, spent FROM lease_scopes WHERE kind = 'key_limit'`,
    );
    await fixture.pool.query(
      `INSERT INTO lease_scopes (kind, account_id, window_start_ms, window_end_ms, limit_amount, spent)
       SELECT 'account_requests_per_minute', $1, ${firstMs} + minute * ${MINUTE_MS}, ${firstMs} + (minute + 1) * ${MINUTE_MS}, 10, 3
         FROM generate_series(1, ${QUOTA_WINDOW_COUNT}) AS minute`,
      [accountId],
    );
    await insertLeases(`kind = 'account_requests_per_minute'`, LEASES_PER_QUOTA_WINDOW, true);
    // Many more in a window than quotas have, by which the database would judge.
    await insertLeases(`kind = 'key_limit' AND key_hash <= lpad('2', 64, '0')`, LEASES_PER_KEY_WINDOW, true);
    await insertLeases(`kind = 'account_credit'`, RESOLVED_COUNT, true);
    await insertLeases(`kind = 'account_credit'`, OPEN_COUNT, false);
    await fixture.pool.query('ANALYZE');
  }, 90_000);
  afterAll(() => fixture.close());

  beforeEach(async () => {
    client = await fixture.pool.connect();
    await client.query('BEGIN');
  });
  afterEach(async () => {
    await client.query('ROLLBACK');
    client.release();
  });

  const insertLeases = (ofScopes: string, countEach: number, isResolved: boolean): Promise<unknown> =>
    fixture.pool.query(
      `INSERT INTO leases (lease_id, scope_id, granted, settled, is_closed, resolution, resolved_at_ms, request_index, holder_id, epoch, request_id, granted_at_ms, reserve_until_ms)
       SELECT gen_random_uuid(), scope_id, 1, 0, $1, CASE WHEN $1 THEN 'spent' END, CASE WHEN $1 THEN number END, 0, 'ingress', 1, gen_random_uuid(), number, number
         FROM lease_scopes, generate_series(1, ${countEach}) AS number WHERE ${ofScopes}`,
      [isResolved],
    );

  /** Rows of a table, also those that the database touches by itself, as for a foreign key. */
  async function touchedBy(run: () => Promise<unknown>): Promise<{ readonly scopes: Touched; readonly leases: Touched }> {
    const before = await counters();
    await run();
    const after = await counters();
    const touched = (table: string): Touched => {
      const [read, deleted, updated, updatedInPlace] = COUNTERS.map((_, index) => after.get(table)![index]! - before.get(table)![index]!);
      return { read: read!, deleted: deleted!, updated: updated!, updatedInPlace: updatedInPlace! };
    };
    return { scopes: touched('lease_scopes'), leases: touched('leases') };
  }

  async function counters(): Promise<Map<string, number[]>> {
    const { rows } = await client.query<{ name: string; counts: number[] }>(
      `SELECT relname AS name, ARRAY[${COUNTERS.join(', ')}]::int[] AS counts FROM pg_stat_xact_user_tables WHERE relname IN ('lease_scopes', 'leases')`,
    );
    return new Map(rows.map(({ name, counts }) => [name, counts]));
  }

  it('drops ended quota windows with their leases and looks at no others', async () => {
    const { scopes, leases } = await touchedBy(async () => {
      expect(await dropOldQuotaWindows(client, afterwardsMs, 5_000)).toBe(QUOTA_WINDOW_COUNT);
    });
    expect(scopes.deleted).toBe(QUOTA_WINDOW_COUNT);
    expect(leases.deleted).toBe(QUOTA_WINDOW_COUNT * LEASES_PER_QUOTA_WINDOW);
    expect(leases.read).toBeLessThan(5 * leases.deleted);
    expect(scopes.read).toBeLessThan(5 * scopes.deleted);
  });

  it('drops no more quota windows at once than it is told to', async () => {
    const { scopes, leases } = await touchedBy(async () => expect(await dropOldQuotaWindows(client, afterwardsMs, 10)).toBe(10));
    expect(scopes.deleted).toBe(10);
    expect(leases.deleted).toBe(10 * LEASES_PER_QUOTA_WINDOW);
  });

  it('counts what is above its limit without a look at what is not', async () => {
    const { scopes } = await touchedBy(async () => expect((await readLedgerFigures(client, nowMs)).blockedScopeCount).toBe(BLOCKED_COUNT));
    expect(scopes.read).toBeLessThan(5 * BLOCKED_COUNT);
  });

  it('recalls the open leases of a scope without a look at those that were resolved', async () => {
    const { leases } = await touchedBy(async () => expect(await requestRecalls(client, [creditScopeId], 'another', 'shortage', 1)).toBe(OPEN_COUNT));
    expect(leases.read).toBeLessThan(5 * OPEN_COUNT);
  });

  it("verifies each window of a key's limit without a look at the days of others", async () => {
    const { sql } = AUDIT_CHECKS.find(({ name }) => name === 'limits_equal_charges')!;
    const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(`EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`);
    expect(handledBy(rows[0]!['QUERY PLAN'][0].Plan)).toBeLessThan(10 * KEY_COUNT * WINDOWS_PER_KEY);
  });

  it('saves amounts within their limits without a new entry in any index', async () => {
    const locked = await lockScopes(client, [creditScopeId]);
    const { scopes } = await touchedBy(async () => {
      for (const held of [1n, 2n]) {
        for (const scope of locked.values()) scope.amounts = { ...scope.amounts, held };
        await saveScopes(client, [...locked.values()]);
      }
    });
    expect(scopes).toMatchObject({ updated: 2, updatedInPlace: 2 });
  });
});
