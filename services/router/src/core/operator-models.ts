import type { ModelRecord } from '@switchyard/routing';
import type { CatalogFile } from '../catalog/catalog-file.schema.js';
import type { CatalogEndpoint } from './catalog.js';
import { firstPartyModels } from './built-in-catalog.js';
import { expectedFacts, isReasoningMandatory } from './model-facts.js';
import { familyAliases, familyOf } from './model-family.js';

type ListedModel = CatalogFile['models'][number];

/** The built-in models, those that have endpoints alone, and what the operator's file says of any of them; in order of their slugs. */
export function mergeModels(builtIn: readonly ModelRecord[], listed: readonly ListedModel[], endpoints: readonly CatalogEndpoint[]): ModelRecord[] {
  const bySlug = new Map(builtIn.map((model) => [model.slug, model]));
  for (const { record } of endpoints) if (!bySlug.has(record.modelSlug)) bySlug.set(record.modelSlug, newModel(record.modelSlug, endpoints));
  for (const facts of listed) bySlug.set(facts.slug, withListed(bySlug.get(facts.slug) ?? newModel(facts.slug, endpoints), facts));
  const given = new Set(listed.flatMap(({ aliases }) => aliases.map((alias) => alias.toLowerCase())));
  const models = withGivenAliases([...bySlug.values()], listed, given).sort((left, right) => (left.slug < right.slug ? -1 : 1));
  const known = new Set(builtIn.map(({ slug }) => slug));
  const own = new Set(models.map(({ slug }) => slug).filter((slug) => !known.has(slug)));
  return withSuccessors(withOwnFamilies(models, own, given), own, firstPartyModels(endpoints));
}

function withListed(model: ModelRecord, listed: ListedModel): ModelRecord {
  return {
    ...model,
    name: listed.name ?? model.name,
    description: listed.description ?? model.description,
    contextLength: listed.context_length === undefined ? model.contextLength : BigInt(listed.context_length),
    inputModalities: listed.input_modalities ?? model.inputModalities,
    outputModalities: listed.output_modalities ?? model.outputModalities,
    aliases: [...new Set([...model.aliases, ...listed.aliases])].sort(),
    createTimeSeconds: listed.created === undefined ? model.createTimeSeconds : BigInt(Date.parse(listed.created) / 1000),
    family: listed.family ?? model.family,
    isDistillable: listed.is_distillable ?? model.isDistillable,
    supportsReasoning: listed.reasoning ?? model.supportsReasoning,
    reasoningMandatory: listed.reasoning_mandatory ?? model.reasoningMandatory,
    expireTimeSeconds: listed.expires === undefined ? model.expireTimeSeconds : BigInt(Math.floor(Date.parse(listed.expires) / 1000)),
    successorSlug: listed.successor ?? model.successorSlug,
    freeVariantEnded: listed.free_variant_ended ?? model.freeVariantEnded,
  };
}

/** An alias that the operator gives is taken from whoever had it. */
function withGivenAliases(models: readonly ModelRecord[], listed: readonly ListedModel[], given: ReadonlySet<string>): ModelRecord[] {
  const isOf = (slug: string, alias: string): boolean => listed.some((facts) => facts.slug === slug && facts.aliases.includes(alias));
  return models.map((model) => ({ ...model, aliases: model.aliases.filter((alias) => !given.has(alias.toLowerCase()) || isOf(model.slug, alias)) }));
}

/** Own models join the families of their authors: where one is the newest, `~author/family-latest` becomes its name. Aliases that the operator gives stay. */
function withOwnFamilies(models: readonly ModelRecord[], own: ReadonlySet<string>, given: ReadonlySet<string>): ModelRecord[] {
  const isCandidate = (model: ModelRecord): boolean => own.has(model.slug) || model.aliases.some((alias) => alias.startsWith('~'));
  const taken = new Set(models.filter((model) => !isCandidate(model)).flatMap((model) => model.aliases));
  const newest = new Map(
    [...familyAliases(models.filter(isCandidate), () => true)].filter(([alias, slug]) => own.has(slug) && !given.has(alias) && !taken.has(alias)),
  );
  return models.map((model) => {
    const kept = model.aliases.filter((alias) => (newest.get(alias) ?? model.slug) === model.slug);
    const gained = [...newest].filter(([, slug]) => slug === model.slug).map(([alias]) => alias);
    return { ...model, aliases: [...new Set([...kept, ...gained])].sort() };
  });
}

/** A model that will end has a successor: the one that the operator names, else the newest of its family that lasts longer. */
function withSuccessors(models: readonly ModelRecord[], own: ReadonlySet<string>, firstParty: ReadonlySet<string>): ModelRecord[] {
  return models.map((model) => {
    const { expireTimeSeconds: end, successorSlug, slug } = model;
    if (end === undefined || successorSlug !== '') return model;
    const author = slug.slice(0, slug.indexOf('/') + 1);
    const lasting = models.filter((other) => other.slug.startsWith(author) && (other.expireTimeSeconds === undefined || other.expireTimeSeconds > end));
    const newest = familyAliases(lasting, (candidate) => own.has(candidate) || firstParty.has(candidate));
    const family = model.family || familyOf(slug);
    const names = [family, family.split('-', 1)[0]].map((name) => `~${author}${name}-latest`);
    return { ...model, successorSlug: newest.get(names[0]!) ?? newest.get(names[1]!) ?? '' };
  });
}

function newModel(slug: string, endpoints: readonly CatalogEndpoint[]): ModelRecord {
  const first = endpoints.find((endpoint) => endpoint.record.modelSlug === slug)?.record;
  const expected = expectedFacts(slug);
  return {
    slug,
    permaslug: slug,
    name: slug.slice(slug.indexOf('/') + 1),
    createTimeSeconds: 0n,
    description: '',
    contextLength: first?.contextLength,
    inputModalities: [...(first?.inputModalities ?? expected.inputModalities ?? ['text'])],
    outputModalities: [...(first?.outputModalities ?? expected.outputModalities ?? ['text'])],
    tokenizer: '',
    instructType: '',
    aliases: [],
    huggingFaceId: '',
    knowledgeCutoff: '',
    expireTimeSeconds: undefined,
    reasoningMandatory: expected.reasoning === true && isReasoningMandatory(slug),
    supportsReasoning: expected.reasoning === true,
    isDistillable: false,
    successorSlug: '',
    freeVariantEnded: false,
    family: familyOf(slug),
  };
}
