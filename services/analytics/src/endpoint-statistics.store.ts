import { allAnswered, batchInsert, type Queryable } from '@switchyard/db';
import type { events } from '@switchyard/proto';
import type { Pool } from 'pg';
import { attemptThroughput, attemptVerdict } from './core/attempt-verdict.js';
import { MEASURE_SLOT_MS, SLOT_MS, slotOf, type Measure, type MeasureCount, type SlotCounts } from './core/endpoint-windows.js';
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

  async readSlots(sinceMs: number): Promise<SlotCounts[]> {
    const { rows } = await this.pool.query<SlotRow>({ name: 'read_slots', text: 'SELECT * FROM endpoint_slot WHERE slot_ms >= $1', values: [sinceMs] });
    return rows.map(toCounts);
  }

  async readMeasures(sinceMs: number): Promise<MeasureCount[]> {
    const { rows } = await this.pool.query<{ slot_ms: bigint; endpoint_id: string; measure: Measure; bucket: number; sample_count: bigint }>({
      name: 'read_measures',
      text: 'SELECT * FROM endpoint_measure WHERE slot_ms >= $1',
      values: [sinceMs],
    });
    return rows.map((row) => ({
      slotMs: Number(row.slot_ms),
      endpointId: row.endpoint_id,
      measure: row.measure,
      bucket: row.bucket,
      sampleCount: Number(row.sample_count),
    }));
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
