import type { Queryable } from '@switchyard/db';

export interface EpochRow {
  readonly holderId: string;
  readonly epoch: bigint;
}

export type EpochState = 'open' | 'closed' | 'superseded';

/** Notes that the holder is there. Who was seen just now costs a read: a conflict locks the row even where it changes nothing. */
export async function touchEpoch(client: Queryable, holderId: string, epoch: bigint, nowMs: number): Promise<void> {
  await client.query({
    name: 'touch_epoch',
    text: `INSERT INTO lease_epochs (holder_id, epoch, last_seen_ms) SELECT $1::text, $2::bigint, $3::bigint
            WHERE NOT EXISTS (SELECT 1 FROM lease_epochs WHERE holder_id = $1 AND epoch = $2 AND last_seen_ms >= $3 - 250)
           ON CONFLICT (holder_id, epoch) DO UPDATE SET last_seen_ms = excluded.last_seen_ms WHERE lease_epochs.last_seen_ms < excluded.last_seen_ms`,
    values: [holderId, epoch, nowMs],
  });
}

/** Within a grant's transaction: a close of the epoch then waits for the grant, or the grant sees the close. */
export async function shareEpoch(client: Queryable, holderId: string, epoch: bigint): Promise<EpochState> {
  const { rows } = await client.query<{ isClosed: boolean; newest: bigint }>(
    `SELECT close_requested_ms IS NOT NULL AS "isClosed", (SELECT max(epoch) FROM lease_epochs WHERE holder_id = $1) AS newest
       FROM lease_epochs WHERE holder_id = $1 AND epoch = $2 FOR KEY SHARE`,
    [holderId, epoch],
  );
  const row = rows[0];
  if (!row || row.isClosed) return 'closed';
  return row.newest > epoch ? 'superseded' : 'open';
}

/** Holders with a stream open are seen by it, and can answer recalls. */
export async function touchEpochs(client: Queryable, epochs: readonly EpochRow[], nowMs: number): Promise<void> {
  await client.query(
    `UPDATE lease_epochs SET last_seen_ms = greatest(last_seen_ms, $3), stream_seen_ms = $3 FROM unnest($1::text[], $2::bigint[]) AS seen (holder_id, epoch)
      WHERE lease_epochs.holder_id = seen.holder_id AND lease_epochs.epoch = seen.epoch AND stream_seen_ms < $3`,
    [epochs.map((row) => row.holderId), epochs.map((row) => row.epoch), nowMs],
  );
}

export async function countLiveHolders(client: Queryable, seenSinceMs: number): Promise<number> {
  const { rows } = await client.query<{ count: bigint }>(
    'SELECT count(DISTINCT holder_id) AS count FROM lease_epochs WHERE last_seen_ms >= $1 AND close_requested_ms IS NULL',
    [seenSinceMs],
  );
  return Number(rows[0]!.count);
}

/** Fences the epoch from now on. Waits for grants under way. */
export async function requestClose(client: Queryable, holderId: string, epoch: bigint, nowMs: number): Promise<void> {
  await client.query(`INSERT INTO lease_epochs (holder_id, epoch, last_seen_ms) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING`, [holderId, epoch]);
  await client.query('SELECT 1 FROM lease_epochs WHERE holder_id = $1 AND epoch = $2 FOR UPDATE', [holderId, epoch]);
  await client.query('UPDATE lease_epochs SET close_requested_ms = coalesce(close_requested_ms, $3) WHERE holder_id = $1 AND epoch = $2', [
    holderId,
    epoch,
    nowMs,
  ]);
}

/** Epochs that wait to be closed since before a time. */
export async function findClosingEpochs(client: Queryable, requestedBeforeMs: number, limit: number): Promise<EpochRow[]> {
  const { rows } = await client.query<EpochRow>(
    `SELECT holder_id AS "holderId", epoch FROM lease_epochs WHERE close_requested_ms <= $1 AND closed_at_ms IS NULL ORDER BY close_requested_ms LIMIT $2`,
    [requestedBeforeMs, limit],
  );
  return rows;
}

export async function markClosed(client: Queryable, epoch: EpochRow, nowMs: number): Promise<void> {
  await client.query('UPDATE lease_epochs SET closed_at_ms = $3 WHERE holder_id = $1 AND epoch = $2', [epoch.holderId, epoch.epoch, nowMs]);
}

/** Epochs of processes long gone, once nothing of theirs is open. */
export async function dropOldEpochs(client: Queryable, seenBeforeMs: number): Promise<void> {
  await client.query(
    `DELETE FROM lease_epochs WHERE last_seen_ms < $1 AND (closed_at_ms < $1 OR NOT EXISTS
       (SELECT 1 FROM leases WHERE leases.holder_id = lease_epochs.holder_id AND leases.epoch = lease_epochs.epoch AND resolved_at_ms IS NULL))`,
    [seenBeforeMs],
  );
}
