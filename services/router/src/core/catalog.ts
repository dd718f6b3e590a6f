import type { PriceSchedule } from '@switchyard/core';
import type { EndpointRecord, ModelRecord, ProviderRecord } from '@switchyard/routing';

/** Prices without the revision that the price history gives them. */
export type UndatedSchedule = Omit<PriceSchedule, 'revision'>;

export interface DatedSchedule {
  /** Unix milliseconds; 0 = always until the next. */
  readonly startTimeMs: number;
  readonly schedule: UndatedSchedule;
}

/** An endpoint as the sources describe it, before the price history dated and numbered its prices. */
export interface CatalogEndpoint {
  readonly record: Omit<EndpointRecord, 'chargeSchedules' | 'costSchedules'>;
  readonly charge: readonly DatedSchedule[];
  readonly cost: readonly DatedSchedule[];
  /** Where the prices come from, for the history. */
  readonly source: string;
}

export interface Catalog {
  readonly models: readonly ModelRecord[];
  readonly endpoints: readonly CatalogEndpoint[];
  readonly providers: readonly ProviderRecord[];
  readonly report: ImportReport;
}

/** What the import could not use, in words for the log. */
export interface ImportReport {
  /** `provider id`: no model of ours stands for it. */
  readonly unmapped: readonly string[];
  /** Neither chat nor embeddings (speech, pictures, moderation …), or without a price per token. */
  readonly skipped: readonly string[];
  /** Price keys without a meter, with the number of entries that have them. */
  readonly ignoredPriceKeys: Readonly<Record<string, number>>;
}
