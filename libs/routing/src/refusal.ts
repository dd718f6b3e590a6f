import { publicModelId } from '@switchyard/core';
import type { ModelResolution } from './model-resolution.js';
import type { Availability, AvailabilityCode, ExcludedEndpoint, ExclusionCode, RoutingRefusal } from './routing-plan.js';

/** Codes that say how the platform is set up, not what the request asked: they count only when nothing else excluded. */
const SETUP_CODES: ReadonlySet<ExclusionCode> = new Set(['variant', 'snapshot', 'disabled', 'no_credential', 'no_price', 'service_tier']);

/** Codes of endpoints that nobody wanted: why the wanted ones cannot serve says more. */
const UNWANTED_CODES: ReadonlySet<ExclusionCode> = new Set(['allowed_providers', 'ignored_providers', 'allow_fallbacks']);

/** Request fields whose constraint can by itself leave nothing. */
const CONSTRAINT_FIELDS: Readonly<Partial<Record<ExclusionCode, string>>> = {
  max_price: 'max_price',
  quantization: 'quantizations',
  require_parameters: 'require_parameters',
  distillable: 'enforce_distillable_text',
  context_length: 'messages',
  max_completion_tokens: 'max_tokens',
  modality: 'messages',
  output_modality: 'modalities',
};

const EXCLUDED_BY: Readonly<Partial<Record<ExclusionCode, string>>> = { ignored_providers: 'allowed_providers' };

const PRIVACY_MESSAGE = 'No endpoints available matching your guardrail restrictions and data policy.';

/** A refusal for the first requested name that cannot be resolved. */
export function unresolvedRefusal(
  requested: string,
  resolution: Exclude<ModelResolution, { kind: 'found' }>,
  modelsRequested: readonly string[],
): RoutingRefusal {
  switch (resolution.kind) {
    case 'unknown': {
      if (requested === '') return refusal('invalid_request', 400, 'model_not_found', 'No model was named: give model or models.', modelsRequested, {});
      const hint = resolution.suggestions.length > 0 ? ` Did you mean ${resolution.suggestions.join(' or ')}?` : '';
      return refusal('invalid_request', 400, 'model_not_found', `${requested} is not a valid model ID.${hint}`, modelsRequested, {
        fallback_models: resolution.suggestions,
      });
    }
    case 'ambiguous': {
      const choices = resolution.slugs.slice(0, 5).join(', ');
      return refusal('invalid_request', 400, 'model_not_found', `${requested} may mean several models: ${choices}. Write author/slug.`, modelsRequested, {
        fallback_models: resolution.slugs,
      });
    }
    case 'expired': {
      const { slug, successorSlug } = { slug: resolution.model.slug, successorSlug: resolution.model.record.successorSlug };
      const hint = successorSlug === '' ? '' : ` Its successor is ${successorSlug}.`;
      return refusal('not_found', 404, 'model_deprecated', `${slug} is no longer available.${hint}`, modelsRequested, {
        fallback_models: successorSlug === '' ? [] : [successorSlug],
      });
    }
    case 'variant_missing':
      return variantRefusal(resolution.model.slug, resolution.variant, resolution.model.record.freeVariantEnded, modelsRequested);
  }
}

/** A refusal for a model that always reasons, when the request forbids it. */
export function mandatoryReasoningRefusal(slug: string, modelsRequested: readonly string[]): RoutingRefusal {
  const message = `Reasoning is mandatory for ${slug} and cannot be disabled. Choose another reasoning effort.`;
  return refusal('invalid_request', 400, 'constraint_filtered', message, modelsRequested, {
    constraint: { field: 'reasoning.effort', detail: 'The model always reasons.' },
  });
}

/** A refusal when every endpoint of every requested model was excluded. */
export function exhaustedRefusal(excluded: readonly ExcludedEndpoint[], modelsRequested: readonly string[]): RoutingRefusal {
  const meaningful = excluded.filter((endpoint) => !SETUP_CODES.has(endpoint.code));
  const considered = meaningful.length > 0 ? meaningful : excluded.filter((endpoint) => endpoint.code !== 'variant');
  const shared = {
    excluded_by: [...new Set(considered.map(({ code }) => EXCLUDED_BY[code] ?? code))],
    affected_providers: [...new Set(considered.map((endpoint) => endpoint.providerName))],
  };
  const names = modelsRequested.join(', ');
  const wanted = considered.filter((endpoint) => !UNWANTED_CODES.has(endpoint.code));
  const explaining = wanted.length > 0 ? wanted : considered;
  const codes = [...new Set(explaining.map((endpoint) => endpoint.code))];
  if (codes.length === 0 && excluded.length > 0) {
    const variants = [...new Set(excluded.map((endpoint) => endpoint.endpointId.split('@', 1)[0]!))];
    const message = `${names} has no standard endpoints. Use ${variants.join(' or ')}.`;
    return { ...refusal('not_found', 404, 'no_endpoints', message, modelsRequested, { excluded_by: [], fallback_models: variants }), excluded };
  }
  const single = codes.length === 1 ? codes[0] : undefined;
  const isPrivacy = codes.length > 0 && codes.every((code) => code.startsWith('data_policy:'));
  if (isPrivacy) return { ...refusal('not_found', 404, 'privacy_restricted', `${PRIVACY_MESSAGE} Model: ${names}.`, modelsRequested, shared), excluded };
  if (single === 'geo')
    return { ...refusal('permission_denied', 403, 'region_restricted', `No endpoint of ${names} is in an allowed region.`, modelsRequested, shared), excluded };
  if (single === 'wrong_endpoint') {
    const message = `${names} cannot be used with this API: ${lowerFirst(explaining[0]!.detail)}`;
    return { ...refusal('invalid_request', 400, 'wrong_endpoint', message, modelsRequested, shared), excluded };
  }
  const constraint = constraintOf(explaining, codes);
  const endpoints = explaining.length < considered.length ? `${names} that may be asked` : names;
  if (constraint) return { ...constraintRefusal(constraint, endpoints, explaining, modelsRequested, shared), excluded };
  return { ...refusal('not_found', 404, 'no_endpoints', noEndpointsMessage(codes, names), modelsRequested, shared), excluded };
}

interface Constraint {
  readonly code: ExclusionCode;
  readonly field: string;
}

/** The request's own constraint that excluded most, when nothing but such constraints excluded. */
function constraintOf(considered: readonly ExcludedEndpoint[], codes: readonly ExclusionCode[]): Constraint | undefined {
  if (codes.length === 0 || !codes.every((code) => CONSTRAINT_FIELDS[code] !== undefined)) return undefined;
  const counts = codes.map((code) => ({ code, count: considered.filter((endpoint) => endpoint.code === code).length }));
  counts.sort((left, right) => right.count - left.count);
  const { code } = counts[0]!;
  return { code, field: CONSTRAINT_FIELDS[code]! };
}

function constraintRefusal(
  constraint: Constraint,
  endpoints: string,
  considered: readonly ExcludedEndpoint[],
  modelsRequested: readonly string[],
  shared: Partial<Availability>,
): RoutingRefusal {
  const detail = considered.find((endpoint) => endpoint.code === constraint.code)!.detail;
  const extra = { ...shared, constraint: { field: constraint.field, detail } };
  if (constraint.code === 'context_length') {
    return refusal(
      'context_length_exceeded',
      400,
      'constraint_filtered',
      `The request is too long for every endpoint of ${endpoints}. ${detail} Reduce the length of the messages or of the completion.`,
      modelsRequested,
      extra,
    );
  }
  if (constraint.code === 'max_completion_tokens') {
    return refusal(
      'max_tokens_exceeded',
      400,
      'constraint_filtered',
      `max_tokens is too large for every endpoint of ${endpoints}. ${detail}`,
      modelsRequested,
      extra,
    );
  }
  return refusal('not_found', 404, 'constraint_filtered', `No endpoint of ${endpoints} fits ${constraint.field}. ${detail}`, modelsRequested, extra);
}

function noEndpointsMessage(codes: readonly ExclusionCode[], names: string): string {
  if (codes.length === 0) return `No endpoints found for ${names}.`;
  if (codes.every((code) => SETUP_CODES.has(code))) {
    const isUnconfigured = codes.includes('no_credential');
    return isUnconfigured ? `No provider of ${names} is configured: the operator has to add a credential for one.` : `No endpoint of ${names} is in service.`;
  }
  if (codes.includes('allowed_models') || codes.some((code) => code.startsWith('data_policy:'))) return `${PRIVACY_MESSAGE} Model: ${names}.`;
  if (codes.every((code) => code === 'allowed_providers' || code === 'ignored_providers')) return `No allowed providers are available for ${names}.`;
  if (codes.every((code) => code === 'allow_fallbacks')) return `No provider that provider.order names offers ${names}, and provider.allow_fallbacks is false.`;
  return `No endpoints found for ${names} that match the request.`;
}

function variantRefusal(slug: string, variant: string, freeVariantEnded: boolean, modelsRequested: readonly string[]): RoutingRefusal {
  const name = publicModelId(slug, variant);
  if (variant === 'free' && freeVariantEnded) {
    return refusal('not_found', 404, 'free_variant_ended', `The free variant of ${slug} has ended. Use ${slug} instead.`, modelsRequested, {
      fallback_models: [slug],
    });
  }
  return refusal('invalid_request', 400, 'model_not_found', `${name} is not a valid model ID. Did you mean ${slug}?`, modelsRequested, {
    fallback_models: [slug],
  });
}

function refusal(
  errorType: RoutingRefusal['errorType'],
  httpStatus: number,
  code: AvailabilityCode,
  message: string,
  modelsRequested: readonly string[],
  extra: Partial<Availability>,
): RoutingRefusal {
  const availability: Availability = { code, retryable: false, requested_models: modelsRequested, ...extra };
  return { errorType, httpStatus, message, availability, excluded: [], modelsRequested };
}

function lowerFirst(text: string): string {
  return `${text.charAt(0).toLowerCase()}${text.slice(1)}`;
}
