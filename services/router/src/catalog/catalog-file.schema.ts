import { z } from 'zod';

/** The operator's catalogue file. Descriptions become `docs/reference/catalog.schema.json`. */

const price = z
  .union([z.string().regex(/^\d+(\.\d+)?([eE][+-]?\d{1,2})?$/, 'write a decimal number such as "0.15"'), z.number().nonnegative().finite()])
  .transform(String);

export const PRICE_NAMES = {
  prompt: 'input_uncached',
  completion: 'output_text',
  internal_reasoning: 'reasoning',
  input_cache_read: 'cache_read',
  input_cache_write: 'cache_write_5m',
  input_cache_write_1h: 'cache_write_1h',
  audio: 'input_audio',
  audio_output: 'output_audio',
  input_audio_cache: 'cache_read_audio',
  image_token: 'input_image_tokens',
  image_output: 'output_image_tokens',
  request: 'request',
  image: 'input_image',
  web_search: 'web_search',
} as const;

/** Priced each; the others for a million tokens. */
export const UNIT_PRICE_NAMES: ReadonlySet<string> = new Set(['request', 'image', 'web_search']);

const optionalPrices = {
  internal_reasoning: price.optional(),
  input_cache_read: price.optional(),
  input_cache_write: price.optional(),
  input_cache_write_1h: price.optional(),
  audio: price.optional(),
  audio_output: price.optional(),
  input_audio_cache: price.optional(),
  image_token: price.optional(),
  image_output: price.optional(),
  request: price.optional(),
  image: price.optional(),
  web_search: price.optional(),
};

const fullPrices = z
  .strictObject({ prompt: price, completion: price, ...optionalPrices })
  .describe('USD for a million tokens; request, image and web_search: USD each. A missing price is never zero.');
const partialPrices = z
  .strictObject({ prompt: price.optional(), completion: price.optional(), ...optionalPrices })
  .refine((prices) => Object.values(prices).some((value) => value !== undefined), 'name at least one price');

const slug = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'use lower-case letters, digits, dots, dashes and underscores');
const modelSlug = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}\/[a-z0-9][a-z0-9._-]{0,127}$/, 'write author/slug in lower case');
const pattern = z.string().regex(/^(\*|[a-z0-9._-]+\/(\*|[a-z0-9._-]+))$/, 'write author/slug, author/* or *');
const url = z.url({ protocol: /^https?$/, error: 'write an http or https URL' });
const hourMinute = z
  .int()
  .min(0)
  .max(2359)
  .refine((value) => value % 100 < 60, 'write HHMM, for example 1630');
const tokens = z.int().positive().max(1_000_000_000);
const text = z.string().max(4_000);

const dataPolicy = z
  .strictObject({ may_train: z.boolean().default(false), retains: z.boolean().default(false), zdr: z.boolean().default(false) })
  .describe('What the provider does with prompts.');
const credential = z
  .enum(['environment', 'none'])
  .describe("environment: the worker's own variable or file for this provider; none: it is called without one.");
const modality = z.enum(['text', 'image', 'file', 'audio', 'video']);
const outputModality = z.enum(['text', 'image', 'embeddings', 'audio']);

const priceOverride = z
  .strictObject({
    min_prompt_tokens: z.int().nonnegative().optional().describe('Holds when the prompt has strictly more tokens.'),
    utc_start: hourMinute.optional(),
    utc_end: hourMinute.optional(),
    utc_days: z.array(z.int().min(0).max(6)).max(7).default([]).describe('0 = Sunday; empty = every day.'),
    prices: partialPrices,
  })
  .refine((value) => (value.utc_start === undefined) === (value.utc_end === undefined), 'name both utc_start and utc_end');

const providerFacts = {
  privacy_policy_url: url.optional(),
  terms_of_service_url: url.optional(),
  status_page_url: url.optional(),
  headquarters: z.string().length(2).optional().describe('ISO 3166-1 country.'),
  datacenters: z.array(z.string().length(2)).max(64).optional(),
};

const provider = z.strictObject({
  slug,
  name: text.min(1),
  like: slug.optional().describe('Provider whose wire format it speaks; default vllm.'),
  base_url: url,
  credential: credential.default('environment'),
  data_policy: dataPolicy.optional(),
  region: slug.optional(),
  ...providerFacts,
});

const providerOverride = z.strictObject({
  base_url: url.optional(),
  credential: credential.optional(),
  data_policy: dataPolicy.optional(),
  region: slug.optional(),
  disabled: z.boolean().optional(),
  ...providerFacts,
});

const model = z.strictObject({
  slug: modelSlug,
  name: text.optional(),
  description: text.optional(),
  context_length: tokens.optional(),
  input_modalities: z.array(modality).min(1).optional(),
  output_modalities: z.array(outputModality).min(1).optional(),
  aliases: z.array(z.string().min(1).max(200)).max(64).default([]),
  created: z.iso.date().optional(),
  family: slug.optional(),
  is_distillable: z.boolean().optional(),
  reasoning: z.boolean().optional(),
  reasoning_mandatory: z.boolean().optional(),
  expires: z.iso.datetime({ offset: true }).optional(),
  successor: modelSlug.optional(),
  free_variant_ended: z.boolean().optional(),
});

const endpoint = z.strictObject({
  model: modelSlug,
  provider: slug,
  provider_model_id: z.string().min(1).max(256),
  snapshots: z
    .record(z.string().regex(/^20\d{2}(-?)(0[1-9]|1[0-2])\1(0[1-9]|[12]\d|3[01])$/, 'write a day, 2024-11-20 or 20241120'), z.string().min(1).max(256))
    .optional()
    .describe('Dated snapshots of the model that it serves: from the day in their names to the id that the provider is asked for.'),
  variant: z.enum(['free', 'extended', 'thinking']).optional(),
  tag: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]*(\/[a-z0-9._-]+)*$/)
    .optional()
    .describe('Provider slug with optional /variant, /region or /tier; made of the parts when absent.'),
  base_url: url.optional(),
  region: slug.optional(),
  service_tier: z.enum(['default', 'priority', 'flex']).default('default'),
  context_length: tokens.optional(),
  max_completion_tokens: tokens.optional(),
  max_prompt_tokens: tokens.optional(),
  quantization: z.enum(['int4', 'int8', 'fp4', 'mxfp4', 'nvfp4', 'fp6', 'fp8', 'mxfp8', 'fp16', 'bf16', 'fp32', 'unknown']).default('unknown'),
  supported_parameters: z
    .array(z.string().max(64))
    .max(64)
    .optional()
    .describe('Empty: everything is passed. Absent: those of the built-in endpoint, if there is one for this model and API.'),
  input_modalities: z.array(modality).min(1).optional(),
  output_modalities: z.array(outputModality).min(1).optional(),
  prices: fullPrices,
  cost_prices: fullPrices.optional(),
  price_changes: z
    .array(z.strictObject({ from: z.iso.datetime({ offset: true }), prices: fullPrices, cost_prices: fullPrices.optional() }))
    .max(64)
    .default([]),
  overrides: z.array(priceOverride).max(64).default([]),
  discount: z.number().min(0).max(1).default(0).describe('Share taken off the charge.'),
  data_policy: dataPolicy.optional(),
  traits: z.record(z.string().max(64), z.string().max(256)).default({}),
  supports_implicit_caching: z.boolean().optional(),
  is_moderated: z.boolean().default(false),
  disabled: z.boolean().default(false),
});

const mirror = z.strictObject({
  provider: slug,
  models: z.array(pattern).min(1).max(1_000),
  price_multiplier: z.number().positive().max(1_000).default(1),
});

export const catalogFileSchema = z.strictObject({
  version: z.literal(1),
  built_in: z.boolean().default(true).describe('Import the published lists.'),
  include: z.array(pattern).max(10_000).optional(),
  exclude: z.array(pattern).max(10_000).default([]),
  providers: z.array(provider).max(1_000).default([]),
  provider_overrides: z.record(slug, providerOverride).default({}),
  models: z.array(model).max(10_000).default([]),
  endpoints: z.array(endpoint).max(50_000).default([]),
  mirrors: z.array(mirror).max(100).default([]),
});

export type CatalogFile = z.output<typeof catalogFileSchema>;
export type CatalogFileEndpoint = CatalogFile['endpoints'][number];
export type CatalogFilePrices = z.output<typeof partialPrices>;

/** `author/slug:variant@provider/region/tier`. */
export function fileEndpointId(endpoint: CatalogFileEndpoint): string {
  return `${endpoint.model}${endpoint.variant === undefined ? '' : `:${endpoint.variant}`}@${fileEndpointTag(endpoint)}`;
}

export function fileEndpointTag(endpoint: CatalogFileEndpoint): string {
  if (endpoint.tag !== undefined) return endpoint.tag;
  return [endpoint.provider, endpoint.region, endpoint.service_tier === 'default' ? undefined : endpoint.service_tier]
    .filter((part) => part !== undefined)
    .join('/');
}

/** For editors: the file as an operator writes it. `docs/reference/catalog.schema.json` is this. */
export function catalogFileJsonSchema(): object {
  const schema = z.toJSONSchema(catalogFileSchema, { io: 'input', target: 'draft-2020-12' });
  return { ...schema, title: 'Switchyard catalogue', description: 'Own providers, models, endpoints and prices. Guide: docs/guides/catalog.md.' };
}
