import type { ModifierSuffix } from '@switchyard/core';
import type { RoutingRequest, SortMetric } from './routing-request.js';
import type { RoutingEndpoint } from './routing-table.js';

/** Which service tiers a request may use, and the order that its choice of tier implies. */
export interface TierRules {
  admitted(endpoints: readonly RoutingEndpoint[], variant: string): ReadonlySet<string>;
  readonly sort: SortMetric | undefined;
  readonly tierFirst: string | undefined;
}

const DEFAULT_ONLY: ReadonlySet<string> = new Set(['default']);
const DEFAULT_AND_PRIORITY: ReadonlySet<string> = new Set(['default', 'priority']);
const DEFAULT_AND_FLEX: ReadonlySet<string> = new Set(['default', 'flex']);
const FLEX_ONLY: ReadonlySet<string> = new Set(['flex']);

const PLAIN: TierRules = { admitted: () => DEFAULT_ONLY, sort: undefined, tierFirst: undefined };
const PRIORITY: TierRules = { admitted: () => DEFAULT_AND_PRIORITY, sort: 'throughput', tierFirst: 'priority' };
/** Flex capacity has no fallback: only where a model has none in service is the request treated as any other. */
const FLEX: TierRules = {
  admitted: (endpoints, variant) => (endpoints.some((endpoint) => isFlexInService(endpoint) && endpoint.variant === variant) ? FLEX_ONLY : DEFAULT_ONLY),
  sort: 'price',
  tierFirst: undefined,
};

function isFlexInService(endpoint: RoutingEndpoint): boolean {
  return endpoint.serviceTier === 'flex' && !endpoint.disabled && endpoint.hasCredential;
}

/** The tier beyond the default one that `service_tier` asks for. */
export function askedTier({ serviceTier }: RoutingRequest): string | undefined {
  if (serviceTier === 'fast') return 'priority';
  return serviceTier === 'priority' || serviceTier === 'flex' ? serviceTier : undefined;
}

/** `:nitro` and `:floor` admit a tier beside the default one, unless the request orders providers or names the default tier. */
export function tierRules(request: RoutingRequest, modifiers: readonly ModifierSuffix[]): TierRules {
  const tier = askedTier(request);
  if (tier !== undefined) return tier === 'flex' ? FLEX : PRIORITY;
  if (modifiers.length === 0) return PLAIN;
  const admitsTier = request.serviceTier !== 'default' && (request.provider?.order?.length ?? 0) === 0;
  if (modifiers.includes('nitro')) return { admitted: () => (admitsTier ? DEFAULT_AND_PRIORITY : DEFAULT_ONLY), sort: 'throughput', tierFirst: undefined };
  if (modifiers.includes('floor')) return { admitted: () => (admitsTier ? DEFAULT_AND_FLEX : DEFAULT_ONLY), sort: 'price', tierFirst: undefined };
  return modifiers.includes('exacto') ? { ...PLAIN, sort: 'exacto' } : PLAIN;
}
