import { DAY_MS, dayWindow, monthWindow, weekWindow, type LimitWindow } from '@switchyard/core';
import { batchInsert, type Queryable } from '@switchyard/db';

export interface KeyUsageDay {
  readonly keyHash: string;
  readonly dayStartMs: number;
  readonly chargePico: bigint;
  readonly byokPico: bigint;
  readonly generationCount: number;
  /** When the latest of them was accepted. */
  readonly lastUseTimeMs: number;
}

export interface KeyUsageTotals {
  readonly totalPico: bigint;
  readonly dailyPico: bigint;
  readonly weeklyPico: bigint;
  readonly monthlyPico: bigint;
  readonly byokTotalPico: bigint;
  readonly byokDailyPico: bigint;
  readonly byokWeeklyPico: bigint;
  readonly byokMonthlyPico: bigint;
  /** When the latest generation was accepted, or the beginning of its day; undefined if there was none. */
  readonly lastUseTimeMs: bigint | undefined;
}

export const NO_KEY_USAGE: KeyUsageTotals = {
  totalPico: 0n,
  dailyPico: 0n,
  weeklyPico: 0n,
  monthlyPico: 0n,
  byokTotalPico: 0n,
  byokDailyPico: 0n,
  byokWeeklyPico: 0n,
  byokMonthlyPico: 0n,
  lastUseTimeMs: undefined,
};

const insertDays = batchInsert({
  table: 'key_usage_days',
  columns: { key_hash: 'text', day_start_ms: 'bigint', charge_pico: 'numeric', byok_pico: 'numeric', generation_count: 'bigint', last_use_time_ms: 'bigint' },
  suffix: `ON CONFLICT (key_hash, day_start_ms) DO UPDATE SET charge_pico = key_usage_days.charge_pico + excluded.charge_pico,
    byok_pico = key_usage_days.byok_pico + excluded.byok_pico, generation_count = key_usage_days.generation_count + excluded.generation_count,
    last_use_time_ms = greatest(key_usage_days.last_use_time_ms, excluded.last_use_time_ms)`,
});

/** Adds to the counts; one row per key and day, sorted by both. */
export async function addKeyUsage(client: Queryable, days: readonly KeyUsageDay[]): Promise<void> {
  await insertDays(
    client,
    days.map((day) => ({
      key_hash: day.keyHash,
      day_start_ms: day.dayStartMs,
      charge_pico: day.chargePico,
      byok_pico: day.byokPico,
      generation_count: day.generationCount,
      last_use_time_ms: day.lastUseTimeMs,
    })),
  );
}

const MEAN_DAYS = 7;

/** What keys were charged per day, over up to seven days before `todayMs`; keys without such days are left out. */
export async function readDailyMeans(client: Queryable, keyHashes: readonly string[], todayMs: number): Promise<ReadonlyMap<string, bigint>> {
  const { rows } = await client.query<{ key_hash: string; mean: string }>(
    `SELECT key_hash, trunc(sum(charge_pico) / (($3 - min(day_start_ms)) / ${DAY_MS})) AS mean FROM key_usage_days
      WHERE key_hash = ANY ($1) AND day_start_ms >= $2 AND day_start_ms < $3 GROUP BY key_hash`,
    [keyHashes, todayMs - MEAN_DAYS * DAY_MS, todayMs],
  );
  return new Map(rows.map((row) => [row.key_hash, BigInt(row.mean)]));
}

/** What a key was charged in a window, which begins and ends with a UTC day. */
export async function readWindowUsage(client: Queryable, keyHash: string, window: LimitWindow): Promise<bigint> {
  const { rows } = await client.query<{ sum: string }>(
    'SELECT coalesce(sum(charge_pico), 0) AS sum FROM key_usage_days WHERE key_hash = $1 AND day_start_ms >= $2 AND ($3::bigint IS NULL OR day_start_ms < $3)',
    [keyHash, window.startMs, window.endMs ?? null],
  );
  return BigInt(rows[0]!.sum);
}

/** Usage of the present day, week and month, and of all time, by key; keys never used are absent. */
export async function readKeyUsage(client: Queryable, keyHashes: readonly string[], nowMs: number): Promise<Map<string, KeyUsageTotals>> {
  const { rows } = await client.query<{ keyHash: string } & Record<keyof KeyUsageTotals, string>>(
    `SELECT key_hash AS "keyHash", sum(charge_pico) AS "totalPico", sum(byok_pico) AS "byokTotalPico",
            max(coalesce(last_use_time_ms, day_start_ms)) AS "lastUseTimeMs",
            ${windowSums('daily', 2)}, ${windowSums('weekly', 3)}, ${windowSums('monthly', 4)}
       FROM key_usage_days WHERE key_hash = ANY($1::text[]) GROUP BY key_hash`,
    [keyHashes, dayWindow(nowMs).startMs, weekWindow(nowMs).startMs, monthWindow(nowMs).startMs],
  );
  return new Map(rows.map(({ keyHash, ...sums }) => [keyHash, toTotals(sums)]));
}

function windowSums(name: 'daily' | 'weekly' | 'monthly', parameter: number): string {
  const capitalised = `${name[0]!.toUpperCase()}${name.slice(1)}`;
  const sum = (column: string): string => `coalesce(sum(${column}) FILTER (WHERE day_start_ms >= $${parameter}), 0)`;
  return `${sum('charge_pico')} AS "${name}Pico", ${sum('byok_pico')} AS "byok${capitalised}Pico"`;
}

function toTotals(sums: Record<keyof KeyUsageTotals, string>): KeyUsageTotals {
  return {
    totalPico: BigInt(sums.totalPico),
    dailyPico: BigInt(sums.dailyPico),
    weeklyPico: BigInt(sums.weeklyPico),
    monthlyPico: BigInt(sums.monthlyPico),
    byokTotalPico: BigInt(sums.byokTotalPico),
    byokDailyPico: BigInt(sums.byokDailyPico),
    byokWeeklyPico: BigInt(sums.byokWeeklyPico),
    byokMonthlyPico: BigInt(sums.byokMonthlyPico),
    lastUseTimeMs: BigInt(sums.lastUseTimeMs),
  };
}
