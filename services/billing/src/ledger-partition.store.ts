import { monthWindow } from '@switchyard/core';
import { isLockUnavailable, withTransaction } from '@switchyard/db';
import type { Pool } from 'pg';

const MONTHS_AHEAD = 3;
const LOCK_WAIT_MS = 1_000;
const CLOCKS_DIFFER_MS = 86_400_000;

/**
 * The present month and those that follow; what exists stays. A partition is made when nobody uses its table, and whoever comes meanwhile waits behind it: while
 * somebody reads the whole ledger, months to come are left to another time.
 */
export async function createMonthPartitions(pool: Pool, nowMs: number): Promise<void> {
  const present = monthWindow(nowMs);
  await createMonth(pool, present.startMs, 0);
  let startMs = present.endMs!;
  for (let month = 1; month <= MONTHS_AHEAD; month++) {
    try {
      await createMonth(pool, startMs, LOCK_WAIT_MS);
    } catch (error) {
      if (isLockUnavailable(error)) return;
      throw error;
    }
    startMs = monthWindow(startMs).endMs!;
  }
}

/**
 * SQL: the least id that an event has whose request was accepted at the time. Where only facts of events are asked for: with it the database leaves the months before
 * alone, which it would else read beside one month of a large account. Amounts must not depend on it, as ids are made by the clocks of ingresses.
 * @param acceptTimeMs a parameter of the statement
 */
export function firstEventIdOf(acceptTimeMs: `$${number}`): string {
  return `id_at(greatest(0, ${acceptTimeMs}::bigint - ${CLOCKS_DIFFER_MS}))`;
}

/** @param lockWaitMs 0 for as long as a statement may take */
async function createMonth(pool: Pool, startMs: number, lockWaitMs: number): Promise<void> {
  await withTransaction(pool, async (client) => {
    await client.query(`SET LOCAL lock_timeout = ${lockWaitMs}`);
    await client.query('SELECT create_month_partitions($1)', [startMs]);
  });
}
