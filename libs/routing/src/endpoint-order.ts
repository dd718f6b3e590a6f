import { ratesInForce, type RandomSource } from '@switchyard/core';
import { OUTAGE_SHARE, type BreakerState } from './circuit-breaker.js';
import type { ModelTarget } from './model-resolution.js';
import { matchesProvider } from './provider-matching.js';
import type { RoutingStrategy } from './routing-plan.js';
import type { PercentileCutoffs, ProviderPreferences, SortMetric } from './routing-request.js';
import { blendedPico, type DatedPriceSchedule, type RoutingEndpoint } from './routing-table.js';
import type { EndpointStatisticsRecord, PercentilesRecord } from './table-records.js';

/** An endpoint that may serve the request, with all that ordering looks at. */
export interface Contender {
  readonly endpoint: RoutingEndpoint;
  readonly target: ModelTarget;
  readonly charge: DatedPriceSchedule;
  readonly cost: DatedPriceSchedule;
  /** Prompt plus completion price of one token each, for this request's size and time. */
  readonly pricePico: number;
  readonly statistics: EndpointStatisticsRecord | undefined;
  readonly breaker: BreakerState | undefined;
  /** Lower goes first, whatever the price: see `RANK`. */
  readonly rank: number;
  /** Set when the place in the order is known. */
  reason: string;
}

/** Groups of the default order. */
const RANK = { healthy: 0, missesPreference: 1, cramped: 2, failing: 3, open: 4 } as const;

export interface OrderedContenders {
  readonly contenders: readonly Contender[];
  readonly strategy: RoutingStrategy;
}

export interface OrderRules {
  readonly sort: SortMetric | undefined;
  /** Normalised provider patterns. */
  readonly order: readonly string[];
  /** The service tier that these patterns name beside the default one. */
  readonly askedTier: string | undefined;
  /** Put endpoints of this tier before the others. */
  readonly tierFirst: string | undefined;
}

const REASONS = {
  drawn: 'Drawn among the stable endpoints, each weighted by the inverse square of its price.',
  nextByPrice: 'Fallback: next by price.',
  missesPreference: 'Fallback: misses the preferred latency or throughput.',
  cramped: 'Fallback: the request is probably too long for it.',
  failing: 'Fallback: had a significant outage in the last 30 seconds.',
  open: 'Last resort: its circuit breaker is open.',
  ordered: 'Named in provider.order.',
  afterOrder: 'Fallback: after the endpoints named in provider.order.',
  only: 'The only endpoint left.',
} as const;

const SORT_REASONS: Readonly<Record<SortMetric, string>> = {
  price: 'In order of price.',
  throughput: 'In order of throughput.',
  latency: 'In order of latency.',
  exacto: 'In order of precision and uptime.',
};

/** Share of the traffic that an endpoint with this uptime still gets; never none, so that it can recover. */
const UPTIME_BANDS: readonly { readonly below: number; readonly weight: number }[] = [
  { below: 0.8, weight: 0.1 },
  { below: 0.95, weight: 0.5 },
];
const UPTIME_REQUESTS_MIN = 100;

/** `healthUsable`: the statistics are fresh enough for their 30-second counters to mean now. */
export function rankOf(
  statistics: EndpointStatisticsRecord | undefined,
  breaker: BreakerState | undefined,
  preferences: ProviderPreferences | undefined,
  healthUsable: boolean,
  isCramped: boolean,
): number {
  // A half-open breaker with a free probe takes its natural place: that is how it gets its probe.
  if (isShut(breaker)) return RANK.open;
  if (breaker?.isFailing && breaker.phase === 'closed') return RANK.failing;
  if (healthUsable && statistics && statistics.recentFailureCount > 0n) {
    const share = Number(statistics.recentFailureCount) / Math.max(1, Number(statistics.recentRequestCount));
    if (share >= OUTAGE_SHARE) return RANK.failing;
  }
  if (isCramped) return RANK.cramped;
  return preferences && missesPreference(statistics, preferences) ? RANK.missesPreference : RANK.healthy;
}

/** Its breaker lets nothing through now. */
export function isShut(breaker: BreakerState | undefined): boolean {
  return breaker !== undefined && breaker.phase !== 'closed' && !breaker.mayProbe;
}

/** The price a request of this size pays per token, plain rates precomputed. */
export function contenderPrice(dated: DatedPriceSchedule, promptTokens: number, timeMs: number): number {
  if (dated.schedule.overrides.length === 0) return dated.blendedPico ?? 0;
  return blendedPico(ratesInForce(dated.schedule, promptTokens, timeMs), dated.schedule.discountMillionths) ?? 0;
}

export function orderContenders(contenders: readonly Contender[], rules: OrderRules, random: RandomSource): OrderedContenders {
  if (rules.order.length > 0) return { contenders: byGivenOrder(contenders, rules), strategy: 'order' };
  if (contenders.length === 1) return { contenders: withReason(contenders, REASONS.only), strategy: 'only_choice' };
  if (rules.sort) return { contenders: openLast(sortBy(contenders, rules.sort, rules)), strategy: `sort:${rules.sort}` };
  return { contenders: byLottery(contenders, random), strategy: 'lottery' };
}

function byGivenOrder(contenders: readonly Contender[], rules: OrderRules): Contender[] {
  const named: Contender[] = [];
  let rest = [...contenders];
  for (const pattern of rules.order) {
    const matching = rest.filter((contender) => matchesProvider(pattern, contender.endpoint, rules.askedTier));
    matching.sort((left, right) => tierRank(left, rules) - tierRank(right, rules) || byPrice(left, right));
    named.push(...withReason(matching, REASONS.ordered));
    rest = rest.filter((contender) => !matching.includes(contender));
  }
  rest.sort((left, right) => left.rank - right.rank || tierRank(left, rules) - tierRank(right, rules) || byPrice(left, right));
  return openLast([...named, ...withReason(rest, REASONS.afterOrder)]);
}

function sortBy(contenders: readonly Contender[], sort: SortMetric, rules: OrderRules): Contender[] {
  const compare = COMPARISONS[sort];
  const lateRank = ({ rank }: Contender): number => (rank === RANK.missesPreference || rank === RANK.cramped ? rank : 0);
  return [...withReason(contenders, SORT_REASONS[sort])].sort(
    (left, right) => tierRank(left, rules) - tierRank(right, rules) || lateRank(left) - lateRank(right) || compare(left, right) || byPrice(left, right),
  );
}

function tierRank({ endpoint }: Contender, { tierFirst }: OrderRules): number {
  return tierFirst !== undefined && endpoint.serviceTier !== tierFirst ? 1 : 0;
}

const COMPARISONS: Readonly<Record<SortMetric, (left: Contender, right: Contender) => number>> = {
  price: byPrice,
  throughput: (left, right) => compareMeasured(usualPercentiles(right.statistics, 'throughput')?.p50, usualPercentiles(left.statistics, 'throughput')?.p50, -1),
  latency: (left, right) => compareMeasured(usualPercentiles(left.statistics, 'firstTokenMs')?.p50, usualPercentiles(right.statistics, 'firstTokenMs')?.p50, 1),
  exacto: (left, right) => precisionRank(left) - precisionRank(right) || uptime(right) - uptime(left),
};

/** Ascending; a missing measure goes last in the final order, whose direction is 1 where arguments come left first and -1 where they were swapped. */
function compareMeasured(first: number | undefined, second: number | undefined, direction: 1 | -1): number {
  if (first !== undefined && second !== undefined) return first - second;
  if (first === second) return 0;
  return first === undefined ? direction : -direction;
}

function byLottery(contenders: readonly Contender[], random: RandomSource): Contender[] {
  const ordered = [...contenders].sort((left, right) => left.rank - right.rank || byPrice(left, right));
  const firstRank = ordered[0]!.rank;
  for (const contender of ordered) contender.reason = fallbackReason(contender.rank);
  // With no stable endpoint at all the least bad goes first, without a draw.
  if (firstRank >= RANK.failing) return ordered;
  let stableCount = 1;
  while (stableCount < ordered.length && ordered[stableCount]!.rank === firstRank) stableCount++;
  const drawn = stableCount === 1 ? 0 : draw(ordered, stableCount, random);
  const first = ordered[drawn]!;
  first.reason = REASONS.drawn;
  ordered.copyWithin(1, 0, drawn);
  ordered[0] = first;
  return ordered;
}

/** Index of one of the first `count` contenders, drawn with weight 1/price²; where some cost nothing, one of those evenly. Ascending prices. */
function draw(contenders: readonly Contender[], count: number, random: RandomSource): number {
  const cheapestPico = contenders[0]!.pricePico;
  if (cheapestPico <= 0) {
    let freeCount = 1;
    while (freeCount < count && contenders[freeCount]!.pricePico <= 0) freeCount++;
    return Math.min(Math.floor(random.nextFloat() * freeCount), freeCount - 1);
  }
  const cumulative: number[] = [];
  let total = 0;
  for (let index = 0; index < count; index++) {
    const contender = contenders[index]!;
    const ratio = cheapestPico / contender.pricePico;
    total += ratio * ratio * uptimeWeight(contender.statistics);
    cumulative.push(total);
  }
  const point = random.nextFloat() * total;
  const index = cumulative.findIndex((sum) => point < sum);
  return index < 0 ? count - 1 : index;
}

function fallbackReason(rank: number): string {
  if (rank === RANK.open) return REASONS.open;
  if (rank === RANK.failing) return REASONS.failing;
  if (rank === RANK.cramped) return REASONS.cramped;
  return rank === RANK.missesPreference ? REASONS.missesPreference : REASONS.nextByPrice;
}

function withReason(contenders: readonly Contender[], reason: string): readonly Contender[] {
  for (const contender of contenders) contender.reason = reason;
  return contenders;
}

/** Whatever order was asked for, an endpoint whose breaker is open waits until the others were tried; the soonest to reopen first. */
function openLast(contenders: readonly Contender[]): Contender[] {
  const open = contenders.filter((contender) => contender.rank === RANK.open);
  if (open.length === 0) return [...contenders];
  open.sort(byLeastBad);
  return [...contenders.filter((contender) => contender.rank !== RANK.open), ...withReason(open, REASONS.open)];
}

function byPrice(left: Contender, right: Contender): number {
  if (left.rank === RANK.open && right.rank === RANK.open) return byLeastBad(left, right);
  return left.pricePico - right.pricePico || (left.endpoint.endpointId < right.endpoint.endpointId ? -1 : 1);
}

function byLeastBad(left: Contender, right: Contender): number {
  const leftState = left.breaker;
  const rightState = right.breaker;
  return (leftState?.openUntilMs ?? 0) - (rightState?.openUntilMs ?? 0) || (leftState?.failureCount ?? 0) - (rightState?.failureCount ?? 0);
}

function missesPreference(statistics: EndpointStatisticsRecord | undefined, preferences: ProviderPreferences): boolean {
  const throughput = preferences.preferred_min_throughput;
  if (throughput !== undefined) {
    const measured = usualPercentiles(statistics, 'throughput');
    if (measured && cutoffs(throughput).some(([name, minimum]) => measured[name] < minimum)) return true;
  }
  const latency = preferences.preferred_max_latency;
  if (latency !== undefined) {
    const measured = usualPercentiles(statistics, 'firstTokenMs');
    // Preferences are in seconds, statistics in milliseconds.
    if (measured && cutoffs(latency).some(([name, maximumSeconds]) => measured[name] > maximumSeconds * 1_000)) return true;
  }
  return false;
}

function cutoffs(preference: number | PercentileCutoffs): [keyof PercentileCutoffs, number][] {
  if (typeof preference === 'number') return [['p50', preference]];
  const pairs: [keyof PercentileCutoffs, number][] = [];
  for (const name of ['p50', 'p75', 'p90', 'p99'] as const) {
    const value = preference[name];
    if (value !== undefined) pairs.push([name, value]);
  }
  return pairs;
}

/** The shortest window that has the measure. */
function usualPercentiles(statistics: EndpointStatisticsRecord | undefined, measure: 'firstTokenMs' | 'throughput'): PercentilesRecord | undefined {
  return statistics?.last5m?.[measure] ?? statistics?.last30m?.[measure] ?? statistics?.last1d?.[measure];
}

function uptimeWeight(statistics: EndpointStatisticsRecord | undefined): number {
  const window = statistics?.last5m;
  if (!window) return 1;
  const requests = Number(window.successCount + window.failureCount);
  if (requests < UPTIME_REQUESTS_MIN) return 1;
  const share = Number(window.successCount) / requests;
  return UPTIME_BANDS.find((band) => share < band.below)?.weight ?? 1;
}

function uptime(contender: Contender): number {
  const window = contender.statistics?.last1d;
  if (!window) return 1;
  const requests = Number(window.successCount + window.failureCount);
  return requests === 0 ? 1 : Number(window.successCount) / requests;
}

function precisionRank(contender: Contender): number {
  const { quantization } = contender.endpoint;
  if (/4$/.test(quantization)) return 3;
  if (/6$/.test(quantization)) return 2;
  return /8$/.test(quantization) ? 1 : 0;
}
