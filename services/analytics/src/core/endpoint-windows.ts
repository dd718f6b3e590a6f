import type { analytics } from '@switchyard/proto';
import { percentilesOf } from './log-histogram.js';

/** Counts are kept in slots of this length: fine enough for "the last 30 s". */
export const SLOT_MS = 10_000;
/** Latency and throughput in slots of this length. */
export const MEASURE_SLOT_MS = 60_000;

const RECENT_MS = 30_000;
const SHORT_WINDOW_MS = 300_000;
export const MIDDLE_WINDOW_MS = 1_800_000;
export const LONG_WINDOW_MS = 86_400_000;

export type Measure = 'first_token_ms' | 'throughput';

export interface SlotCounts {
  readonly slotMs: number;
  readonly endpointId: string;
  readonly successCount: number;
  readonly failureCount: number;
  readonly rateLimitedCount: number;
}

/** All samples of a slot. */
export interface MeasureCounts {
  readonly slotMs: number;
  readonly endpointId: string;
  readonly measure: Measure;
  /** `<bucket>:<samples>` with a blank between. */
  readonly counts: string;
}

interface MeasureSlot {
  readonly counts: string;
  /** Buckets and samples by turns: there are thousands of slots of dozens of buckets. */
  readonly pairs: Int32Array;
}

interface EndpointState {
  readonly slots: Map<number, SlotCounts>;
  /** By measure and slot. */
  readonly measures: Map<string, Map<number, MeasureSlot>>;
  day: SlotCounts | undefined;
}

export function slotOf(timeMs: number, lengthMs: number): number {
  return Math.floor(timeMs / lengthMs) * lengthMs;
}

/** What is known of every endpoint's last day, fed with absolute rows: reading a row twice changes nothing. */
export class EndpointWindows {
  private readonly endpoints = new Map<string, EndpointState>();

  setSlots(rows: readonly SlotCounts[]): void {
    for (const row of rows) this.stateOf(row.endpointId).slots.set(row.slotMs, row);
  }

  setMeasures(rows: readonly MeasureCounts[]): void {
    for (const { endpointId, measure, slotMs, counts } of rows) {
      const slots = getOrCreate(this.stateOf(endpointId).measures, measure, () => new Map<number, MeasureSlot>());
      // Most have been read before.
      if (slots.get(slotMs)?.counts !== counts) slots.set(slotMs, { counts, pairs: Int32Array.from(counts.split(/[ :]/), Number) });
    }
  }

  /** Sums of the last day; endpoints without one had no attempt. */
  setDays(rows: readonly SlotCounts[]): void {
    const seen = new Set(rows.map((row) => row.endpointId));
    for (const row of rows) this.stateOf(row.endpointId).day = row;
    for (const [endpointId, state] of this.endpoints) if (!seen.has(endpointId)) state.day = undefined;
  }

  /** Windows of one endpoint after the other; forgets what is too old for any, and endpoints that have nothing left. */
  *evaluate(nowMs: number): Generator<analytics.EndpointStatistics> {
    for (const [endpointId, state] of this.endpoints) {
      prune(state, nowMs);
      if (state.slots.size === 0 && state.day === undefined) this.endpoints.delete(endpointId);
      else yield statisticsOf(endpointId, state, nowMs);
    }
  }

  private stateOf(endpointId: string): EndpointState {
    return getOrCreate(this.endpoints, endpointId, () => ({ slots: new Map(), measures: new Map(), day: undefined }));
  }
}

function prune(state: EndpointState, nowMs: number): void {
  for (const slotMs of state.slots.keys()) if (slotMs + SLOT_MS <= nowMs - MIDDLE_WINDOW_MS) state.slots.delete(slotMs);
  for (const slots of state.measures.values()) {
    for (const slotMs of slots.keys()) if (slotMs + MEASURE_SLOT_MS <= nowMs - MIDDLE_WINDOW_MS) slots.delete(slotMs);
  }
}

function statisticsOf(endpointId: string, state: EndpointState, nowMs: number): analytics.EndpointStatistics {
  const recent = countsSince(state, nowMs - RECENT_MS);
  const middle = windowOf(state, nowMs - MIDDLE_WINDOW_MS);
  // The day's sum is read less often than the slots, so it may lag behind them.
  const day = state.day && total(state.day) >= Number(middle.successCount + middle.failureCount + middle.rateLimitedCount) ? toWindow(state.day) : middle;
  return {
    endpointId,
    last5m: windowOf(state, nowMs - SHORT_WINDOW_MS),
    last30m: middle,
    last1d: { successCount: day.successCount, failureCount: day.failureCount, rateLimitedCount: day.rateLimitedCount },
    recentFailureCount: BigInt(recent.failureCount),
    recentRequestCount: BigInt(recent.successCount + recent.failureCount),
  };
}

type Counts = Pick<SlotCounts, 'successCount' | 'failureCount' | 'rateLimitedCount'>;

function countsSince(state: EndpointState, sinceMs: number): Counts {
  const sum = { successCount: 0, failureCount: 0, rateLimitedCount: 0 };
  for (const slot of state.slots.values()) {
    if (slot.slotMs + SLOT_MS <= sinceMs) continue;
    sum.successCount += slot.successCount;
    sum.failureCount += slot.failureCount;
    sum.rateLimitedCount += slot.rateLimitedCount;
  }
  return sum;
}

function windowOf(state: EndpointState, sinceMs: number): analytics.Window {
  const firstTokenMs = percentilesOf(histogramSince(state, 'first_token_ms', sinceMs));
  const throughput = percentilesOf(histogramSince(state, 'throughput', sinceMs));
  return { ...toWindow(countsSince(state, sinceMs)), ...(firstTokenMs ? { firstTokenMs } : {}), ...(throughput ? { throughput } : {}) };
}

function histogramSince(state: EndpointState, measure: Measure, sinceMs: number): Map<number, number> {
  const histogram = new Map<number, number>();
  for (const [slotMs, { pairs }] of state.measures.get(measure) ?? []) {
    if (slotMs + MEASURE_SLOT_MS <= sinceMs) continue;
    for (let index = 0; index < pairs.length; index += 2) histogram.set(pairs[index]!, (histogram.get(pairs[index]!) ?? 0) + pairs[index + 1]!);
  }
  return histogram;
}

function toWindow(counts: Counts): analytics.Window {
  return { successCount: BigInt(counts.successCount), failureCount: BigInt(counts.failureCount), rateLimitedCount: BigInt(counts.rateLimitedCount) };
}

function total(counts: Counts): number {
  return counts.successCount + counts.failureCount + counts.rateLimitedCount;
}

function getOrCreate<Key, Value>(map: Map<Key, Value>, key: Key, create: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = create()));
  return value;
}
