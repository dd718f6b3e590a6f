import type { BookedGeneration } from './books.js';
import type { StreamRecord } from './client/stream-record.js';

/** A time in which an unplanned action had its effects. */
export interface Interval {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Evidence {
  readonly records: readonly StreamRecord[];
  readonly booked: readonly BookedGeneration[];
  readonly unplanned: readonly Interval[];
  /** What `ledger verify` found. */
  readonly differences: readonly string[];
}

export interface Judgement {
  /** Streams that a planned action cut, garbled or kept from beginning. */
  readonly cutStreams: readonly string[];
  /** What clients were told against what was booked, and what `ledger verify` found. */
  readonly ledgerDifferences: readonly string[];
}

const PICO_PER_USD = 1e12;

/** What clients saw and what was booked, compared stream by stream; pure. */
export function judge({ records, booked, unplanned, differences }: Evidence): Judgement {
  const byGeneration = new Map<string, BookedGeneration[]>();
  for (const generation of booked) byGeneration.set(generation.generationId, [...(byGeneration.get(generation.generationId) ?? []), generation]);
  const whole = new Set(records.filter(({ outcome }) => outcome === 'whole').map(({ generationId }) => generationId));
  return {
    cutStreams: records
      .filter((record) => record.outcome !== 'whole' && !overlaps(record, unplanned))
      .map(
        ({ sequence, kind, outcome, generationId, detail }) =>
          `stream ${sequence} (${kind}, ${generationId ?? 'no id'}): ${outcome}${detail ? `: ${detail}` : ''}`,
      ),
    ledgerDifferences: [
      ...records.filter(({ outcome }) => outcome === 'whole').flatMap((record) => judgeWhole(record, byGeneration.get(record.generationId ?? '') ?? [])),
      ...booked.filter((generation) => !whole.has(generation.generationId)).flatMap((generation) => judgeOther(generation)),
      ...differences,
    ],
  };
}

/** What a client received whole is booked once, at the cost that it was told. */
function judgeWhole({ sequence, generationId, costUsd }: StreamRecord, booked: readonly BookedGeneration[]): string[] {
  const name = `stream ${sequence} (${generationId})`;
  const [generation] = booked;
  if (!generation) return [`${name} came whole and is not in the ledger`];
  if (booked.length > 1 || generation.postingCount !== 1)
    return [`${name} is in the ledger ${booked.reduce((sum, { postingCount }) => sum + postingCount, 0)} times`];
  const chargedUsd = Number(generation.chargePico) / PICO_PER_USD;
  return chargedUsd === costUsd ? [] : [`${name} told a cost of ${costUsd} USD and is charged ${chargedUsd} USD`];
}

/** What no client received whole costs nothing, or is flagged as perhaps not delivered. */
function judgeOther({ generationId, chargePico, flags }: BookedGeneration): string[] {
  if (chargePico === 0n || flags.includes('delivery_unconfirmed')) return [];
  return [`${generationId} is charged ${chargePico} pico-dollars, and no client received it whole`];
}

function overlaps({ startedAtMs, endedAtMs }: StreamRecord, intervals: readonly Interval[]): boolean {
  return intervals.some(({ fromMs, toMs }) => startedAtMs <= toMs && endedAtMs >= fromMs);
}
