import { publicModelId, type Clock, type RandomSource } from '@switchyard/core';
import { attemptDeadlines, DEFAULT_DEADLINES } from './deadlines.js';
import { exclusionOf, filterContext, isCramped, type FilterContext } from './endpoint-filters.js';
import { contenderPrice, isShut, orderContenders, rankOf, type Contender, type OrderedContenders, type OrderRules } from './endpoint-order.js';
import { resolveModel, type ModelTarget } from './model-resolution.js';
import { isKnownProvider, matchesProvider } from './provider-matching.js';
import { exhaustedRefusal, mandatoryReasoningRefusal, unresolvedRefusal } from './refusal.js';
import type { ExcludedEndpoint, ExclusionCode, PlanCandidate, RoutingDecision, RoutingRefusal, RoutingStrategy, TierPrices } from './routing-plan.js';
import type { DeadlineSettings, RoutingPolicy, RoutingRequest, SortMetric } from './routing-request.js';
import { priceInForce, type RoutingEndpoint, type RoutingModel, type RoutingTable } from './routing-table.js';
import { tierRules, type TierRules } from './service-tier.js';
import { preferCapable } from './soft-preference.js';
import type { EndpointStatisticsRecord } from './table-records.js';

/** The counters of the last 30 seconds and of the last 5 minutes mean nothing once the statistics are older than that: the router or analytics is away. */
const HEALTH_MAX_AGE_MS = 30_000;
const SHORT_WINDOW_MAX_AGE_MS = 300_000;
const UNSERVED_SUFFIXES = ['online', 'batch'] as const;

/**
 * Chooses the endpoints that may serve a request and the order to try them. `clock` gives the accept time, which prices
 * in force follow, and the monotonic time of the breakers.
 */
export function decide(table: RoutingTable, request: RoutingRequest, policy: RoutingPolicy, clock: Clock, random: RandomSource): RoutingDecision {
  const acceptTimeMs = clock.nowMs();
  const modelsRequested = requestedNames(request);
  const targets = resolveAll(table, request, modelsRequested, acceptTimeMs);
  if ('refusal' in targets) return { kind: 'refusal', refusal: targets.refusal };
  const decision = new Decision(table, request, policy, acceptTimeMs, clock.monotonicMs(), random);
  const ordered = decision.order(targets.found);
  if (ordered.contenders.length === 0) {
    const refusal = exhaustedRefusal(decision.excluded, modelsRequested);
    const message = [refusal.message, ...unknownProviderWarnings(table, request)].join(' ');
    return { kind: 'refusal', refusal: { ...refusal, message } };
  }
  return {
    kind: 'plan',
    plan: {
      candidates: ordered.contenders.map((contender, place) => decision.candidate(contender, ordered.contenders, place)),
      excluded: decision.excluded,
      strategy: ordered.strategy,
      modelsRequested,
      warnings: [
        ...targets.warnings,
        ...targets.found.flatMap(unservedSnapshot),
        ...targets.found.flatMap(unservedSuffixes),
        ...unknownProviderWarnings(table, request),
      ],
      tableVersion: table.version,
    },
  };
}

type TieredRules = OrderRules & { readonly tiers: TierRules };

/** One decision's working state. */
class Decision {
  readonly excluded: ExcludedEndpoint[] = [];
  private readonly context: FilterContext;
  private readonly statisticsAgeMs: number;
  private readonly deadlines: DeadlineSettings;

  constructor(
    private readonly table: RoutingTable,
    private readonly request: RoutingRequest,
    private readonly policy: RoutingPolicy,
    private readonly acceptTimeMs: number,
    private readonly monotonicMs: number,
    private readonly random: RandomSource,
  ) {
    this.context = filterContext(table, request, policy, acceptTimeMs);
    this.statisticsAgeMs = acceptTimeMs - table.statisticsTimeMs;
    this.deadlines = policy.deadlines ? { ...DEFAULT_DEADLINES, ...policy.deadlines } : DEFAULT_DEADLINES;
  }

  /** Models one after the other, or all endpoints in one order where the request merges them. */
  order(targets: readonly ModelTarget[]): OrderedContenders {
    if (targets.length > 1 && this.mergesModels()) {
      const rules = this.rulesOf(targets[0]!);
      const contenders = targets.flatMap((target) => this.contendersOf(target, this.rulesOf(target)));
      return this.withinFallbackRule(withoutRepeats(contenders), rules);
    }
    const groups: Contender[] = [];
    let strategy: RoutingStrategy | undefined;
    for (const target of targets) {
      const rules = this.rulesOf(target);
      const ordered = this.withinFallbackRule(this.contendersOf(target, rules), rules);
      if (ordered.contenders.length > 0) strategy ??= ordered.strategy;
      groups.push(...ordered.contenders);
    }
    return { contenders: targets.length > 1 ? withoutRepeats(groups) : groups, strategy: strategy ?? 'only_choice' };
  }

  candidate(contender: Contender, contenders: readonly Contender[], place: number): PlanCandidate {
    const { endpoint, target, charge, cost, statistics, breaker } = contender;
    const isProbe = breaker?.mayProbe === true;
    // Nobody else would answer what the last one is too late for.
    const isHurried = isProbe && contenders.slice(place + 1).some(({ breaker: behind }) => !isShut(behind));
    return {
      endpoint,
      model: target.model,
      publicModel: publicModelId(target.model.slug, endpoint.variant),
      chargeSchedule: charge.schedule,
      costSchedule: cost.schedule,
      costScheduleRecord: cost.record,
      defaultTier: defaultTierOf(endpoint, target, this.acceptTimeMs),
      deadlines: attemptDeadlines(this.deadlines, this.request, target.model, statistics, isHurried),
      isProbe,
      reason: contender.reason,
    };
  }

  private contendersOf(target: ModelTarget, rules: TieredRules): Contender[] {
    if (target.model.snapshotOf) this.excludeWithout(target.model, target.model.snapshotOf.endpoints);
    const eligible: RoutingEndpoint[] = [];
    const admitted = rules.tiers.admitted(target.model.endpoints, target.variant);
    const namedOnly = this.forbidsFallbacks && rules.order.length > 0;
    for (const endpoint of target.model.endpoints) {
      const exclusion = exclusionOf(endpoint, target, admitted, this.context);
      if (exclusion) this.exclude(endpoint, exclusion.code, exclusion.detail);
      // Before what is only preferred: that may leave out no endpoint for the sake of one that must not be asked.
      else if (namedOnly && !isNamed(endpoint, rules)) this.excludeFallback(endpoint);
      else eligible.push(endpoint);
    }
    const { kept, unused } = preferCapable(eligible, this.request.uses);
    for (const { endpoint, lacks } of unused) this.exclude(endpoint, 'capability', `Does not support ${lacks}, another endpoint does.`);
    return kept.map((endpoint) => this.contender(endpoint, target));
  }

  private contender(endpoint: RoutingEndpoint, target: ModelTarget): Contender {
    const charge = priceInForce(endpoint.chargeSchedules, this.acceptTimeMs)!;
    const cost = priceInForce(endpoint.costSchedules, this.acceptTimeMs)!;
    const statistics = this.statisticsOf(endpoint);
    const breaker = this.policy.breakers?.stateOf(endpoint.endpointId, this.monotonicMs);
    return {
      endpoint,
      target,
      charge,
      cost,
      pricePico: contenderPrice(charge, this.request.promptTokensEstimate, this.acceptTimeMs),
      statistics,
      breaker,
      rank: rankOf(statistics, breaker, this.request.provider, this.statisticsAgeMs < HEALTH_MAX_AGE_MS, isCramped(endpoint, this.request)),
      reason: '',
    };
  }

  private statisticsOf(endpoint: RoutingEndpoint): EndpointStatisticsRecord | undefined {
    const statistics = this.table.statistics.get(endpoint.endpointId);
    return statistics && this.statisticsAgeMs >= SHORT_WINDOW_MAX_AGE_MS ? { ...statistics, last5m: undefined } : statistics;
  }

  private get forbidsFallbacks(): boolean {
    return this.request.provider?.allow_fallbacks === false;
  }

  private withinFallbackRule(contenders: readonly Contender[], rules: OrderRules): OrderedContenders {
    if (contenders.length === 0) return { contenders: [], strategy: 'only_choice' };
    const ordered = orderContenders(contenders, rules, this.random);
    // With an order all that it names are left, and nothing else; without one the single best pick is pinned.
    if (!this.forbidsFallbacks || rules.order.length > 0) return ordered;
    const [best, ...others] = ordered.contenders;
    for (const { endpoint } of others) this.excludeFallback(endpoint);
    return { contenders: [best!], strategy: ordered.strategy };
  }

  private rulesOf(target: ModelTarget): TieredRules {
    const tiers = tierRules(this.request, target.modifiers);
    const { order, askedTier } = this.context;
    return { sort: order.length > 0 ? undefined : (tiers.sort ?? requestedSort(this.request)), order, askedTier, tierFirst: tiers.tierFirst, tiers };
  }

  private mergesModels(): boolean {
    const sort = this.request.provider?.sort;
    const partition = typeof sort === 'object' ? sort.partition : undefined;
    return (partition ?? (this.request.route === 'sort' ? 'none' : 'model')) === 'none';
  }

  private excludeWithout(snapshot: RoutingModel, endpoints: readonly RoutingEndpoint[]): void {
    for (const endpoint of endpoints) {
      const isServed = snapshot.endpoints.some(({ tag, variant }) => tag === endpoint.tag && variant === endpoint.variant);
      if (!isServed) this.exclude(endpoint, 'snapshot', `Is not known to serve ${snapshot.slug}.`);
    }
  }

  private excludeFallback(endpoint: RoutingEndpoint): void {
    this.exclude(endpoint, 'allow_fallbacks', 'provider.allow_fallbacks is false.');
  }

  private exclude(endpoint: RoutingEndpoint, code: ExclusionCode, detail: string): void {
    const { endpointId, modelSlug, providerName, tag } = endpoint;
    this.excluded.push({ endpointId, modelSlug, providerName, tag, code, detail });
  }
}

/** Flex is cheaper than the default tier: what was reserved would not do, and providers refuse instead. */
function defaultTierOf(endpoint: RoutingEndpoint, target: ModelTarget, timeMs: number): TierPrices | undefined {
  if (endpoint.serviceTier !== 'priority') return undefined;
  const sibling = target.model.endpoints.find((other) => other.serviceTier === 'default' && isSameBut(other, endpoint));
  const charge = sibling && priceInForce(sibling.chargeSchedules, timeMs);
  const cost = sibling && priceInForce(sibling.costSchedules, timeMs);
  return charge && cost && { chargeSchedule: charge.schedule, costSchedule: cost.schedule, costScheduleRecord: cost.record };
}

/** But for its tier. */
function isSameBut(other: RoutingEndpoint, endpoint: RoutingEndpoint): boolean {
  const { providerSlug, variant, region, quantization, record } = endpoint;
  return (
    other.providerSlug === providerSlug &&
    other.variant === variant &&
    other.region === region &&
    other.quantization === quantization &&
    other.record.providerModelId === record.providerModelId
  );
}

function requestedNames(request: RoutingRequest): readonly string[] {
  const names = request.model === undefined ? [] : [request.model];
  if (!request.models || request.models.length === 0) return names;
  return [...new Set([...names, ...request.models])];
}

type Resolved = { readonly found: readonly ModelTarget[]; readonly warnings: readonly string[] } | { readonly refusal: RoutingRefusal };

/** A name that nobody knows refuses the request; a model that has ended, or cannot do what is asked, is passed over while another is there. */
function resolveAll(table: RoutingTable, request: RoutingRequest, modelsRequested: readonly string[], nowMs: number): Resolved {
  const found: ModelTarget[] = [];
  const warnings: string[] = [];
  let firstRefusal: RoutingRefusal | undefined;
  for (const requested of modelsRequested) {
    const resolution = resolveModel(table, requested, nowMs);
    const isFound = resolution.kind === 'found';
    if (isFound && !mustReasonAgainstWill(request, requested, resolution.target)) {
      if (!found.some((target) => isSame(target, resolution.target))) found.push(resolution.target);
      continue;
    }
    const refusal = isFound
      ? mandatoryReasoningRefusal(resolution.target.model.slug, modelsRequested)
      : unresolvedRefusal(requested, resolution, modelsRequested);
    if (refusal.availability.code === 'model_not_found') return { refusal };
    firstRefusal ??= refusal;
    warnings.push(refusal.message);
  }
  if (found.length > 0) return { found, warnings };
  return { refusal: firstRefusal ?? unresolvedRefusal('', { kind: 'unknown', suggestions: [] }, modelsRequested) };
}

/** Two names of one model name its endpoints once. */
function isSame(left: ModelTarget, right: ModelTarget): boolean {
  return left.model === right.model && left.variant === right.variant && left.modifiers.join() === right.modifiers.join();
}

/** One model may be asked for with different suffixes; what failed once is not asked again. */
function withoutRepeats(contenders: readonly Contender[]): Contender[] {
  const endpointIds = new Set<string>();
  return contenders.filter(({ endpoint: { endpointId } }) => !endpointIds.has(endpointId) && endpointIds.add(endpointId));
}

/** Aliases of the newest model take any reasoning option: who uses them cannot know what model that is. */
function mustReasonAgainstWill(request: RoutingRequest, requested: string, target: ModelTarget): boolean {
  return request.uses.forbidsReasoning === true && target.model.record.reasoningMandatory && !requested.startsWith('~');
}

function requestedSort(request: RoutingRequest): SortMetric | undefined {
  const sort = request.provider?.sort;
  return typeof sort === 'object' ? sort.by : sort;
}

function isNamed(endpoint: RoutingEndpoint, { order, askedTier }: OrderRules): boolean {
  return order.some((pattern) => matchesProvider(pattern, endpoint, askedTier));
}

function unservedSnapshot({ model, unserved }: ModelTarget): string[] {
  return unserved ? [`${unserved.slug}: no endpoint in service has this snapshot; the request went on to ${model.slug}.`] : [];
}

/** Suffixes that elsewhere ask for more than a choice of endpoints. */
function unservedSuffixes({ model, modifiers }: ModelTarget): string[] {
  if (modifiers.length === 0) return [];
  return UNSERVED_SUFFIXES.filter((suffix) => modifiers.includes(suffix)).map(
    (suffix) => `${model.slug}: ":${suffix}" is not offered; the request went on without.`,
  );
}

function unknownProviderWarnings(table: RoutingTable, request: RoutingRequest): string[] {
  const provider = request.provider;
  if (!provider || table.providers.size === 0) return [];
  const warnings: string[] = [];
  for (const field of ['order', 'only', 'ignore'] as const) {
    for (const name of provider[field] ?? []) {
      if (!isKnownProvider(table, name)) warnings.push(`provider.${field} names ${name}, which is no provider here.`);
    }
  }
  return warnings;
}
