import { priceScheduleFromRecord, rateOf, type PriceSchedule, type PriceScheduleRecord, type RatesPico } from '@switchyard/core';
import type { DatedPriceScheduleRecord, EndpointRecord, EndpointStatisticsRecord, ModelRecord, ProviderRecord, TableUpdate } from './table-records.js';

/** Everything a decision needs, indexed. Immutable: an update makes a new table that shares what did not change. */
export interface RoutingTable {
  readonly version: bigint;
  /** Router's clock when it last sent statistics, unix milliseconds; 0 before. With any traffic they change every few seconds. */
  readonly statisticsTimeMs: number;
  readonly models: ReadonlyMap<string, RoutingModel>;
  readonly endpoints: ReadonlyMap<string, RoutingEndpoint>;
  /** Lower-case alias, permaslug or provider model id → the model slugs that it may mean. */
  readonly names: ReadonlyMap<string, readonly string[]>;
  readonly providers: ReadonlyMap<string, ProviderRecord>;
  readonly statistics: ReadonlyMap<string, EndpointStatisticsRecord>;
}

export interface RoutingModel {
  readonly slug: string;
  readonly permaslug: string;
  readonly record: ModelRecord;
  /** All endpoints, every variant, by id. */
  readonly endpoints: readonly RoutingEndpoint[];
  /** Its snapshots that somebody serves, by day (`20241120`): each a model of its own, with the endpoints that serve it and the provider's id for it. */
  readonly snapshots: ReadonlyMap<string, RoutingModel>;
  /** What a snapshot is of. */
  readonly snapshotOf: RoutingModel | undefined;
}

export interface RoutingEndpoint {
  readonly endpointId: string;
  readonly modelSlug: string;
  /** `free`, `extended`, `thinking` …; empty for the standard one. */
  readonly variant: string;
  readonly providerSlug: string;
  readonly providerName: string;
  /** Provider slug with optional `/variant`, `/region`, `/tier`. */
  readonly tag: string;
  readonly providerModelId: string;
  readonly contextLength: number | undefined;
  readonly maxCompletionTokens: number | undefined;
  readonly maxPromptTokens: number | undefined;
  readonly quantization: string;
  /** Empty: not stated, everything is passed. */
  readonly supportedParameters: ReadonlySet<string>;
  readonly inputModalities: ReadonlySet<string>;
  readonly outputModalities: ReadonlySet<string>;
  readonly region: string;
  /** `default`, `priority`, `flex`. */
  readonly serviceTier: string;
  /** Ascending by start. */
  readonly chargeSchedules: readonly DatedPriceSchedule[];
  readonly costSchedules: readonly DatedPriceSchedule[];
  readonly disabled: boolean;
  readonly hasCredential: boolean;
  /** The message it was made of: what an attempt's start frame and the public APIs copy from. */
  readonly record: EndpointRecord;
}

export interface DatedPriceSchedule {
  /** Unix milliseconds. */
  readonly startTimeMs: number;
  readonly schedule: PriceSchedule;
  /** The same as it crosses the wire. */
  readonly record: PriceScheduleRecord;
  /** Prompt plus completion price of one token each under the plain rates, pico-USD after the discount; undefined when one of them has no price. */
  readonly blendedPico: number | undefined;
}

export const EMPTY_ROUTING_TABLE: RoutingTable = {
  version: 0n,
  statisticsTimeMs: 0,
  models: new Map(),
  endpoints: new Map(),
  names: new Map(),
  providers: new Map(),
  statistics: new Map(),
};

/** The table after a message. A snapshot replaces everything; a delta whose version does not follow is the caller's gap to notice. */
export function applyTableUpdate(table: RoutingTable, update: TableUpdate): RoutingTable {
  const base = update.isSnapshot ? EMPTY_ROUTING_TABLE : table;
  const changesModels = update.models.length + update.endpoints.length + update.removedModelSlugs.length + update.removedEndpointIds.length > 0;
  const indexed = changesModels ? indexModels(base, update) : base;
  return {
    version: update.version,
    statisticsTimeMs: update.statistics.length > 0 ? Number(update.serverTimeMs) : base.statisticsTimeMs,
    models: indexed.models,
    endpoints: indexed.endpoints,
    names: indexed.names,
    providers: merged(base.providers, update.providers, (provider) => provider.slug),
    statistics: merged(base.statistics, update.statistics, (statistics) => statistics.endpointId),
  };
}

/** An endpoint of a model or of a snapshot. */
export function endpointById(table: Pick<RoutingTable, 'endpoints' | 'models'>, endpointId: string): RoutingEndpoint | undefined {
  const endpoint = table.endpoints.get(endpointId);
  if (endpoint) return endpoint;
  for (const { snapshots } of table.models.values()) {
    for (const { endpoints } of snapshots.values()) {
      const found = endpoints.find((candidate) => candidate.endpointId === endpointId);
      if (found) return found;
    }
  }
  return undefined;
}

/** The price in force at a time; undefined when none has begun. */
export function priceInForce(schedules: readonly DatedPriceSchedule[], timeMs: number): DatedPriceSchedule | undefined {
  for (let index = schedules.length - 1; index >= 0; index--) {
    const dated = schedules[index]!;
    if (dated.startTimeMs <= timeMs) return dated;
  }
  return undefined;
}

/** Prompt plus completion price of one token each, as a number to compare with. */
export function blendedPico(rates: RatesPico, discountMillionths: number): number | undefined {
  const promptPico = rateOf(rates, 'input_uncached');
  const completionPico = rateOf(rates, 'output_text') ?? (promptPico === undefined ? undefined : 0n);
  if (promptPico === undefined || completionPico === undefined) return undefined;
  return (Number(promptPico + completionPico) * (1_000_000 - discountMillionths)) / 1_000_000;
}

function indexModels(base: RoutingTable, update: TableUpdate): Pick<RoutingTable, 'models' | 'endpoints' | 'names'> {
  const endpoints = new Map(base.endpoints);
  const records = new Map<string, ModelRecord>();
  for (const [slug, model] of base.models) records.set(slug, model.record);
  const touched = new Set<string>();
  for (const slug of update.removedModelSlugs) records.delete(slug);
  for (const endpointId of update.removedEndpointIds) {
    const endpoint = endpoints.get(endpointId);
    if (endpoint) touched.add(endpoint.modelSlug);
    endpoints.delete(endpointId);
  }
  for (const record of update.models) {
    records.set(record.slug, record);
    touched.add(record.slug);
  }
  for (const record of update.endpoints) {
    const former = endpoints.get(record.endpointId);
    if (former) touched.add(former.modelSlug);
    endpoints.set(record.endpointId, endpointFromRecord(record));
    touched.add(record.modelSlug);
  }
  const models = groupByModel(base, records, endpoints, touched);
  return { models, endpoints, names: indexNames(models) };
}

function groupByModel(
  base: RoutingTable,
  records: ReadonlyMap<string, ModelRecord>,
  endpoints: ReadonlyMap<string, RoutingEndpoint>,
  touched: ReadonlySet<string>,
): Map<string, RoutingModel> {
  const endpointsBySlug = new Map<string, RoutingEndpoint[]>();
  for (const endpoint of endpoints.values()) {
    if (!touched.has(endpoint.modelSlug)) continue;
    const list = endpointsBySlug.get(endpoint.modelSlug);
    if (list) list.push(endpoint);
    else endpointsBySlug.set(endpoint.modelSlug, [endpoint]);
  }
  const models = new Map<string, RoutingModel>();
  for (const [slug, record] of records) {
    const former = base.models.get(slug);
    if (former && !touched.has(slug)) {
      models.set(slug, former);
      continue;
    }
    const own = (endpointsBySlug.get(slug) ?? []).sort((left, right) => (left.endpointId < right.endpointId ? -1 : 1));
    models.set(slug, modelOf(record, own));
  }
  return models;
}

function modelOf(record: ModelRecord, endpoints: readonly RoutingEndpoint[]): RoutingModel {
  const snapshots = new Map<string, RoutingModel>();
  const model: RoutingModel = { slug: record.slug, permaslug: record.permaslug, record, endpoints, snapshots, snapshotOf: undefined };
  for (const { record: endpoint } of endpoints) {
    for (const day of Object.keys(endpoint.snapshots)) {
      if (!snapshots.has(compactDay(day))) snapshots.set(compactDay(day), snapshotOf(model, day));
    }
  }
  return model;
}

/** Prices and credentials are those of the model's endpoints, health is not: a snapshot that its maker no longer serves must keep nobody from the model. */
function snapshotOf(model: RoutingModel, day: string): RoutingModel {
  const slug = `${model.slug}-${day}`;
  const endpoints = model.endpoints.flatMap((endpoint) => {
    const served = Object.entries(endpoint.record.snapshots).find(([other]) => compactDay(other) === compactDay(day));
    if (!served) return [];
    const named = { endpointId: endpoint.endpointId.replace(model.slug, slug), modelSlug: slug, providerModelId: served[1] };
    return [{ ...endpoint, ...named, record: { ...endpoint.record, ...named, snapshots: {} } }];
  });
  const record = { ...model.record, slug, permaslug: slug, name: `${model.record.name} (${day})`, aliases: [] };
  return { slug, permaslug: slug, record, endpoints, snapshots: new Map(), snapshotOf: model };
}

/** Makers write `2024-11-20` or `20241120`. */
function compactDay(day: string): string {
  return day.replaceAll('-', '');
}

/** Names given on purpose win over names that merely occur: a provider's bare id counts only where no alias says otherwise, and an alias without its author last. */
function indexNames(models: ReadonlyMap<string, RoutingModel>): Map<string, readonly string[]> {
  const given = new Map<string, Set<string>>();
  const occurring = new Map<string, Set<string>>();
  const shortened = new Map<string, Set<string>>();
  for (const model of models.values()) {
    if (model.permaslug !== '') addName(given, model.permaslug, model.slug);
    for (const alias of model.record.aliases) {
      addName(given, alias, model.slug);
      if (!alias.startsWith('~')) addName(shortened, withoutAuthor(alias), model.slug);
    }
    addName(occurring, withoutAuthor(model.slug), model.slug);
    for (const endpoint of model.endpoints) addName(occurring, endpoint.providerModelId, model.slug);
  }
  const names = new Map<string, readonly string[]>();
  for (const source of [shortened, occurring, given]) {
    for (const [name, slugs] of source) names.set(name, [...slugs].sort());
  }
  return names;
}

function withoutAuthor(name: string): string {
  return name.slice(name.indexOf('/') + 1);
}

function addName(names: Map<string, Set<string>>, name: string, slug: string): void {
  const key = name.toLowerCase();
  const slugs = names.get(key);
  if (slugs) slugs.add(slug);
  else names.set(key, new Set([slug]));
}

function endpointFromRecord(record: EndpointRecord): RoutingEndpoint {
  return {
    endpointId: record.endpointId,
    modelSlug: record.modelSlug,
    variant: record.variant,
    providerSlug: record.providerSlug,
    providerName: record.providerName,
    tag: record.tag,
    providerModelId: record.providerModelId,
    contextLength: optionalNumber(record.contextLength),
    maxCompletionTokens: optionalNumber(record.maxCompletionTokens),
    maxPromptTokens: optionalNumber(record.maxPromptTokens),
    quantization: record.quantization === '' ? 'unknown' : record.quantization,
    supportedParameters: new Set(record.supportedParameters),
    inputModalities: new Set(record.inputModalities),
    outputModalities: new Set(record.outputModalities),
    region: record.region,
    serviceTier: record.serviceTier === '' ? 'default' : record.serviceTier,
    chargeSchedules: record.chargeSchedules.flatMap(datedSchedule),
    costSchedules: record.costSchedules.flatMap(datedSchedule),
    disabled: record.disabled,
    hasCredential: record.hasCredential,
    record,
  };
}

function datedSchedule(dated: DatedPriceScheduleRecord): DatedPriceSchedule[] {
  if (!dated.schedule) return [];
  const schedule = priceScheduleFromRecord(dated.schedule);
  return [
    { startTimeMs: Number(dated.startTimeMs), schedule, record: dated.schedule, blendedPico: blendedPico(schedule.ratesPico, schedule.discountMillionths) },
  ];
}

function merged<T>(base: ReadonlyMap<string, T>, changes: readonly T[], keyOf: (value: T) => string): ReadonlyMap<string, T> {
  if (changes.length === 0) return base;
  const result = new Map(base);
  for (const change of changes) result.set(keyOf(change), change);
  return result;
}

function optionalNumber(value: bigint | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}
