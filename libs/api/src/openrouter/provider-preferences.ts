import { z } from 'zod';
import { someText } from '../some-text.js';

export const QUANTIZATIONS = ['int4', 'int8', 'fp4', 'mxfp4', 'nvfp4', 'fp6', 'fp8', 'mxfp8', 'fp16', 'bf16', 'fp32', 'unknown'] as const;
const PROVIDER_SORTS = ['price', 'throughput', 'latency', 'exacto'] as const;

const MAX_SLUGS = 200;
const slugs = z.array(someText.max(200)).max(MAX_SLUGS);
const cutoff = z.number().nonnegative();
const cutoffs = z.union([cutoff, z.strictObject({ p50: cutoff.nullish(), p75: cutoff.nullish(), p90: cutoff.nullish(), p99: cutoff.nullish() })]);
/** The documentation shows numbers, the official SDK sends strings. */
const price = z.union([z.number().nonnegative(), z.string().regex(/^\d{1,12}(\.\d{1,18})?([eE]-?\d{1,2})?$/, 'expected a decimal number')]);

/** Prices in USD per million tokens (`request`, `image`, `audio`: per unit), unlike the catalogue's, which are per token. */
const maxPrice = z.strictObject({
  prompt: price.nullish(),
  completion: price.nullish(),
  request: price.nullish(),
  image: price.nullish(),
  audio: price.nullish(),
});

/** The `provider` object of an inference request. Unknown keys are refused, so that a misspelt constraint is never ignored. */
export const providerPreferencesSchema = z.strictObject({
  order: slugs.nullish(),
  only: slugs.nullish(),
  ignore: slugs.nullish(),
  allow_fallbacks: z.boolean().nullish(),
  require_parameters: z.boolean().nullish(),
  data_collection: z.enum(['allow', 'deny']).nullish(),
  zdr: z.boolean().nullish(),
  enforce_distillable_text: z.boolean().nullish(),
  quantizations: z.array(z.enum(QUANTIZATIONS)).max(QUANTIZATIONS.length).nullish(),
  sort: z.union([z.enum(PROVIDER_SORTS), z.strictObject({ by: z.enum(PROVIDER_SORTS).nullish(), partition: z.enum(['model', 'none']).nullish() })]).nullish(),
  /** Output tokens per second. */
  preferred_min_throughput: cutoffs.nullish(),
  /** Seconds to the first token (endpoint statistics are in milliseconds). */
  preferred_max_latency: cutoffs.nullish(),
  max_price: maxPrice.nullish(),
  /** Raw settings per provider; only the image, video and audio APIs read them. */
  options: z.record(z.string(), z.record(z.string(), z.unknown())).nullish(),
});
/** As a request may spell it: `null` stands for "not given". */
export type ProviderPreferencesInput = z.infer<typeof providerPreferencesSchema>;

type Given<Value> = Value extends readonly (infer Item)[]
  ? readonly Item[]
  : Value extends object
    ? { readonly [Name in keyof Value]?: Given<Exclude<Value[Name], null>> }
    : Value;
/** Only what was given. */
export type ProviderPreferences = Given<Omit<ProviderPreferencesInput, 'options'>>;

/** Drops every `null`; undefined when nothing was given. */
export function givenPreferences(input: ProviderPreferencesInput | null | undefined): ProviderPreferences | undefined {
  return input ? (withoutNulls(input) as ProviderPreferences) : undefined;
}

function withoutNulls(input: object): object {
  const given: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(input)) {
    if (value === null || value === undefined) continue;
    given[name] = typeof value === 'object' && !Array.isArray(value) ? withoutNulls(value as object) : value;
  }
  return given;
}
