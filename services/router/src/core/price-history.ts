import { createHash } from 'node:crypto';
import type { PriceScheduleRecord } from '@switchyard/core';
import type { DatedPriceScheduleRecord } from '@switchyard/routing';
import type { DatedSchedule, UndatedSchedule } from './catalog.js';

/** One price that an endpoint had, has or will have; never changed once recorded. */
export interface RecordedPrice {
  readonly endpointId: string;
  readonly side: PriceSide;
  readonly startTimeMs: number;
  readonly revision: string;
  readonly schedule: PriceScheduleRecord;
  readonly source: string;
}

export type PriceSide = 'charge' | 'cost';

/**
 * How long a price stays in tables once another one has begun, by the router's clock. Requests are priced by their accept time, by billing's clock: it may lie
 * before the beginning of the newest price, by as much as clocks differ and by as much as billing lets a request's accept time be old, an hour. Without the
 * price of before such a request would find none in force.
 */
export const PREDECESSOR_KEPT_MS = 3_600_000;

/**
 * What to record so that the history says what the catalogue says: a price that differs from the recorded one begins now
 * (what was charged stays as it was), one with a date in the future begins then. `recorded` is in the order of recording.
 */
export function pricesToRecord(
  endpointId: string,
  side: PriceSide,
  source: string,
  wanted: readonly DatedSchedule[],
  recorded: readonly RecordedPrice[],
  nowMs: number,
): RecordedPrice[] {
  const entry = (dated: DatedSchedule, startTimeMs: number): RecordedPrice => {
    const content = scheduleRecord(dated.schedule);
    // A price of the future that was taken back and came again is a new row: the latest of one start counts.
    const timesRecorded = recorded.filter((price) => price.startTimeMs === startTimeMs && contentOf(price.schedule) === contentOf(content)).length;
    const revision = revisionOf(endpointId, side, startTimeMs, content, timesRecorded);
    return { endpointId, side, startTimeMs, revision, schedule: { ...content, revision }, source };
  };
  if (recorded.length === 0) return wanted.map((dated) => entry(dated, dated.startTimeMs));
  const additions: RecordedPrice[] = [];
  const differs = (dated: DatedSchedule, timeMs: number): boolean =>
    contentOf(inForceAt([...recorded, ...additions], timeMs)?.schedule) !== contentOf(scheduleRecord(dated.schedule));
  const current = wanted.filter((dated) => dated.startTimeMs <= nowMs).at(-1);
  if (current && differs(current, nowMs)) additions.push(entry(current, nowMs));
  const futureStarts = new Set([...wanted, ...recorded].map((dated) => dated.startTimeMs).filter((startTimeMs) => startTimeMs > nowMs));
  for (const startTimeMs of [...futureStarts].sort((left, right) => left - right)) {
    const then = wanted.filter((dated) => dated.startTimeMs <= startTimeMs).at(-1);
    if (then && differs(then, startTimeMs)) additions.push(entry(then, startTimeMs));
  }
  return additions;
}

/**
 * The prices that a table carries: those in force now or at an accept time that may still come, and future ones; ascending, so that the first need not be the
 * one in force. Of two with the same start the later recorded.
 */
export function schedulesForTable(recorded: readonly RecordedPrice[], nowMs: number): DatedPriceScheduleRecord[] {
  const byStart = new Map<number, RecordedPrice>();
  for (const price of recorded) byStart.set(price.startTimeMs, price);
  const ascending = [...byStart.values()].sort((left, right) => left.startTimeMs - right.startTimeMs);
  const firstKept = Math.max(
    0,
    ascending.findLastIndex((price) => price.startTimeMs <= nowMs - PREDECESSOR_KEPT_MS),
  );
  return ascending.slice(firstKept).map((price) => ({ startTimeMs: BigInt(price.startTimeMs), schedule: price.schedule }));
}

function scheduleRecord(schedule: UndatedSchedule): Omit<PriceScheduleRecord, 'revision'> {
  return {
    ratesPico: definedRates(schedule.ratesPico),
    overrides: schedule.overrides.map((override) => ({
      minPromptTokens: override.minPromptTokens === undefined ? undefined : BigInt(override.minPromptTokens),
      utcStart: override.utcStart,
      utcEnd: override.utcEnd,
      utcDays: [...override.utcDays],
      ratesPico: definedRates(override.ratesPico),
    })),
    discountMillionths: schedule.discountMillionths,
  };
}

/** JSON of a schedule with sorted meters and bigints as text: equal prices have equal text. */
export function contentOf(schedule: Omit<PriceScheduleRecord, 'revision'> | undefined): string {
  if (!schedule) return '';
  return JSON.stringify({
    rates: sortedRates(schedule.ratesPico),
    overrides: schedule.overrides.map((override) => ({
      min: override.minPromptTokens?.toString(),
      start: override.utcStart,
      end: override.utcEnd,
      days: override.utcDays,
      rates: sortedRates(override.ratesPico),
    })),
    discount: schedule.discountMillionths,
  });
}

function inForceAt(recorded: readonly RecordedPrice[], timeMs: number): RecordedPrice | undefined {
  let found: RecordedPrice | undefined;
  for (const price of recorded) if (price.startTimeMs <= timeMs && (!found || price.startTimeMs >= found.startTimeMs)) found = price;
  return found;
}

/** The same price from the same day has the same name in every process and after every restart. */
function revisionOf(endpointId: string, side: PriceSide, startTimeMs: number, schedule: Omit<PriceScheduleRecord, 'revision'>, timesRecorded: number): string {
  return `price-${createHash('sha256')
    .update(`${endpointId}\n${side}\n${startTimeMs}\n${contentOf(schedule)}${timesRecorded === 0 ? '' : `\n${timesRecorded}`}`)
    .digest('hex')
    .slice(0, 24)}`;
}

function definedRates(rates: Readonly<Record<string, bigint | undefined>>): Record<string, bigint> {
  const result: Record<string, bigint> = {};
  for (const [meter, ratePico] of Object.entries(rates)) if (ratePico !== undefined) result[meter] = ratePico;
  return result;
}

function sortedRates(rates: Readonly<Record<string, bigint>>): [string, string][] {
  return Object.entries(rates)
    .map(([meter, ratePico]): [string, string] => [meter, ratePico.toString()])
    .sort(([left], [right]) => (left < right ? -1 : 1));
}
