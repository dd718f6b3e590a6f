import { allAnswered, batchInsert, type Queryable } from '@switchyard/db';
import type { events } from '@switchyard/proto';
import type { Pool } from 'pg';
import { attemptThroughput, attemptVerdict } from './core/attempt-verdict.js';
import { MEASURE_SLOT_MS, SLOT_MS, slotOf, type Measure, type MeasureCounts, type SlotCounts } from './core/endpoint-windows.js';
import { bucketOf } from './core/log-histogram.js';

const addSlots = batchInsert({
  table: 'endpoint_slot',
  columns: { slot_ms: 'bigint', endpoint_id: 'text', success_count: 'bigint', failure_count: 'bigint', rate_limited_count: 'bigint' },
  suffix: `ON CONFLICT (slot_ms, endpoint_id) DO UPDATE SET success_count = endpoint_slot.success_count + excluded.success_count,
           failure_count = endpoint_slot.failure_count + excluded.failure_count, rate_limited_count = endpoint_slot.rate_limited_count + excluded.rate_limited_count`,
});

const addMeasures = batchInsert({
  table: 'endpoint_measure',
  columns: { slot_ms: 'bigint', endpoint_id: 'text', measure: 'text', bucket: 'integer', sample_count: 'bigint' },
  suffix: 'ON CONFLICT (slot_ms, endpoint_id, measure, bucket) DO UPDATE SET sample_count = endpoint_measure.sample_count + excluded.sample_count',
});

type SlotRow = Record<'slot_ms' | 'success_count' | 'failure_count' | 'rate_limited_count', bigint> & { endpoint_id: string };

/** Counts per endpoint and short slot of time, from which every replica computes the same windows. */
export class EndpointStatisticsStore {
  constructor(private readonly pool: Pool) {}

  async add(client: Queryable, attempts: readonly events.AttemptCompleted[]): Promise<void> {
    await allAnswered([addSlots(client, sumSlots(attempts)), addMeasures(client, sumMeasures(attempts))]);
  }

  /** As few rows as can be: reading one costs the process more than what is in it, and a busy platform has tens of thousands in half an hour. */
  async readSlots(sinceMs: number): Promise<SlotCounts[]> {
    const { rows } = await this.pool.query<{ endpoint_id: string; counts: string }>({
      name: 'read_slots',
      text: `SELECT endpoint_id, string_agg(concat_ws(' ', slot_ms, success_count, failure_count, rate_limited_count), ' ') AS counts
             FROM endpoint_slot WHERE slot_ms >= $1 GROUP BY endpoint_id`,
      values: [sinceMs],
    });
    return rows.flatMap(({ endpoint_id, counts }) => slotsOf(endpoint_id, counts.split(' ').map(Number)));
  }

  /** One row for all buckets of a slot, of which there are many more still; in one order, so that what was read before is told by its text. */
  async readMeasures(sinceMs: number): Promise<MeasureCounts[]> {
    const { rows } = await this.pool.query<{ slot_ms: bigint; endpoint_id: string; measure: Measure; counts: string }>({
      name: 'read_measures',
      text: `SELECT slot_ms, endpoint_id, measure, string_agg(bucket || ':' || sample_count, ' ' ORDER BY bucket) AS counts
             FROM endpoint_measure WHERE slot_ms >= $1 GROUP BY slot_ms, endpoint_id, measure`,
      values: [sinceMs],
    });
    return rows.map((row) => ({ slotMs: Number(row.slot_ms), endpointId: row.endpoint_id, measure: row.measure, counts: row.counts }));
  }

  /** One sum per endpoint. */
  async sumSlots(sinceMs: number): Promise<SlotCounts[]> {
    const { rows } = await this.pool.query<SlotRow>({
      name: 'sum_slots',
      text: `SELECT 0::bigint AS slot_ms, endpoint_id, sum(success_count)::bigint AS success_count, sum(failure_count)::bigint AS failure_count,
                    sum(rate_limited_count)::bigint AS rate_limited_count
             FROM endpoint_slot WHERE slot_ms >= $1 GROUP BY endpoint_id`,
      values: [sinceMs],
    });
    return rows.map(toCounts);
  }

  async deleteBefore(timeMs: number): Promise<void> {
    await this.pool.query('DELETE FROM endpoint_slot WHERE slot_ms < $1', [timeMs]);
    await this.pool.query('DELETE FROM endpoint_measure WHERE slot_ms < $1', [timeMs]);
  }
}

function slotsOf(endpointId: string, numbers: readonly number[]): SlotCounts[] {
  const slots: SlotCounts[] = [];
  for (let index = 0; index < numbers.length; index += 4) {
    const [slotMs, successCount, failureCount, rateLimitedCount] = numbers.slice(index, index + 4) as [number, number, number, number];
    slots.push({ slotMs, endpointId, successCount, failureCount, rateLimitedCount });
  }
  return slots;
}

function toCounts(row: SlotRow): SlotCounts {
  return {
    slotMs: Number(row.slot_ms),
    endpointId: row.endpoint_id,
    successCount: Number(row.success_count),
    failureCount: Number(row.failure_count),
    rateLimitedCount: Number(row.rate_limited_count),
  };
}

function sumSlots(attempts: readonly events.AttemptCompleted[]) {
  const rows = new Map<string, { slot_ms: number; endpoint_id: string; success_count: number; failure_count: number; rate_limited_count: number }>();
  for (const attempt of attempts) {
    const verdict = attemptVerdict(attempt);
    if (verdict === 'ignored') continue;
    const slotMs = slotOf(Number(attempt.endTimeMs), SLOT_MS);
    const key = `${slotMs} ${attempt.endpointId}`;
    const row = rows.get(key) ?? { slot_ms: slotMs, endpoint_id: attempt.endpointId, success_count: 0, failure_count: 0, rate_limited_count: 0 };
    row[`${verdict}_count`]++;
    rows.set(key, row);
  }
  return inOneOrder(rows);
}

function sumMeasures(attempts: readonly events.AttemptCompleted[]) {
  const rows = new Map<string, { slot_ms: number; endpoint_id: string; measure: Measure; bucket: number; sample_count: number }>();
  const count = (attempt: events.AttemptCompleted, measure: Measure, value: number): void => {
    const slotMs = slotOf(Number(attempt.endTimeMs), MEASURE_SLOT_MS);
    const bucket = bucketOf(value);
    const key = `${slotMs} ${attempt.endpointId} ${measure} ${bucket}`;
    const row = rows.get(key) ?? { slot_ms: slotMs, endpoint_id: attempt.endpointId, measure, bucket, sample_count: 0 };
    row.sample_count++;
    rows.set(key, row);
  };
  for (const attempt of attempts) {
    const throughput = attemptThroughput(attempt);
    if (attempt.firstTokenMs !== undefined) count(attempt, 'first_token_ms', Number(attempt.firstTokenMs));
    if (throughput !== undefined) count(attempt, 'throughput', throughput);
  }
  return inOneOrder(rows);
}

/** Writers that lock rows in one order cannot deadlock. */
function inOneOrder<Row>(rows: ReadonlyMap<string, Row>): Row[] {
  return [...rows.entries()].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, row]) => row);
}
