import { modelAuthor, publicModelId, usdToPico, type Meter, type RatesPico } from '@switchyard/core';
import type { ProviderRecord } from '@switchyard/routing';
import {
  fileEndpointId,
  fileEndpointTag,
  PRICE_NAMES,
  UNIT_PRICE_NAMES,
  type CatalogFile,
  type CatalogFileEndpoint,
  type CatalogFilePrices,
} from '../catalog/catalog-file.schema.js';
import { withFamilyAliases } from './built-in-catalog.js';
import type { Catalog, CatalogEndpoint, DatedSchedule, UndatedSchedule } from './catalog.js';
import { multiplyPico, perMillionToPico } from './decimal-price.js';
import { expectedFacts } from './model-facts.js';
import { mergeModels } from './operator-models.js';

/** The operator's file laid over the built-in catalogue: filters, own providers, models and endpoints, mirrors, overrides. */
export function applyCatalogFile(builtIn: Catalog, file: CatalogFile): Catalog {
  const base: Catalog = file.built_in ? filtered(builtIn, file) : { ...builtIn, models: [], endpoints: [] };
  const providers = mergeProviders(builtIn.providers, file);
  const own = file.endpoints.map((endpoint) => fileEndpoint(endpoint, file, base, builtIn, providers));
  const ownIds = new Set(own.map((endpoint) => endpoint.record.endpointId));
  const served = [...base.endpoints.filter((endpoint) => !ownIds.has(endpoint.record.endpointId)), ...own];
  const endpoints = [...served, ...mirrors(served, file, ownIds, providers)].map((endpoint) => withOverride(endpoint, file));
  return {
    models: mergeModels(base.models, file.models, endpoints),
    endpoints: endpoints.sort((left, right) => (left.record.endpointId < right.record.endpointId ? -1 : 1)),
    providers,
    report: builtIn.report,
  };
}

/** Whether a model is named by one of the patterns `author/slug`, `author/*`, `*`. */
function matchesPattern(patterns: readonly string[], slug: string): boolean {
  return patterns.some((pattern) => pattern === '*' || pattern === slug || (pattern.endsWith('/*') && modelAuthor(slug) === pattern.slice(0, -2)));
}

/** What the file keeps. Names of a family whose newest model is dropped go to the newest that is kept, yet never a dropped model's own. */
function filtered(catalog: Catalog, file: CatalogFile): Catalog {
  const keeps = (slug: string): boolean => (file.include === undefined || matchesPattern(file.include, slug)) && !matchesPattern(file.exclude, slug);
  const models = catalog.models.filter((model) => keeps(model.slug));
  if (models.length === catalog.models.length) return catalog;
  const endpoints = catalog.endpoints.filter((endpoint) => keeps(endpoint.record.modelSlug));
  const dropped = new Set(catalog.models.map(({ slug }) => slug).filter((slug) => !keeps(slug)));
  return { ...catalog, models: withFamilyAliases(models, endpoints, dropped), endpoints };
}

function mergeProviders(builtIn: readonly ProviderRecord[], file: CatalogFile): ProviderRecord[] {
  const bySlug = new Map(builtIn.map((provider) => [provider.slug, provider]));
  for (const provider of file.providers) {
    bySlug.set(
      provider.slug,
      withFacts(
        {
          slug: provider.slug,
          name: provider.name,
          privacyPolicyUrl: '',
          termsOfServiceUrl: '',
          statusPageUrl: '',
          headquarters: '',
          datacenters: [],
          otelProviderName: provider.slug,
        },
        provider,
      ),
    );
  }
  for (const [slug, override] of Object.entries(file.provider_overrides)) {
    const provider = bySlug.get(slug);
    if (provider) bySlug.set(slug, withFacts(provider, override));
  }
  return [...bySlug.values()];
}

function withFacts(provider: ProviderRecord, facts: CatalogFile['provider_overrides'][string]): ProviderRecord {
  return {
    ...provider,
    privacyPolicyUrl: facts.privacy_policy_url ?? provider.privacyPolicyUrl,
    termsOfServiceUrl: facts.terms_of_service_url ?? provider.termsOfServiceUrl,
    statusPageUrl: facts.status_page_url ?? provider.statusPageUrl,
    headquarters: facts.headquarters ?? provider.headquarters,
    datacenters: facts.datacenters ?? provider.datacenters,
  };
}

function fileEndpoint(
  endpoint: CatalogFileEndpoint,
  file: CatalogFile,
  base: Catalog,
  builtIn: Catalog,
  providers: readonly ProviderRecord[],
): CatalogEndpoint {
  const model = base.models.find((candidate) => candidate.slug === endpoint.model);
  const listed = file.models.find((candidate) => candidate.slug === endpoint.model);
  const expected = expectedFacts(endpoint.model);
  const provider = file.providers.find((candidate) => candidate.slug === endpoint.provider);
  const tag = fileEndpointTag(endpoint);
  const counterpart = counterpartOf(endpoint, provider?.like ?? endpoint.provider, builtIn);
  const known = counterpart ?? model;
  const policy = endpoint.data_policy ?? provider?.data_policy;
  const knownPolicy = provider ? undefined : counterpart?.dataPolicy;
  const parameters = endpoint.supported_parameters ?? counterpart?.supportedParameters ?? [];
  const tools = parameters.length === 0 || parameters.includes('tools');
  return {
    record: {
      endpointId: fileEndpointId(endpoint),
      modelSlug: endpoint.model,
      variant: endpoint.variant ?? '',
      providerSlug: endpoint.provider,
      providerName: providers.find((candidate) => candidate.slug === endpoint.provider)?.name ?? endpoint.provider,
      tag,
      providerModelId: endpoint.provider_model_id,
      baseUrl: endpoint.base_url ?? provider?.base_url ?? '',
      contextLength: optionalBigint(endpoint.context_length ?? listed?.context_length) ?? counterpart?.contextLength ?? model?.contextLength,
      maxCompletionTokens: optionalBigint(endpoint.max_completion_tokens) ?? counterpart?.maxCompletionTokens,
      maxPromptTokens: optionalBigint(endpoint.max_prompt_tokens),
      quantization: endpoint.quantization,
      supportedParameters: parameters,
      inputModalities: [...(endpoint.input_modalities ?? listed?.input_modalities ?? known?.inputModalities ?? expected.inputModalities ?? ['text'])],
      outputModalities: [...(endpoint.output_modalities ?? listed?.output_modalities ?? known?.outputModalities ?? expected.outputModalities ?? ['text'])],
      dataPolicy: policy ? { mayTrain: policy.may_train, retains: policy.retains, zdr: policy.zdr } : knownPolicy,
      region: endpoint.region ?? provider?.region ?? '',
      serviceTier: endpoint.service_tier,
      supportsImplicitCaching: endpoint.supports_implicit_caching ?? counterpart?.supportsImplicitCaching ?? false,
      supportsToolChoice: { none: tools, auto: tools, required: tools, function: tools },
      disabled: endpoint.disabled,
      isModerated: endpoint.is_moderated,
      traits: { ...counterpart?.traits, ...providerTraits(provider), ...endpoint.traits },
      hasCredential: false,
      snapshots: endpoint.snapshots ?? (counterpart && isSameDeployment(endpoint, counterpart) ? counterpart.snapshots : {}),
    },
    charge: fileSchedules(endpoint, false),
    cost: fileSchedules(endpoint, true),
    source: 'operator',
  };
}

/** The built-in endpoint of the same model that is asked in the same way: what that takes, and how long its answers are, is known. */
function counterpartOf(endpoint: CatalogFileEndpoint, api: string, builtIn: Catalog): CatalogEndpoint['record'] | undefined {
  const same = builtIn.endpoints.filter(({ record }) => record.modelSlug === endpoint.model && record.providerSlug === api);
  const id = fileEndpointId(endpoint);
  return (same.find(({ record }) => record.endpointId === id) ?? same.find(({ record }) => record.variant === (endpoint.variant ?? '')) ?? same[0])?.record;
}

/** So it serves the snapshots that the built-in endpoint serves. */
function isSameDeployment(endpoint: CatalogFileEndpoint, { providerSlug, providerModelId }: CatalogEndpoint['record']): boolean {
  return endpoint.provider === providerSlug && endpoint.provider_model_id === providerModelId;
}

function fileSchedules(endpoint: CatalogFileEndpoint, isCost: boolean): DatedSchedule[] {
  const overrides = endpoint.overrides.map((override) => ({
    minPromptTokens: override.min_prompt_tokens,
    utcStart: override.utc_start,
    utcEnd: override.utc_end,
    utcDays: override.utc_days,
    ratesPico: ratesOf(override.prices),
  }));
  const discountMillionths = isCost ? 0 : Math.round(endpoint.discount * 1_000_000);
  let costPrices: CatalogFilePrices | undefined;
  return [{ from: undefined, prices: endpoint.prices, cost_prices: endpoint.cost_prices }, ...endpoint.price_changes].map((change) => {
    // What it costs stays until the file says otherwise, whatever is charged; overrides are of the prices that are charged.
    costPrices = change.cost_prices ?? costPrices;
    const ownPrices = isCost ? costPrices : undefined;
    return {
      startTimeMs: change.from === undefined ? 0 : Date.parse(change.from),
      schedule: { ratesPico: ratesOf(ownPrices ?? change.prices), overrides: ownPrices ? [] : overrides, discountMillionths },
    };
  });
}

function ratesOf(prices: CatalogFilePrices): RatesPico {
  const rates: RatesPico = {};
  for (const [name, text] of Object.entries(prices)) {
    if (text === undefined) continue;
    const meter: Meter = PRICE_NAMES[name as keyof typeof PRICE_NAMES];
    rates[meter] = UNIT_PRICE_NAMES.has(name) ? usdToPico(text) : perMillionToPico(text);
  }
  return rates;
}

/** The cheapest standard endpoint of each named model, served by another provider at a multiple of the price. Of several mirrors that name the same the first counts. */
function mirrors(served: readonly CatalogEndpoint[], file: CatalogFile, ownIds: ReadonlySet<string>, providers: readonly ProviderRecord[]): CatalogEndpoint[] {
  if (file.mirrors.length === 0) return [];
  const cheapest = new Map<string, CatalogEndpoint>();
  for (const endpoint of served) {
    if (endpoint.record.variant !== '' || endpoint.record.serviceTier !== 'default' || endpoint.record.disabled) continue;
    const former = cheapest.get(endpoint.record.modelSlug);
    if (!former || plainPrice(endpoint) < plainPrice(former)) cheapest.set(endpoint.record.modelSlug, endpoint);
  }
  const result: CatalogEndpoint[] = [];
  const taken = new Set(ownIds);
  for (const mirror of file.mirrors) {
    const provider = file.providers.find((candidate) => candidate.slug === mirror.provider)!;
    for (const [slug, original] of cheapest) {
      const endpointId = `${slug}@${mirror.provider}`;
      if (!matchesPattern(mirror.models, slug) || taken.has(endpointId)) continue;
      taken.add(endpointId);
      const schedules = original.charge.map((dated) => ({ startTimeMs: dated.startTimeMs, schedule: multiplied(dated.schedule, mirror.price_multiplier) }));
      const policy = provider.data_policy;
      result.push({
        record: {
          ...original.record,
          endpointId,
          providerSlug: mirror.provider,
          providerName: providers.find((candidate) => candidate.slug === mirror.provider)!.name,
          tag: mirror.provider,
          providerModelId: publicModelId(slug, ''),
          baseUrl: provider.base_url,
          quantization: 'unknown',
          region: provider.region ?? '',
          dataPolicy: policy && { mayTrain: policy.may_train, retains: policy.retains, zdr: policy.zdr },
          traits: { ...modelTraits(original.record.traits), ...providerTraits(provider) },
          snapshots: {},
        },
        charge: schedules,
        cost: schedules.map(withoutDiscount),
        source: 'operator',
      });
    }
  }
  return result;
}

/** What a prompt token and a completion token are charged at together, in millionths of a pico-USD: to compare with. */
function plainPrice(endpoint: CatalogEndpoint): bigint {
  const { ratesPico, discountMillionths } = endpoint.charge.at(-1)!.schedule;
  return ((ratesPico.input_uncached ?? 0n) + (ratesPico.output_text ?? 0n)) * BigInt(1_000_000 - discountMillionths);
}

/** A discount is taken off what is charged, never off what a provider costs. */
function withoutDiscount({ startTimeMs, schedule }: DatedSchedule): DatedSchedule {
  return { startTimeMs, schedule: { ...schedule, discountMillionths: 0 } };
}

function multiplied(schedule: UndatedSchedule, factor: number): UndatedSchedule {
  const scale = (rates: RatesPico): RatesPico => Object.fromEntries(Object.entries(rates).map(([meter, ratePico]) => [meter, multiplyPico(ratePico, factor)]));
  return {
    ...schedule,
    ratesPico: scale(schedule.ratesPico),
    overrides: schedule.overrides.map((override) => ({ ...override, ratesPico: scale(override.ratesPico) })),
  };
}

function providerTraits(provider: CatalogFile['providers'][number] | undefined): Record<string, string> {
  if (!provider) return {};
  return { manifest: provider.like ?? 'vllm', ...(provider.credential === 'none' ? { credential: 'none' } : {}) };
}

/** Without what is true of the provider alone. */
function modelTraits({ manifest: _manifest, credential: _credential, ...traits }: Readonly<Record<string, string>>): Record<string, string> {
  return traits;
}

function withOverride(endpoint: CatalogEndpoint, file: CatalogFile): CatalogEndpoint {
  const override = file.provider_overrides[endpoint.record.providerSlug];
  if (!override) return endpoint;
  const { record } = endpoint;
  const policy = override.data_policy;
  return {
    ...endpoint,
    record: {
      ...record,
      baseUrl: override.base_url ?? record.baseUrl,
      region: override.region ?? record.region,
      disabled: record.disabled || override.disabled === true,
      dataPolicy: policy ? { mayTrain: policy.may_train, retains: policy.retains, zdr: policy.zdr } : record.dataPolicy,
      traits: override.credential === 'none' ? { ...record.traits, credential: 'none' } : record.traits,
    },
  };
}

function optionalBigint(value: number | undefined): bigint | undefined {
  return value === undefined ? undefined : BigInt(value);
}
