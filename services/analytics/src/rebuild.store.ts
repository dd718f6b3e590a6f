import { allowStatementTime, type Queryable } from '@switchyard/db';
import { eventIdFloor } from './generation.store.js';

const HOUR_MS = 3_600_000;

/**
 * Empties what events fill, from an instant on that is the beginning of a day. What lies before stays, and tells its events when they come again. Within one
 * transaction, which it gives all the time that it takes: rows tell which events their figures hold, so that neither may go without the other.
 */
export async function deleteSince(client: Queryable, sinceMs: number): Promise<void> {
  await allowStatementTime(client, 0);
  if (sinceMs === 0) {
    await client.query('TRUNCATE generation, attempt, activity_daily, endpoint_slot, endpoint_measure');
    return;
  }
  // An event's id is never much older than its request: older partitions need no look.
  const fromId = eventIdFloor(sinceMs - HOUR_MS);
  await client.query('DELETE FROM generation WHERE accept_time_ms >= $1 AND event_id >= $2', [sinceMs, fromId]);
  await client.query('DELETE FROM attempt WHERE end_time_ms >= $1 AND event_id >= $2', [sinceMs, fromId]);
  await client.query('DELETE FROM activity_daily WHERE day >= $1::date', [new Date(sinceMs).toISOString().slice(0, 10)]);
  await client.query('DELETE FROM endpoint_slot WHERE slot_ms >= $1', [sinceMs]);
  await client.query('DELETE FROM endpoint_measure WHERE slot_ms >= $1', [sinceMs]);
}
