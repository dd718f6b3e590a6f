import type { Pool } from 'pg';
import { eventIdFloor } from './generation.store.js';

export type PartitionedTable = 'generation' | 'attempt';

/** Monthly partitions over the time inside event ids, named `<table>_YYYYMM`. */
export class PartitionStore {
  constructor(private readonly pool: Pool) {}

  /** Makes the partition of that month (UTC), if it is missing. */
  async ensureMonth(table: PartitionedTable, year: number, month: number): Promise<void> {
    const from = eventIdFloor(Date.UTC(year, month - 1, 1));
    const to = eventIdFloor(Date.UTC(year, month, 1));
    await this.pool.query(`CREATE TABLE IF NOT EXISTS ${partitionName(table, year, month)} PARTITION OF ${table} FOR VALUES FROM ('${from}') TO ('${to}')`);
  }

  /** Drops partitions that end before that time; their names. */
  async dropBefore(table: PartitionedTable, timeMs: number): Promise<string[]> {
    const { rows } = await this.pool.query<{ name: string }>('SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::regclass', [
      table,
    ]);
    const dropped = rows.map((row) => row.name).filter((name) => endOf(name) <= timeMs);
    for (const name of dropped) await this.pool.query(`DROP TABLE ${name}`);
    return dropped;
  }

  /** Runs the work unless another replica is at it. */
  async withLock(work: () => Promise<void>): Promise<void> {
    const client = await this.pool.connect();
    try {
      const { rows } = await client.query<{ locked: boolean }>("SELECT pg_try_advisory_lock(hashtextextended('switchyard analytics retention', 0)) AS locked");
      if (!rows[0]?.locked) return;
      try {
        await work();
      } finally {
        await client.query("SELECT pg_advisory_unlock(hashtextextended('switchyard analytics retention', 0))");
      }
    } finally {
      client.release();
    }
  }
}

function partitionName(table: PartitionedTable, year: number, month: number): string {
  return `${table}_${year}${String(month).padStart(2, '0')}`;
}

/** First instant after the partition; the default partition never ends. */
function endOf(name: string): number {
  const match = /_(\d{4})(\d{2})$/.exec(name);
  return match ? Date.UTC(Number(match[1]), Number(match[2]), 1) : Number.POSITIVE_INFINITY;
}
