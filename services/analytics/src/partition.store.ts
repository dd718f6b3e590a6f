import pg, { type Pool } from 'pg';
import { eventIdFloor } from './generation.store.js';

export type PartitionedTable = 'generation' | 'attempt';

const LOCK_NAME = 'switchyard analytics retention';
const CHECK_VIOLATION = '23514';

/** Monthly partitions over the time inside event ids, named `<table>_YYYYMM`. */
export class PartitionStore {
  constructor(private readonly pool: Pool) {}

  /**
   * Makes the partition of that month (UTC), if it is missing. False when rows of that month already lie in the default
   * partition: they stay there, and so do later ones.
   */
  async ensureMonth(table: PartitionedTable, year: number, month: number): Promise<boolean> {
    const from = eventIdFloor(Date.UTC(year, month - 1, 1));
    const to = eventIdFloor(Date.UTC(year, month, 1));
    try {
      await this.pool.query(`CREATE TABLE IF NOT EXISTS ${partitionName(table, year, month)} PARTITION OF ${table} FOR VALUES FROM ('${from}') TO ('${to}')`);
      return true;
    } catch (error) {
      if (error instanceof pg.DatabaseError && error.code === CHECK_VIOLATION) return false;
      throw error;
    }
  }

  /** Drops partitions that end before that time; their names. Rows of such months that lie in the default partition are deleted. */
  async dropBefore(table: PartitionedTable, timeMs: number): Promise<string[]> {
    const { rows } = await this.pool.query<{ name: string }>('SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::regclass', [
      table,
    ]);
    const dropped = rows.map((row) => row.name).filter((name) => endOf(name) <= timeMs);
    for (const name of dropped) await this.pool.query(`DROP TABLE ${name}`);
    await this.pool.query(`DELETE FROM ${table}_default WHERE event_id < $1`, [eventIdFloor(beginOfMonth(timeMs))]);
    return dropped;
  }

  /** One replica at a time; the others wait and then find nothing to do. */
  async withLock(work: () => Promise<void>): Promise<void> {
    const client = await this.pool.connect();
    try {
      await client.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [LOCK_NAME]);
      try {
        await work();
      } finally {
        await client.query('SELECT pg_advisory_unlock(hashtextextended($1, 0))', [LOCK_NAME]);
      }
    } finally {
      client.release();
    }
  }
}

function partitionName(table: PartitionedTable, year: number, month: number): string {
  return `${table}_${year}${String(month).padStart(2, '0')}`;
}

function beginOfMonth(timeMs: number): number {
  const time = new Date(timeMs);
  return Date.UTC(time.getUTCFullYear(), time.getUTCMonth(), 1);
}

/** First instant after the partition; the default partition never ends. */
function endOf(name: string): number {
  const match = /_(\d{4})(\d{2})$/.exec(name);
  return match ? Date.UTC(Number(match[1]), Number(match[2]), 1) : Number.POSITIVE_INFINITY;
}
