import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DAY_MS, dayWindow, LIFETIME_WINDOW } from '@switchyard/core';
import type { Queryable } from '@switchyard/db';
import { realClock } from '@switchyard/testing';
import type { PoolClient } from 'pg';
import { BillingFixture, USD } from './fixtures/billing-fixture.js';
import { shareKeyUsage } from './key.store.js';
import { lockChargedScopes } from './lease-scope.store.js';
import { findScopesOfLeases, readLeases } from './lease.store.js';

const KEY_COUNT = 1_000;
const CHARGED_COUNT = 200;
/** Of each key that is charged; their limit has been daily for so long. */
const PAST_WINDOW_COUNT = 300;

interface PlanNode {
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly [counter: `Rows Removed by ${string}`]: number | undefined;
  readonly Plans?: readonly PlanNode[];
}

interface Statement {
  readonly name: string;
  readonly text: string;
  readonly values: readonly unknown[];
}

describe('what a batch of charges touches, among the keys of a large account', () => {
  let fixture: BillingFixture;
  let accountId: string;
  let keyHashes: string[];
  let leaseIds: string[];
  let nowMs: number;

  beforeAll(async () => {
    fixture = await BillingFixture.start(realClock());
    const instance = await fixture.startInstance();
    ({ accountId } = await fixture.createCustomer(instance, { creditPico: USD }));
    await fixture.pool.query(
      `INSERT INTO api_keys (key_hash, account_id, workspace_id, kind, name, label, created_at_ms)
       SELECT encode(sha256(number::text::bytea), 'hex'), $1, (SELECT workspace_id FROM workspaces WHERE account_id = $1), 'inference', 'key ' || number, '', number
         FROM generate_series(1, ${KEY_COUNT}) AS number`,
      [accountId],
    );
    await fixture.pool.query(
      `INSERT INTO lease_scopes (kind, account_id, key_hash, window_start_ms, limit_amount)
       SELECT 'key_limit', account_id, key_hash, 0, 1000 FROM api_keys WHERE account_id = $1`,
      [accountId],
    );
    await fixture.pool.query(
      `INSERT INTO leases (lease_id, scope_id, granted, request_index, holder_id, epoch, request_id, granted_at_ms, reserve_until_ms)
       SELECT gen_random_uuid(), scope_id, 1, 0, 'ingress', 1, scope_id::text, 0, 0 FROM lease_scopes`,
    );
    keyHashes = await column('SELECT key_hash AS value FROM api_keys ORDER BY key_hash');
    leaseIds = await column('SELECT lease_id AS value FROM leases ORDER BY lease_id');
    nowMs = fixture.clock.nowMs();
    await fixture.pool.query(
      `INSERT INTO lease_scopes (kind, account_id, key_hash, limit_reset, window_start_ms, window_end_ms, limit_amount)
       SELECT 'key_limit', $1, key_hash, 'daily', start_ms, start_ms + ${DAY_MS}, 1000
         FROM unnest($2::text[]) AS key_hash, generate_series($3::bigint - ${PAST_WINDOW_COUNT * DAY_MS}, $3, ${DAY_MS}) AS start_ms`,
      [accountId, keyHashes, dayWindow(nowMs).startMs],
    );
  }, 90_000);
  afterAll(() => fixture.close());

  const column = async (sql: string): Promise<string[]> =>
    (await fixture.pool.query<{ value: string }>(`SELECT value FROM (${sql} LIMIT ${CHARGED_COUNT}) AS found`)).rows.map(({ value }) => value);

  const charged = () => ({ leaseIds, accountIds: [accountId], keyHashes, earliestMs: nowMs, latestMs: nowMs });

  it.each<[string, (client: Queryable) => Promise<unknown>]>([
    ['keys', (client) => shareKeyUsage(client, keyHashes)],
    ['scopes', (client) => lockChargedScopes(client, charged())],
    ['leases', (client) => readLeases(client, leaseIds)],
    ['scopes of returned leases', (client) => findScopesOfLeases(client, leaseIds)],
  ])('is found without a comparison with what it does not touch: %s', async (_what, run) => {
    const plan = await keptPlan(fixture, await statementOf(run));
    expect(comparedInVain(plan)).toBeLessThan(CHARGED_COUNT);
  });

  it('is all found', async () => {
    const client = fixture.pool as unknown as PoolClient;
    const scopes = [...(await lockChargedScopes(client, charged())).values()];
    const windowsOf = (keyHash: string) => scopes.filter((scope) => scope.keyHash === keyHash).map((scope) => scope.window);
    for (const keyHash of keyHashes) expect(windowsOf(keyHash)).toEqual([LIFETIME_WINDOW, dayWindow(nowMs)]);
    expect(scopes.filter(({ kind }) => kind === 'account_credit')).toHaveLength(1);
    expect([...(await readLeases(client, leaseIds)).keys()].sort()).toEqual(leaseIds);
  });
});

/** The statement that a function of a store asks. */
async function statementOf(run: (client: Queryable) => Promise<unknown>): Promise<Statement> {
  const asked: Statement[] = [];
  const query = async (statement: Statement) => {
    asked.push(statement);
    return { rows: [] };
  };
  await run({ query } as unknown as Queryable);
  return asked[0]!;
}

/** The plan that a connection keeps for a prepared statement, which knows nothing of its values, as it was carried out for these. */
async function keptPlan(fixture: BillingFixture, { name, text, values }: Statement): Promise<PlanNode> {
  const client = await fixture.pool.connect();
  try {
    await client.query('BEGIN');
    await client.query('SET LOCAL plan_cache_mode = force_generic_plan');
    await client.query(`PREPARE ${name} AS ${text}`);
    const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
      `EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE ${name}(${values.map(literal).join(', ')})`,
    );
    return rows[0]!['QUERY PLAN'][0].Plan;
  } finally {
    await client.query('ROLLBACK');
    await client.query('DEALLOCATE ALL');
    client.release();
  }
}

const literal = (value: unknown): string => (Array.isArray(value) ? `'{${value.join(',')}}'` : String(value));

function comparedInVain(node: PlanNode): number {
  const removed = Object.entries(node).filter(([name]) => name.startsWith('Rows Removed by '));
  const own = removed.reduce((sum, [, perLoop]) => sum + Number(perLoop), 0) * node['Actual Loops'];
  return (node.Plans ?? []).reduce((sum, child) => sum + comparedInVain(child), own);
}
