import { isLockUnavailable } from '@switchyard/db';
import pg, { type Pool, type PoolClient } from 'pg';
import { eventIdFloor } from './generation.store.js';

export type PartitionedTable = 'generation' | 'attempt';

const LOCK_NAME = 'switchyard analytics retention';
const CHECK_VIOLATION = '23514';
const LOCK_WAIT_MS = 1_000;

export class PartitionStore {
  constructor(private readonly pool: Pool) {}

  /** One replica at a time; the others wait and then find nothing to do. All of it is done by one connection: a pool of one has no other. */
  async withLock(work: (partitions: Partitions) => Promise<void>): Promise<void> {
    const client = await this.pool.connect();
    try {
      await client.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [LOCK_NAME]);
      try {
        await work(new Partitions(client));
      } finally {
        await client.query('SELECT pg_advisory_unlock(hashtextextended($1, 0))', [LOCK_NAME]);
      }
    } finally {
      client.release();
    }
  }
}

/**
 * Monthly partitions over the time inside event ids, named `<table>_YYYYMM`. One is made or dropped when nobody uses its table, and whoever comes meanwhile waits
 * behind it: while somebody reads for long, what has time is left to another time.
 */
export class Partitions {
  constructor(private readonly client: PoolClient) {}

  /**
   * Makes the partition of that month (UTC), if it is missing; one to come perhaps another time. False when rows of that month already lie in the
   * default partition: they stay there, and so do later ones.
   */
  async ensureMonth(table: PartitionedTable, year: number, month: number, isToCome: boolean): Promise<boolean> {
    const from = eventIdFloor(Date.UTC(year, month - 1, 1));
    const to = eventIdFloor(Date.UTC(year, month, 1));
    try {
      const create = `CREATE TABLE IF NOT EXISTS ${partitionName(table, year, month)} PARTITION OF ${table} FOR VALUES FROM ('${from}') TO ('${to}')`;
      await this.change(create, isToCome ? LOCK_WAIT_MS : 0);
      return true;
    } catch (error) {
      if (isToCome && isLockUnavailable(error)) return true;
      if (error instanceof pg.DatabaseError && error.code === CHECK_VIOLATION) return false;
      throw error;
    }
  }

  /** Drops partitions that end before that time; their names. Rows of such months that lie in the default partition are deleted. */
  async dropBefore(table: PartitionedTable, timeMs: number): Promise<string[]> {
    const { rows } = await this.client.query<{ name: string }>('SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::regclass', [
      table,
    ]);
    const dropped: string[] = [];
    for (const name of rows.map((row) => row.name).filter((each) => endOf(each) <= timeMs)) if (await this.drop(name)) dropped.push(name);
    await this.client.query(`DELETE FROM ${table}_default WHERE event_id < $1`, [eventIdFloor(beginOfMonth(timeMs))]);
    return dropped;
  }

  /** False when it is left to another time. */
  private async drop(name: string): Promise<boolean> {
    try {
      await this.change(`DROP TABLE ${name}`, LOCK_WAIT_MS);
      return true;
    } catch (error) {
      if (isLockUnavailable(error)) return false;
      throw error;
    }
  }

  /** @param lockWaitMs 0 for as long as a statement may take */
  private async change(statement: string, lockWaitMs: number): Promise<void> {
    await this.client.query('BEGIN');
    try {
      await this.client.query(`SET LOCAL lock_timeout = ${lockWaitMs}`);
      await this.client.query(statement);
      await this.client.query('COMMIT');
    } catch (error) {
      await this.client.query('ROLLBACK');
      throw error;
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
