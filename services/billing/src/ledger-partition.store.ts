import type { Queryable } from '@switchyard/db';
import { monthWindow } from './core/limit-window.js';

const MONTHS_AHEAD = 3;

/** The present month and those that follow; what exists stays. */
export async function createMonthPartitions(client: Queryable, nowMs: number): Promise<void> {
  let { startMs } = monthWindow(nowMs);
  for (let month = 0; month <= MONTHS_AHEAD; month++) {
    await client.query('SELECT create_month_partitions($1)', [startMs]);
    startMs = monthWindow(startMs).endMs!;
  }
}
