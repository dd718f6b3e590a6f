import { type ModelsQuery, type PublicModel, type PublicProvider } from '@switchyard/api';
import { parseModelName, publicModelId, type Clock } from '@switchyard/core';
import { SwitchyardError } from '@switchyard/errors';
import type { CatalogPort, router } from '@switchyard/proto';
import { catalogEntries, type CatalogEntry } from '../core/catalog-entry.js';
import { selectModels } from '../core/model-filters.js';
import { publicModel } from '../core/public-model.js';
import { RefreshedValue } from './refreshed-value.js';

const PROVIDERS_MAX_AGE_MS = 60_000;
/** A reading that takes longer leaves the last one in place. */
const READ_TIMEOUT_MS = 2_000;
const MAX_CACHED_PAGES = 32;
const DEFAULT_PAGE = 500;

/** One reading of the catalogue, with what was already rendered of it. */
interface CatalogSnapshot {
  readonly entries: readonly CatalogEntry[];
  readonly timeMs: number;
  readonly models: Map<string, PublicModel>;
  /** Bodies of `/models` by query. */
  readonly pages: Map<string, string>;
}

/** The catalogue as the public API shows it. Each model is rendered once per reading, each page once per query. */
export class CatalogView {
  private readonly snapshot: RefreshedValue<CatalogSnapshot>;
  private readonly providerList: RefreshedValue<PublicProvider[]>;

  constructor(
    private readonly catalog: CatalogPort,
    private readonly clock: Clock,
    maxAgeMs: number,
  ) {
    this.snapshot = new RefreshedValue(() => this.readSnapshot(), clock, maxAgeMs);
    this.providerList = new RefreshedValue(() => this.readProviders(), clock, PROVIDERS_MAX_AGE_MS);
  }

  /** Body of `GET /models`. `path` is the request's own, for the link to the next page. */
  async modelsPage(query: ModelsQuery, path: string): Promise<string> {
    const snapshot = await this.snapshot.get();
    const cacheKey = JSON.stringify([path, query]);
    const known = snapshot.pages.get(cacheKey);
    if (known !== undefined) return known;
    const page = renderPage(snapshot, query, path);
    if (snapshot.pages.size >= MAX_CACHED_PAGES) snapshot.pages.clear();
    snapshot.pages.set(cacheKey, page);
    return page;
  }

  async countModels(query: ModelsQuery): Promise<number> {
    const { entries, timeMs } = await this.snapshot.get();
    return selectModels(entries, query, timeMs).length;
  }

  /**
   * The entry that a slug, alias, dated id or variant means.
   * @throws SwitchyardError `not_found`
   */
  async resolve(requested: string): Promise<CatalogEntry> {
    const name = parseModelName(requested);
    const { model, endpoints, statistics } = await this.getModel(publicModelId(name.base, name.variant ?? ''), requested);
    const entries = model ? catalogEntries({ models: [model], endpoints, statistics }, this.clock.nowMs()) : [];
    const entry = entries.find((candidate) => candidate.variant === (name.variant ?? '')) ?? (name.variant === undefined ? entries[0] : undefined);
    if (!entry) throw new SwitchyardError('not_found', model ? `No endpoints found for ${requested}` : `Model ${requested} not found`);
    return entry;
  }

  providers(): Promise<PublicProvider[]> {
    return this.providerList.get();
  }

  private async getModel(slug: string, requested: string): Promise<router.GetModelResponse> {
    try {
      return await this.catalog.getModel({ slug });
    } catch (error) {
      if (error instanceof SwitchyardError && error.httpStatus === 404)
        throw new SwitchyardError('not_found', `Model ${requested} not found`, { cause: error, ...(error.metadata ? { metadata: error.metadata } : {}) });
      throw error;
    }
  }

  private async readSnapshot(): Promise<CatalogSnapshot> {
    const catalog = await this.catalog.listModels({}, { timeoutMs: READ_TIMEOUT_MS });
    const timeMs = this.clock.nowMs();
    return { entries: catalogEntries(catalog, timeMs), timeMs, models: new Map(), pages: new Map() };
  }

  private async readProviders(): Promise<PublicProvider[]> {
    const { providers } = await this.catalog.listProviders({}, { timeoutMs: READ_TIMEOUT_MS });
    return providers.map(publicProvider).sort((left, right) => (left.name.toLowerCase() < right.name.toLowerCase() ? -1 : 1));
  }
}

function renderPage(snapshot: CatalogSnapshot, query: ModelsQuery, path: string): string {
  const selected = selectModels(snapshot.entries, query, snapshot.timeMs);
  const isPaged = query.limit !== undefined || query.offset !== undefined;
  const offset = query.offset ?? 0;
  const limit = isPaged ? (query.limit ?? DEFAULT_PAGE) : selected.length;
  const data = selected.slice(offset, offset + limit).map((entry) => rendered(snapshot, entry));
  const next = offset + limit < selected.length ? nextLink(path, query, offset + limit, limit) : null;
  return JSON.stringify({ data, total_count: selected.length, links: { next } });
}

function rendered(snapshot: CatalogSnapshot, entry: CatalogEntry): PublicModel {
  const known = snapshot.models.get(entry.id);
  if (known) return known;
  const model = publicModel(entry, snapshot.timeMs);
  snapshot.models.set(entry.id, model);
  return model;
}

function nextLink(path: string, query: ModelsQuery, offset: number, limit: number): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value));
  parameters.set('offset', String(offset));
  parameters.set('limit', String(limit));
  return `${path}?${parameters.toString()}`;
}

function publicProvider(provider: router.Provider): PublicProvider {
  return {
    name: provider.name,
    slug: provider.slug,
    privacy_policy_url: provider.privacyPolicyUrl || null,
    terms_of_service_url: provider.termsOfServiceUrl || null,
    status_page_url: provider.statusPageUrl || null,
    headquarters: provider.headquarters || null,
    datacenters: provider.datacenters.length > 0 ? provider.datacenters : null,
  };
}
