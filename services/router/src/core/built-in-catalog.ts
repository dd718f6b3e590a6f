import { publicModelId } from '@switchyard/core';
import { findManifest, PROVIDER_MANIFESTS, type ProviderManifest } from '@switchyard/providers';
import type { EndpointRecord, ModelRecord, ProviderRecord } from '@switchyard/routing';
import { BUILT_IN_PROVIDERS, type BuiltInProvider } from './built-in-providers.js';
import { CanonicalModels, type ResolvedModel } from './canonical-models.js';
import type { Catalog, CatalogEndpoint } from './catalog.js';
import { factsOf, isFree, pricesOf, type FactListModel, type FactListProvider } from './fact-list.js';
import {
  expectedFacts,
  hasOwnSampling,
  isOtherKind,
  isReasoningMandatory,
  mergeFacts,
  refusedParameters,
  supportedParameters,
  type ModelFacts,
} from './model-facts.js';
import { familyAliases, familyOf } from './model-family.js';
import { parseSpelling } from './model-spelling.js';
import { convertPrices, type ConvertedPrices } from './price-list-conversion.js';
import type { PriceListMatch, PriceListModel, PriceListProvider } from './price-list.js';
import { reasoningTraits } from './reasoning-traits.js';

export interface CatalogSources {
  readonly priceList: readonly PriceListProvider[];
  readonly factList: readonly FactListProvider[];
}

const DAY_AT_THE_END = /-(20\d{2}-?(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01]))$/;

/** What both lists say of one deployment at one provider. */
interface Offer {
  readonly provider: BuiltInProvider;
  readonly resolved: ResolvedModel;
  priced?: PriceListModel;
  facts?: FactListModel;
  /** The ids by which the provider serves dated snapshots of the model, by day (`20241120`). */
  readonly snapshots: Map<string, string>;
}

/** The catalogue of the published lists: merged models, one endpoint per provider and deployment. */
export function buildBuiltInCatalog(sources: CatalogSources): Catalog {
  return new BuiltInCatalogBuilder(sources).build();
}

class BuiltInCatalogBuilder {
  private readonly canonical: CanonicalModels;
  private readonly offers = new Map<string, Offer>();
  private readonly factsBySlug = new Map<string, ModelFacts[]>();
  private readonly spellings = new Map<string, Set<string>>();
  private readonly unmapped: string[] = [];
  private readonly skipped: string[] = [];
  private readonly ignoredPriceKeys: Record<string, number> = {};

  constructor(private readonly sources: CatalogSources) {
    const publicList = sources.priceList.find((provider) => provider.id === 'openrouter')?.models.map((model) => model.id) ?? [];
    const publicFacts = Object.keys(sources.factList.find((provider) => provider.id === 'openrouter')?.models ?? {});
    this.canonical = new CanonicalModels([...publicList, ...publicFacts].filter((id) => !isOtherKind(id)));
  }

  build(): Catalog {
    for (const provider of BUILT_IN_PROVIDERS) this.collect(provider);
    this.collectGatewayFacts();
    const endpoints = [...this.offers.values()].flatMap((offer) => this.endpoint(offer) ?? []);
    const slugs = [...new Set(endpoints.map((endpoint) => endpoint.record.modelSlug))].sort();
    const models = slugs.map((slug) => this.model(slug));
    return {
      models: withFamilyAliases(models, endpoints),
      endpoints: endpoints.sort((left, right) => (left.record.endpointId < right.record.endpointId ? -1 : 1)),
      providers: PROVIDER_MANIFESTS.map(providerRecord),
      report: { unmapped: this.unmapped.sort(), skipped: this.skipped.sort(), ignoredPriceKeys: this.ignoredPriceKeys },
    };
  }

  private collect(provider: BuiltInProvider): void {
    const priced = this.sources.priceList.find((entry) => entry.id === provider.priceListId)?.models ?? [];
    for (const model of priced) {
      const offer = this.offerFor(provider, model.id, Object.keys(model.prices).length === 0);
      if (!offer) continue;
      if (!offer.priced || model.id.length < offer.priced.id.length) offer.priced = model;
      this.noteSnapshot(offer, model.id);
      this.noteDatedNames(offer, model);
    }
    const listed = Object.values(this.sources.factList.find((entry) => entry.id === provider.factListId)?.models ?? {});
    // Newest first, so that of several dated ids of one model the newest is the one that is called.
    for (const model of [...listed].sort((left, right) => (left.id < right.id ? 1 : -1))) {
      const offer = this.offerFor(provider, model.id, false, isFree(model) ? 'free' : undefined);
      if (!offer) continue;
      offer.facts ??= model;
      this.noteSnapshot(offer, model.id);
    }
    for (const id of provider.snapshots ?? []) {
      const offer = this.offerFor(provider, id, false);
      if (offer) this.noteSnapshot(offer, id);
    }
  }

  private offerFor(provider: BuiltInProvider, id: string, unpriced: boolean, forcedVariant?: string): Offer | undefined {
    const label = `${provider.slug} ${id}`;
    if (isOtherKind(id) || provider.notServed?.test(id) === true || (unpriced && !id.endsWith(':free'))) {
      if (!id.startsWith('~')) this.skipped.push(label);
      return undefined;
    }
    const isPublicList = provider.slug === 'openrouter';
    const resolved = isPublicList ? this.canonical.resolvePublicId(id) : this.canonical.resolve(id, provider.author, true);
    if (!resolved) {
      // The public list's aliases and its old spellings without an author stand for models that it also has in full.
      if (!isPublicList) this.unmapped.push(label);
      else if (!id.startsWith('~') && this.canonical.resolve(id, undefined, false) === undefined) this.unmapped.push(label);
      return undefined;
    }
    if (provider.ownModelsOnly && !resolved.slug.startsWith(`${provider.author}/`)) {
      this.skipped.push(label);
      return undefined;
    }
    const withVariant = forcedVariant !== undefined && resolved.variant === '' ? { ...resolved, variant: forcedVariant } : resolved;
    this.noteSpelling(resolved.slug, id, provider);
    const key = `${withVariant.slug}:${withVariant.variant}@${provider.slug}/${withVariant.deployment}`;
    let offer = this.offers.get(key);
    if (!offer) {
      offer = { provider, resolved: withVariant, snapshots: new Map() };
      this.offers.set(key, offer);
    }
    return offer;
  }

  /** Other gateways list models too; they say nothing about endpoints, but what they know of models counts. */
  private collectGatewayFacts(): void {
    for (const provider of this.sources.factList) {
      const own = BUILT_IN_PROVIDERS.find((entry) => entry.factListId === provider.id);
      for (const model of Object.values(provider.models).sort((left, right) => (left.id < right.id ? -1 : 1))) {
        const resolved = provider.id === 'openrouter' ? this.canonical.resolvePublicId(model.id) : this.canonical.resolve(model.id, own?.author, false);
        if (!resolved || isOtherKind(model.id)) continue;
        const facts = this.factsBySlug.get(resolved.slug) ?? [];
        // The maker's own entry first, of several dated ones the newest.
        if (own?.author !== undefined && resolved.slug.startsWith(`${own.author}/`)) facts.unshift(factsOf(model));
        else facts.push(factsOf(model));
        this.factsBySlug.set(resolved.slug, facts);
      }
    }
    for (const offer of this.offers.values()) {
      if (offer.priced === undefined) continue;
      const facts = this.factsBySlug.get(offer.resolved.slug) ?? [];
      facts.push({ name: offer.priced.name, description: offer.priced.description, contextLength: offer.priced.context_window });
      this.factsBySlug.set(offer.resolved.slug, facts);
    }
  }

  private endpoint(offer: Offer): CatalogEndpoint | undefined {
    const { provider, resolved } = offer;
    const prices = this.prices(offer);
    const wireId = provider.wireModelId(
      offer.priced?.id.replace(/:free$/, ''),
      offer.facts?.id,
      publicModelId(resolved.slug, provider.slug === 'openrouter' ? resolved.variant : ''),
    );
    const label = `${provider.slug} ${offer.priced?.id ?? offer.facts?.id ?? ''}`;
    if (!prices || wireId === undefined) {
      this.skipped.push(label);
      return undefined;
    }
    for (const key of prices.ignoredKeys) this.ignoredPriceKeys[key] = (this.ignoredPriceKeys[key] ?? 0) + 1;
    const facts = mergeFacts([
      { temperature: hasOwnSampling(resolved.slug, provider.slug) ? false : undefined },
      ...(offer.facts ? [factsOf(offer.facts)] : []),
      { contextLength: offer.priced?.context_window },
      this.modelFacts(resolved.slug),
    ]);
    const tag = resolved.deployment === '' ? provider.slug : `${provider.slug}/${resolved.deployment}`;
    return {
      record: { ...endpointRecord(provider, resolved, tag, wireId, facts), snapshots: this.snapshots(offer) },
      charge: prices.schedules,
      cost: prices.schedules,
      source: offer.priced ? 'genai-prices' : 'tokenlens',
    };
  }

  private prices(offer: Offer): ConvertedPrices | undefined {
    if (offer.resolved.variant === 'free') return convertPrices({ id: '', prices: { input_mtok: 0, output_mtok: 0 } });
    if (offer.priced) return convertPrices(offer.priced);
    const prices = offer.facts ? pricesOf(offer.facts) : undefined;
    return prices && convertPrices({ id: '', prices });
  }

  private model(slug: string): ModelRecord {
    const facts = this.modelFacts(slug);
    const name = facts.name ?? titleOf(slug);
    return {
      slug,
      permaslug: facts.releaseDate === undefined ? slug : `${slug}-${facts.releaseDate.replaceAll('-', '')}`,
      name,
      createTimeSeconds: BigInt(Math.floor((releaseTimeMs(facts.releaseDate) ?? 0) / 1000)),
      description: facts.description ?? '',
      contextLength: facts.contextLength === undefined ? undefined : BigInt(facts.contextLength),
      inputModalities: [...(facts.inputModalities ?? ['text'])],
      outputModalities: [...(facts.outputModalities ?? ['text'])],
      tokenizer: '',
      instructType: '',
      aliases: [...(this.spellings.get(slug) ?? [])].sort(),
      huggingFaceId: '',
      knowledgeCutoff: facts.knowledgeCutoff ?? '',
      expireTimeSeconds: undefined,
      reasoningMandatory: isReasoningMandatory(slug) && facts.reasoning === true,
      supportsReasoning: facts.reasoning === true,
      isDistillable: facts.openWeights === true,
      successorSlug: '',
      freeVariantEnded: false,
      family: familyOf(slug),
    };
  }

  private modelFacts(slug: string): ModelFacts {
    return mergeFacts([...(this.factsBySlug.get(slug) ?? []), expectedFacts(slug)]);
  }

  /** The list gathers ids of one price. Those with a day are this model's where they are its name, or OpenRouter's own for it and nobody else's. */
  private noteDatedNames(offer: Offer, model: PriceListModel): void {
    const { provider, resolved } = offer;
    for (const id of idsOf(model.match)) {
      if (id.includes(':') || parseSpelling(id, true).date === undefined) continue;
      const named = this.canonical.resolve(id, provider.author, false)?.slug;
      if (provider.slug !== 'openrouter') {
        if (named !== resolved.slug) continue;
        this.noteSpelling(resolved.slug, id, provider);
      } else if (id.includes('/') && (named ?? resolved.slug) === resolved.slug) this.addSpelling(resolved.slug, id);
      else continue;
      this.noteSnapshot(offer, id);
    }
  }

  /** Of several ids with one day the first is the name, the others are older spellings. A model that has a day in its own name has no other. */
  private noteSnapshot({ provider, resolved, snapshots }: Offer, id: string): void {
    const day = DAY_AT_THE_END.exec(id)?.[1]?.replaceAll('-', '');
    if (day === undefined || snapshots.has(day) || DAY_AT_THE_END.test(resolved.slug)) return;
    if (resolved.variant === '' && provider.foreignSnapshots?.test(id) !== true) snapshots.set(day, id);
  }

  /** Days are those of the maker's own endpoint, as it writes them: what others add to a name may be the day on which they began with the model. */
  private snapshots({ snapshots, resolved }: Offer): Record<string, string> {
    const makers = BUILT_IN_PROVIDERS.filter(({ author }) => author !== undefined && resolved.slug.startsWith(`${author}/`));
    const known = makers.flatMap(({ slug }) => [...(this.offers.get(`${resolved.slug}:@${slug}/`)?.snapshots ?? [])]);
    return Object.fromEntries(
      known.flatMap(([day, id]) => {
        const own = snapshots.get(day);
        return own === undefined ? [] : [[DAY_AT_THE_END.exec(id)![1]!, own]];
      }),
    );
  }

  /** A maker's own ids are names that clients may use too. */
  private noteSpelling(slug: string, id: string, provider: BuiltInProvider): void {
    if (provider.author === undefined || !slug.startsWith(`${provider.author}/`)) return;
    const spelling = `${provider.author}/${id.toLowerCase()}`;
    if (!id.includes(':') && !id.includes('/')) this.addSpelling(slug, spelling);
  }

  private addSpelling(slug: string, spelling: string): void {
    if (spelling === slug) return;
    const spellings = this.spellings.get(slug) ?? new Set();
    this.spellings.set(slug, spellings.add(spelling));
  }
}

function endpointRecord(
  provider: BuiltInProvider,
  resolved: ResolvedModel,
  tag: string,
  wireId: string,
  facts: ModelFacts,
): Omit<CatalogEndpoint['record'], 'snapshots'> {
  const publicId = publicModelId(resolved.slug, resolved.variant);
  const refused = refusedParameters(resolved.slug);
  const record: Omit<EndpointRecord, 'chargeSchedules' | 'costSchedules' | 'snapshots'> = {
    endpointId: `${publicId}@${tag}`,
    modelSlug: resolved.slug,
    variant: resolved.variant,
    providerSlug: provider.slug,
    providerName: findManifest(provider.slug)!.name,
    tag,
    providerModelId: wireId,
    baseUrl: '',
    contextLength: optionalBigint(facts.contextLength),
    maxCompletionTokens: optionalBigint(facts.maxCompletionTokens),
    maxPromptTokens: undefined,
    quantization: resolved.quantization,
    supportedParameters: supportedParameters(provider.parameterFamily, facts).filter((name) => !refused.includes(name)),
    inputModalities: [...(facts.inputModalities ?? ['text'])],
    outputModalities: [...(facts.outputModalities ?? ['text'])],
    dataPolicy: { ...provider.dataPolicy },
    region: '',
    serviceTier: 'default',
    supportsImplicitCaching: provider.supportsImplicitCaching,
    supportsToolChoice: { none: facts.tools === true, auto: facts.tools === true, required: facts.tools === true, function: facts.tools === true },
    disabled: false,
    isModerated: false,
    traits: facts.reasoning === true ? reasoningTraits(resolved.slug, provider.slug) : {},
    hasCredential: false,
  };
  return record;
}

/** Families' names that no model has go to the newest one each; never one of `taken`. */
export function withFamilyAliases(
  models: readonly ModelRecord[],
  endpoints: readonly CatalogEndpoint[],
  taken: ReadonlySet<string> = new Set(),
): ModelRecord[] {
  const firstParty = firstPartyModels(endpoints);
  const bySlug = new Map<string, string[]>();
  const known = new Set([...taken, ...models.flatMap((model) => model.aliases)]);
  for (const [alias, slug] of familyAliases(models, (candidate) => firstParty.has(candidate))) {
    if (!known.has(alias)) bySlug.set(slug, [...(bySlug.get(slug) ?? []), alias]);
  }
  return models.map((model) => ({ ...model, aliases: [...model.aliases, ...(bySlug.get(model.slug) ?? [])].sort() }));
}

/** Models that their own authors serve. */
export function firstPartyModels(endpoints: readonly CatalogEndpoint[]): ReadonlySet<string> {
  const authors = new Map(BUILT_IN_PROVIDERS.flatMap((provider) => (provider.author === undefined ? [] : [[provider.slug, provider.author] as const])));
  return new Set(
    endpoints.filter(({ record }) => record.modelSlug.startsWith(`${authors.get(record.providerSlug) ?? '?'}/`)).map(({ record }) => record.modelSlug),
  );
}

function providerRecord({ slug, name, policies, otelProviderName }: ProviderManifest): ProviderRecord {
  return {
    slug,
    name,
    privacyPolicyUrl: policies.privacyPolicyUrl ?? '',
    termsOfServiceUrl: policies.termsOfServiceUrl ?? '',
    statusPageUrl: policies.statusPageUrl ?? '',
    headquarters: policies.headquarters ?? '',
    datacenters: [...policies.datacenters],
    otelProviderName,
  };
}

function idsOf(match: PriceListMatch | undefined): readonly string[] {
  return match?.equals !== undefined ? [match.equals] : (match?.or ?? []).flatMap(idsOf);
}

function titleOf(slug: string): string {
  return slug
    .slice(slug.indexOf('/') + 1)
    .split('-')
    .map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`)
    .join(' ');
}

function releaseTimeMs(date: string | undefined): number | undefined {
  if (date === undefined) return undefined;
  const timeMs = Date.parse(date.length === 7 ? `${date}-01` : date);
  return Number.isNaN(timeMs) ? undefined : timeMs;
}

function optionalBigint(value: number | undefined): bigint | undefined {
  return value === undefined ? undefined : BigInt(Math.floor(value));
}
