import type { PriceSchedule } from '@switchyard/core';
import type { EndpointRecord, EndpointStatisticsRecord, ModelRecord, PriceScheduleRecord, ProviderRecord } from './table-records.js';

/** Everything a decision needs, indexed. Immutable: an update makes a new table that shares what did not change. */
export interface RoutingTable {
  readonly version: bigint;
  /** Router's clock when it sent the last message, unix milliseconds; 0 before the first. */
  readonly serverTimeMs: number;
  readonly models: ReadonlyMap<string, RoutingModel>;
  readonly endpoints: ReadonlyMap<string, RoutingEndpoint>;
  /** Lower-case alias, permaslug or provider model id → model slugs that it may mean. */
  readonly names: ReadonlyMap<string, readonly string[]>;
  readonly providers: ReadonlyMap<string, ProviderRecord>;
  readonly statistics: ReadonlyMap<string, EndpointStatisticsRecord>;
}

export interface RoutingModel {
  readonly slug: string;
  readonly permaslug: string;
  readonly name: string;
  readonly record: ModelRecord;
  /** All endpoints, every variant, in table order. */
  readonly endpoints: readonly RoutingEndpoint[];
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
  /** Empty: the provider manifest's own. */
  readonly baseUrl: string;
  readonly contextLength: number | undefined;
  readonly maxCompletionTokens: number | undefined;
  readonly maxPromptTokens: number | undefined;
  readonly quantization: string;
  readonly supportedParameters: ReadonlySet<string>;
  readonly inputModalities: ReadonlySet<string>;
  readonly outputModalities: ReadonlySet<string>;
  readonly region: string;
  /** `default`, `priority`, `flex`. */
  readonly serviceTier: string;
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
}
