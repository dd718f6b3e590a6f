import type { Clock } from '@switchyard/core';
import type { Logger } from '@switchyard/telemetry';
import type { CatalogStore } from '../catalog.store.js';
import { buildBuiltInCatalog } from '../core/built-in-catalog.js';
import type { Catalog } from '../core/catalog.js';
import { applyCatalogFile } from '../core/operator-catalog.js';
import type { CatalogState } from '../table-publisher.js';
import { readBuiltInSources } from './built-in-sources.js';
import { catalogFileSchema, type CatalogFile } from './catalog-file.schema.js';
import { CatalogFileError, parseCatalogFile } from './parse-catalog-file.js';
import type { CatalogFileReader } from './catalog-file.reader.js';

export interface CatalogImporterOptions {
  readonly store: CatalogStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Undefined: no file, the built-in lists alone. */
  readonly file: CatalogFileReader | undefined;
  onCatalog(state: CatalogState): void;
}

/** Builds the catalogue from the lists and the operator's file, stores it and hands it on; again whenever the file changes. */
export class CatalogImporter {
  private builtIn: Catalog | undefined;
  /** The file as it was last imported, or refused for what it says. */
  private text: string | undefined;
  /** What was last said to be wrong. */
  private problem: string | undefined;

  constructor(private readonly options: CatalogImporterOptions) {}

  /** @throws CatalogFileError with every problem of the file. */
  async start(): Promise<void> {
    this.text = await this.options.file?.read();
    await this.import(this.text, true);
  }

  /** Reads the file again. One with problems is ignored until it changes; one that cannot be read or stored now is tried again. Either is logged once. */
  async reload(): Promise<void> {
    const { file, logger } = this.options;
    if (!file) return;
    let text: string | undefined;
    try {
      text = await file.read();
      if (text !== this.text) {
        await this.import(text, false);
        this.text = text;
        logger.info('The catalogue file was read again', { file: file.path });
      }
      this.problem = undefined;
    } catch (error) {
      if (error instanceof CatalogFileError) this.text = text;
      this.report(error);
    }
  }

  private report(error: unknown): void {
    const { file, logger } = this.options;
    const detail = error instanceof Error ? error.message : undefined;
    if (detail !== undefined && detail === this.problem) return;
    this.problem = detail;
    logger.error('The catalogue file cannot be used; the last good catalogue stays in use', { file: file?.path, error, detail });
  }

  private async import(text: string | undefined, isFirst: boolean): Promise<void> {
    const { store, clock, logger } = this.options;
    this.builtIn ??= buildBuiltInCatalog(readBuiltInSources());
    const known = new Set(this.builtIn.providers.map((provider) => provider.slug));
    const file: CatalogFile = text === undefined ? catalogFileSchema.parse({ version: 1 }) : parseCatalogFile(text, known);
    const catalog = applyCatalogFile(this.builtIn, file);
    const stored = await store.save(catalog, clock.nowMs());
    this.options.onCatalog({ models: stored.models, endpoints: stored.endpoints, providers: catalog.providers });
    logger.info('The catalogue was imported', { modelCount: stored.models.length, endpointCount: stored.endpoints.length, count: stored.newPriceCount });
    if (isFirst && file.built_in) logReport(catalog, logger);
  }
}

function logReport(catalog: Catalog, logger: Logger): void {
  const { unmapped, skipped, ignoredPriceKeys } = catalog.report;
  logger.info('Entries of the published lists that no model of ours stands for', { count: unmapped.length, names: unmapped });
  logger.debug('Entries of the published lists that are no chat or embedding models, or have no price', { count: skipped.length, names: skipped });
  logger.debug('Prices of the published lists that no meter stands for', {
    names: Object.entries(ignoredPriceKeys).map(([key, count]) => `${key} (${count})`),
  });
}
