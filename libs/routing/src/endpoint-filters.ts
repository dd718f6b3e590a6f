import { ratesInForce, rateOf, type Meter } from '@switchyard/core';
import { admitsModel, type ModelTarget } from './model-resolution.js';
import { matchesProvider, matchesProviderOrTier, normaliseProviderPattern } from './provider-matching.js';
import type { ExclusionCode } from './routing-plan.js';
import type { MaxPrice, ProviderPreferences, RoutingPolicy, RoutingRequest } from './routing-request.js';
import { priceInForce, type DatedPriceSchedule, type RoutingEndpoint, type RoutingTable } from './routing-table.js';
import { askedTier } from './service-tier.js';

export interface Exclusion {
  readonly code: ExclusionCode;
  readonly detail: string;
}

/** What the filters need to know of a request, worked out once and used for every endpoint. */
export interface FilterContext {
  readonly table: RoutingTable;
  readonly request: RoutingRequest;
  readonly policy: RoutingPolicy;
  readonly acceptTimeMs: number;
  readonly only: readonly string[] | undefined;
  readonly order: readonly string[];
  readonly ignore: readonly string[];
  readonly askedTier: string | undefined;
  readonly accountAllowed: readonly string[] | undefined;
  readonly accountIgnored: readonly string[];
  readonly requiresZdr: boolean;
  readonly deniesCollection: boolean;
  readonly quantizations: ReadonlySet<string> | undefined;
  readonly maxPricePico: readonly PriceCeiling[];
  readonly requiredParameters: readonly string[];
  readonly inputModalities: readonly string[];
  readonly outputModalities: readonly string[];
}

interface PriceCeiling {
  readonly name: string;
  readonly meter: Meter;
  readonly ceilingPico: number;
  readonly limit: number;
}

/** OpenRouter's vocabulary of `supported_parameters`; a name outside it says nothing about an endpoint. */
export const PARAMETER_VOCABULARY: ReadonlySet<string> = new Set(
  (
    'temperature top_p top_k min_p top_a frequency_penalty presence_penalty repetition_penalty max_tokens max_completion_tokens logit_bias logprobs ' +
    'top_logprobs prediction seed response_format structured_outputs stop tools tool_choice parallel_tool_calls include_reasoning reasoning ' +
    'reasoning_effort web_search_options verbosity'
  ).split(' '),
);

/** Parameters that mean the same; an endpoint that takes one of them takes the request. */
const EQUIVALENT_PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  max_tokens: ['max_completion_tokens'],
  max_completion_tokens: ['max_tokens'],
  reasoning: ['reasoning_effort', 'include_reasoning'],
  reasoning_effort: ['reasoning'],
  include_reasoning: ['reasoning'],
  response_format: ['structured_outputs'],
};

const QUANTIZATION_ADMITS: Readonly<Record<string, readonly string[]>> = { fp4: ['fp4', 'mxfp4', 'nvfp4'], fp8: ['fp8', 'mxfp8'] };

export function filterContext(table: RoutingTable, request: RoutingRequest, policy: RoutingPolicy, acceptTimeMs: number): FilterContext {
  const provider = request.provider ?? {};
  const normalised = (pattern: string): string => normaliseProviderPattern(pattern, table.providers);
  return {
    table,
    request,
    policy,
    acceptTimeMs,
    // As with the other lists, an empty one restricts nothing.
    only: provider.only && provider.only.length > 0 ? provider.only.map(normalised) : undefined,
    order: provider.order?.map(normalised) ?? [],
    ignore: provider.ignore?.map(normalised) ?? [],
    askedTier: askedTier(request),
    accountAllowed: policy.allowedProviders?.map(normalised),
    accountIgnored: policy.ignoredProviders?.map(normalised) ?? [],
    requiresZdr: provider.zdr === true || policy.zdr === true,
    deniesCollection: provider.data_collection === 'deny' || policy.dataCollection === 'deny',
    quantizations: quantizationSet(provider),
    maxPricePico: provider.max_price ? priceCeilings(provider.max_price) : [],
    requiredParameters: provider.require_parameters === true ? requiredParameters(request) : [],
    inputModalities: inputModalities(request),
    outputModalities: request.apiType === 'embeddings' ? [] : request.uses.outputModalities,
  };
}

/** Of what has a name in the vocabulary. A schema asks for more than JSON mode, though both come as `response_format`. */
function requiredParameters({ parameters, uses }: RoutingRequest): string[] {
  const known = parameters.filter((name) => PARAMETER_VOCABULARY.has(name));
  return uses.responseFormat === 'json_schema' ? known.map((name) => (name === 'response_format' ? 'structured_outputs' : name)) : known;
}

/** The first rule that keeps an endpoint from serving the request; undefined when it may. */
export function exclusionOf(endpoint: RoutingEndpoint, target: ModelTarget, admittedTiers: ReadonlySet<string>, context: FilterContext): Exclusion | undefined {
  return (
    identityExclusion(endpoint, target, admittedTiers, context) ??
    providerExclusion(endpoint, context) ??
    privacyExclusion(endpoint, target, context) ??
    capabilityExclusion(endpoint, context) ??
    lengthExclusion(endpoint, context) ??
    priceExclusion(endpoint, context)
  );
}

function supportsParameter(endpoint: RoutingEndpoint, name: string): boolean {
  if (endpoint.supportedParameters.size === 0 || endpoint.supportedParameters.has(name)) return true;
  return EQUIVALENT_PARAMETERS[name]?.some((other) => endpoint.supportedParameters.has(other)) ?? false;
}

function identityExclusion(endpoint: RoutingEndpoint, target: ModelTarget, admittedTiers: ReadonlySet<string>, context: FilterContext): Exclusion | undefined {
  if (endpoint.variant !== target.variant) return { code: 'variant', detail: 'Belongs to another variant of the model.' };
  if (endpoint.disabled) return { code: 'disabled', detail: 'Switched off by the operator.' };
  if (!endpoint.hasCredential) return { code: 'no_credential', detail: 'No credential is configured for this provider.' };
  const isEmbedding = endpoint.outputModalities.has('embeddings');
  if (isEmbedding !== (context.request.apiType === 'embeddings')) {
    return { code: 'wrong_endpoint', detail: isEmbedding ? 'Serves embeddings, not chat.' : 'Serves chat, not embeddings.' };
  }
  const { allowedModels } = context.policy;
  if (allowedModels && !admitsModel(context.table, allowedModels, target.model, target.variant)) {
    return { code: 'allowed_models', detail: 'The key does not allow this model.' };
  }
  if (!admittedTiers.has(endpoint.serviceTier) && !isNamedExactly(endpoint, context)) {
    return { code: 'service_tier', detail: 'Belongs to a service tier that the request did not ask for.' };
  }
  return undefined;
}

/** The slug of a provider is the tag of its plain endpoint, too: who writes it names no endpoint. */
function isNamedExactly(endpoint: RoutingEndpoint, context: FilterContext): boolean {
  if (endpoint.tag === endpoint.providerSlug) return false;
  return context.order.includes(endpoint.tag) || (context.only?.includes(endpoint.tag) ?? false);
}

function providerExclusion(endpoint: RoutingEndpoint, context: FilterContext): Exclusion | undefined {
  if (context.accountAllowed && !context.accountAllowed.some((pattern) => matchesProviderOrTier(pattern, endpoint))) {
    return { code: 'allowed_providers', detail: 'The account does not allow this provider.' };
  }
  if (context.only && !context.only.some((pattern) => matchesProvider(pattern, endpoint, context.askedTier))) {
    return { code: 'allowed_providers', detail: 'Not among provider.only.' };
  }
  if (context.accountIgnored.some((pattern) => matchesProviderOrTier(pattern, endpoint))) {
    return { code: 'ignored_providers', detail: 'The account ignores this provider.' };
  }
  if (context.ignore.some((pattern) => matchesProviderOrTier(pattern, endpoint))) return { code: 'ignored_providers', detail: 'Named in provider.ignore.' };
  return undefined;
}

function privacyExclusion(endpoint: RoutingEndpoint, target: ModelTarget, context: FilterContext): Exclusion | undefined {
  const { allowedRegions } = context.policy;
  if (allowedRegions && !allowedRegions.includes(endpoint.region)) return { code: 'geo', detail: 'Outside the allowed regions.' };
  const policy = endpoint.record.dataPolicy;
  if (context.requiresZdr && policy?.zdr !== true) return { code: 'data_policy:zdr', detail: 'Does not promise zero data retention.' };
  // Nothing stated is not a promise.
  if (context.deniesCollection && (!policy || policy.mayTrain || policy.retains)) {
    return { code: 'data_policy:training', detail: 'May keep prompts or train on them.' };
  }
  if (context.request.provider?.enforce_distillable_text === true && !target.model.record.isDistillable) {
    return { code: 'distillable', detail: 'The author does not permit distillation.' };
  }
  return undefined;
}

function capabilityExclusion(endpoint: RoutingEndpoint, context: FilterContext): Exclusion | undefined {
  for (const modality of context.inputModalities) {
    if (endpoint.inputModalities.size > 0 && !endpoint.inputModalities.has(modality)) return { code: 'modality', detail: `Does not take ${modality} input.` };
  }
  for (const modality of context.outputModalities) {
    if (modality !== 'text' && !endpoint.outputModalities.has(modality)) return { code: 'output_modality', detail: `Does not return ${modality}.` };
  }
  if (context.quantizations && !context.quantizations.has(endpoint.quantization)) {
    return { code: 'quantization', detail: `Quantised as ${endpoint.quantization}.` };
  }
  for (const name of context.requiredParameters) {
    if (!supportsParameter(endpoint, name)) return { code: 'require_parameters', detail: `Does not support ${name}.` };
  }
  return undefined;
}

function lengthExclusion(endpoint: RoutingEndpoint, context: FilterContext): Exclusion | undefined {
  const { apiType, promptTokensLeast = 0, maxOutputTokens } = context.request;
  // Each input of a batch has the context to itself; one that is too long the provider refuses.
  if (apiType === 'embeddings') return undefined;
  if (maxOutputTokens !== undefined && endpoint.maxCompletionTokens !== undefined && maxOutputTokens > endpoint.maxCompletionTokens) {
    return { code: 'max_completion_tokens', detail: `Returns at most ${endpoint.maxCompletionTokens} tokens, ${maxOutputTokens} were requested.` };
  }
  const neededTokens = promptTokensLeast + (maxOutputTokens ?? 0);
  if (endpoint.contextLength !== undefined && neededTokens > endpoint.contextLength) {
    return { code: 'context_length', detail: `Holds ${endpoint.contextLength} tokens, at least ${neededTokens} were requested.` };
  }
  if (endpoint.maxPromptTokens !== undefined && promptTokensLeast > endpoint.maxPromptTokens) {
    return { code: 'context_length', detail: `Takes ${endpoint.maxPromptTokens} prompt tokens, at least ${promptTokensLeast} were sent.` };
  }
  return undefined;
}

/** Whether the request is probably too long for it. What is likely excludes nothing: text that is long in bytes may be short in tokens, which the provider counts. */
export function isCramped(endpoint: RoutingEndpoint, { apiType, promptTokensEstimate, maxOutputTokens = 0 }: RoutingRequest): boolean {
  if (apiType === 'embeddings') return false;
  const { contextLength = Number.POSITIVE_INFINITY, maxPromptTokens = Number.POSITIVE_INFINITY } = endpoint;
  return promptTokensEstimate + maxOutputTokens > contextLength || promptTokensEstimate > maxPromptTokens;
}

function priceExclusion(endpoint: RoutingEndpoint, context: FilterContext): Exclusion | undefined {
  const dated = priceInForce(endpoint.chargeSchedules, context.acceptTimeMs);
  if (!dated || dated.blendedPico === undefined || !priceInForce(endpoint.costSchedules, context.acceptTimeMs)) {
    return { code: 'no_price', detail: 'No price is in force; a missing price is never zero.' };
  }
  if (context.maxPricePico.length === 0) return undefined;
  return ceilingExclusion(dated, context);
}

function ceilingExclusion(dated: DatedPriceSchedule, context: FilterContext): Exclusion | undefined {
  const rates = ratesInForce(dated.schedule, context.request.promptTokensEstimate, context.acceptTimeMs);
  for (const ceiling of context.maxPricePico) {
    const ratePico = rateOf(rates, ceiling.meter);
    if (ratePico === undefined) continue;
    const pricePico = (Number(ratePico) * (1_000_000 - dated.schedule.discountMillionths)) / 1_000_000;
    if (pricePico > ceiling.ceilingPico) return { code: 'max_price', detail: `Costs more than ${ceiling.limit} USD for ${ceiling.name}.` };
  }
  return undefined;
}

function priceCeilings(maxPrice: MaxPrice): PriceCeiling[] {
  // Per million tokens: USD/M × 1e12 / 1e6 pico per token. Per unit: USD × 1e12.
  const scales: readonly [keyof MaxPrice, Meter, number][] = [
    ['prompt', 'input_uncached', 1e6],
    ['completion', 'output_text', 1e6],
    ['audio', 'input_audio', 1e6],
    ['request', 'request', 1e12],
    ['image', 'input_image', 1e12],
  ];
  const ceilings: PriceCeiling[] = [];
  for (const [name, meter, scale] of scales) {
    const value = maxPrice[name];
    if (value === undefined) continue;
    const limit = Number(value);
    // Half a pico of tolerance: 0.15 USD/M in binary must not fall below 150,000 pico.
    if (Number.isFinite(limit)) ceilings.push({ name, meter, ceilingPico: limit * scale + 0.5, limit });
  }
  return ceilings;
}

function quantizationSet(provider: ProviderPreferences): ReadonlySet<string> | undefined {
  if (!provider.quantizations || provider.quantizations.length === 0) return undefined;
  return new Set(provider.quantizations.flatMap((name) => QUANTIZATION_ADMITS[name] ?? [name]));
}

function inputModalities(request: RoutingRequest): string[] {
  const modalities: string[] = [];
  if (request.uses.images) modalities.push('image');
  if (request.uses.audio) modalities.push('audio');
  if (request.uses.video) modalities.push('video');
  return modalities;
}
