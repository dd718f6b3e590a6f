import { publicModelId, type PriceSchedule } from '@switchyard/core';
import type { analytics, router } from '@switchyard/proto';
import { pricePerMillion, scheduleInForce } from './public-pricing.js';

/** All that the router's catalogue knows at one time. */
export interface Catalog {
  readonly models: readonly router.Model[];
  readonly endpoints: readonly router.Endpoint[];
  readonly statistics: readonly analytics.EndpointStatistics[];
}

export interface PricedEndpoint {
  readonly endpoint: router.Endpoint;
  readonly schedule: PriceSchedule;
  readonly statistics: analytics.EndpointStatistics | undefined;
}

/** One model as clients see it: a variant (`:free`, `:extended`) is an entry of its own. */
export interface CatalogEntry {
  /** Slug with variant. */
  readonly id: string;
  readonly model: router.Model;
  readonly variant: string;
  /** Usable ones: those of the default service tier first, of each the cheapest; never empty. */
  readonly endpoints: readonly PricedEndpoint[];
}

/** Entries of all models that at least one endpoint can serve now; newest first. */
export function catalogEntries(catalog: Catalog, nowMs: number): CatalogEntry[] {
  const statistics = new Map(catalog.statistics.map((item) => [item.endpointId, item]));
  const models = new Map(catalog.models.map((model) => [model.slug, model]));
  const groups = new Map<string, { model: router.Model; variant: string; endpoints: PricedEndpoint[] }>();
  for (const endpoint of catalog.endpoints) {
    const model = models.get(endpoint.modelSlug);
    const schedule = isUsable(endpoint) ? scheduleInForce(endpoint.chargeSchedules, nowMs) : undefined;
    if (!model || !schedule || isExpired(model, nowMs)) continue;
    const id = publicModelId(model.slug, endpoint.variant);
    const group = groups.get(id) ?? { model, variant: endpoint.variant, endpoints: [] };
    group.endpoints.push({ endpoint, schedule, statistics: statistics.get(endpoint.endpointId) });
    groups.set(id, group);
  }
  return [...groups.entries()].map(([id, group]) => ({ id, ...group, endpoints: group.endpoints.sort(byTierAndPrice) })).sort(newestFirst);
}

function isUsable(endpoint: router.Endpoint): boolean {
  return !endpoint.disabled && endpoint.hasCredential;
}

function isExpired(model: router.Model, nowMs: number): boolean {
  return model.expireTimeSeconds !== undefined && Number(model.expireTimeSeconds) * 1000 <= nowMs;
}

/** Another tier is used, and paid, only by who asks for it. */
function byTierAndPrice(left: PricedEndpoint, right: PricedEndpoint): number {
  return Number(isOtherTier(left)) - Number(isOtherTier(right)) || byPrice(left, right);
}

/** It sells a service tier beyond the usual one. */
export function isOtherTier({ endpoint: { serviceTier } }: PricedEndpoint): boolean {
  return serviceTier !== '' && serviceTier !== 'default';
}

function byPrice(left: PricedEndpoint, right: PricedEndpoint): number {
  return priceOf(left.schedule) - priceOf(right.schedule) || (left.endpoint.endpointId < right.endpoint.endpointId ? -1 : 1);
}

function priceOf(schedule: PriceSchedule): number {
  return (pricePerMillion(schedule, 'input_uncached') + pricePerMillion(schedule, 'output_text')) * (1_000_000 - schedule.discountMillionths);
}

function newestFirst(left: CatalogEntry, right: CatalogEntry): number {
  return Number(right.model.createTimeSeconds - left.model.createTimeSeconds) || (left.id < right.id ? -1 : 1);
}
