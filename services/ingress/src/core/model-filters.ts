import { flagOf, listOf, type ModelsQuery } from '@switchyard/api';
import { DAY_MS, modelAuthor } from '@switchyard/core';
import type { analytics } from '@switchyard/proto';
import { normaliseProviderPattern } from '@switchyard/routing';
import type { CatalogEntry } from './catalog-entry.js';
import { pricePerMillion } from './public-pricing.js';
import { supportedParameters } from './public-model.js';

type Filter = (entry: CatalogEntry) => boolean;

/** Entries that pass every filter, in the order asked for. Rows that lack what is sorted by come last; ties keep the given order. */
export function selectModels(entries: readonly CatalogEntry[], query: ModelsQuery, nowMs: number): CatalogEntry[] {
  const filters = filtersOf(entries, query, nowMs);
  const selected = entries.filter((entry) => filters.every((filter) => filter(entry)));
  const measure = query.sort === undefined ? undefined : SORT_MEASURES[query.sort];
  if (!measure) return selected;
  return selected
    .map((entry) => ({ entry, value: measure(entry) ?? Number.POSITIVE_INFINITY }))
    .sort((left, right) => (left.value === right.value ? 0 : left.value - right.value))
    .map(({ entry }) => entry);
}

/** What each sort puts first is smallest; undefined sorts last. */
const SORT_MEASURES: Readonly<Record<NonNullable<ModelsQuery['sort']>, (entry: CatalogEntry) => number | undefined>> = {
  'most-popular': (entry) => -requestCount(entry),
  'top-weekly': (entry) => -requestCount(entry),
  newest: (entry) => -Number(entry.model.createTimeSeconds),
  'pricing-low-to-high': (entry) => averagePrice(entry),
  'pricing-high-to-low': (entry) => -averagePrice(entry),
  'context-high-to-low': (entry) => -contextLength(entry),
  'throughput-high-to-low': (entry) => negated(best(entry, (window) => window.throughput?.p50, Math.max)),
  'latency-low-to-high': (entry) => best(entry, (window) => window.firstTokenMs?.p50, Math.min),
  // Benchmarks are not part of the catalogue: no row has one.
  'intelligence-high-to-low': () => undefined,
  'coding-high-to-low': () => undefined,
  'agentic-high-to-low': () => undefined,
  'design-arena-elo-high-to-low': () => undefined,
};

function filtersOf(entries: readonly CatalogEntry[], query: ModelsQuery, nowMs: number): Filter[] {
  return [
    ...capabilityFilters(query),
    ...priceFilters(query),
    ...providerFilters(entries, query),
    ...originFilters(query, nowMs),
    ...unknownFactFilters(query),
  ];
}

function capabilityFilters(query: ModelsQuery): Filter[] {
  const filters: Filter[] = [];
  const parameters = listOf(query.supported_parameters);
  if (parameters.length > 0) filters.push((entry) => includesAll(supportedParameters(entry), parameters));
  const inputs = listOf(query.input_modalities);
  if (inputs.length > 0 && !inputs.includes('all')) filters.push((entry) => includesAll(entry.model.inputModalities, inputs));
  const outputs = query.output_modalities === undefined ? ['text'] : listOf(query.output_modalities);
  if (outputs.length > 0 && !outputs.includes('all')) filters.push((entry) => outputs.some((modality) => entry.model.outputModalities.includes(modality)));
  const { context } = query;
  if (context !== undefined) filters.push((entry) => contextLength(entry) >= context);
  return filters;
}

function priceFilters(query: ModelsQuery): Filter[] {
  const filters: Filter[] = [];
  const add = (bound: number | undefined, test: (entry: CatalogEntry, bound: number) => boolean): void => {
    if (bound !== undefined) filters.push((entry) => test(entry, bound));
  };
  add(query.min_price, (entry, bound) => inputPrice(entry) >= bound);
  add(query.max_price, (entry, bound) => inputPrice(entry) <= bound);
  add(query.min_output_price, (entry, bound) => outputPrice(entry) >= bound);
  add(query.max_output_price, (entry, bound) => outputPrice(entry) <= bound);
  return filters;
}

/** Providers by slug, by a slug of other catalogues, or by display name, as in a request's `provider` object. */
function providerFilters(entries: readonly CatalogEntry[], query: ModelsQuery): Filter[] {
  const names = listOf(query.providers);
  if (names.length === 0) return [];
  const slugs = new Set(entries.flatMap(({ endpoints }) => endpoints.map(({ endpoint }) => endpoint.providerSlug)));
  const wanted = new Set(names.map((name) => normaliseProviderPattern(name, slugs)));
  return [({ endpoints }) => endpoints.some(({ endpoint }) => wanted.has(endpoint.providerSlug) || wanted.has(endpoint.providerName.toLowerCase()))];
}

function originFilters(query: ModelsQuery, nowMs: number): Filter[] {
  const filters: Filter[] = [];
  const q = query.q?.trim().toLowerCase();
  if (q) filters.push((entry) => entry.id.includes(q) || entry.model.name.toLowerCase().includes(q));
  const arch = query.arch?.trim().toLowerCase();
  if (arch) filters.push(({ model }) => [model.tokenizer, model.instructType, model.family].some((name) => name.toLowerCase() === arch));
  const authors = listOf(query.model_authors).map((author) => author.toLowerCase());
  if (authors.length > 0) filters.push((entry) => authors.includes(modelAuthor(entry.model.slug) ?? ''));
  const distillable = flagOf(query.distillable);
  if (distillable !== undefined) filters.push(({ model }) => model.isDistillable === distillable);
  if (flagOf(query.zdr)) filters.push((entry) => entry.endpoints.some(({ endpoint }) => endpoint.dataPolicy?.zdr === true));
  const { region, min_age_days: minAge, max_age_days: maxAge } = query;
  if (region) filters.push((entry) => entry.endpoints.some(({ endpoint }) => endpoint.region.toLowerCase().startsWith(region)));
  if (minAge !== undefined) filters.push((entry) => ageDays(entry, nowMs) >= minAge);
  if (maxAge !== undefined) filters.push((entry) => ageDays(entry, nowMs) <= maxAge);
  return filters;
}

/** Facts that no row has: asking for them finds nothing rather than everything. */
function unknownFactFilters(query: ModelsQuery): Filter[] {
  const asked = [
    query.category,
    query.min_intelligence_index,
    query.max_intelligence_index,
    query.min_coding_index,
    query.max_coding_index,
    query.min_agentic_index,
    query.max_agentic_index,
    query.min_tool_success_rate,
    query.max_tool_success_rate,
  ];
  return asked.some((value) => value !== undefined) ? [() => false] : [];
}

function inputPrice(entry: CatalogEntry): number {
  const schedule = entry.endpoints[0]?.schedule;
  return schedule ? pricePerMillion(schedule, 'input_uncached') : 0;
}

function outputPrice(entry: CatalogEntry): number {
  const schedule = entry.endpoints[0]?.schedule;
  return schedule ? pricePerMillion(schedule, 'output_text') : 0;
}

function averagePrice(entry: CatalogEntry): number {
  return (inputPrice(entry) + outputPrice(entry)) / 2;
}

function contextLength(entry: CatalogEntry): number {
  return entry.endpoints.reduce((most, { endpoint }) => Math.max(most, Number(endpoint.contextLength ?? 0n)), Number(entry.model.contextLength ?? 0n));
}

function requestCount(entry: CatalogEntry): number {
  return entry.endpoints.reduce((sum, { statistics }) => sum + Number(statistics?.last1d?.successCount ?? 0n), 0);
}

function best(entry: CatalogEntry, read: (window: analytics.Window) => number | undefined, choose: (...values: number[]) => number): number | undefined {
  const values = entry.endpoints.flatMap(({ statistics }) => (statistics?.last30m ? [read(statistics.last30m)] : [])).filter((value) => value !== undefined);
  return values.length > 0 ? choose(...values) : undefined;
}

function negated(value: number | undefined): number | undefined {
  return value === undefined ? undefined : -value;
}

function ageDays(entry: CatalogEntry, nowMs: number): number {
  return (nowMs - Number(entry.model.createTimeSeconds) * 1000) / DAY_MS;
}

function includesAll(have: readonly string[], wanted: readonly string[]): boolean {
  return wanted.every((item) => have.includes(item));
}
