import type { DialectManifest } from '@switchyard/dialects';

/**
 * How a provider knows its caller.
 * - `bearer`: `Authorization: Bearer <credential>`
 * - `header`: the credential alone in the named header
 */
export type Authentication = { readonly kind: 'bearer' } | { readonly kind: 'header'; readonly name: string };

export interface ProviderPolicies {
  readonly privacyPolicyUrl?: string | undefined;
  readonly termsOfServiceUrl?: string | undefined;
  readonly statusPageUrl?: string | undefined;
  /** ISO 3166-1 alpha-2 country of the company. */
  readonly headquarters?: string | undefined;
  /** Countries it serves from, as far as it says. */
  readonly datacenters: readonly string[];
}

/** One provider: the dialect it speaks and where it differs. Plain data; every deviation cites the provider's page. */
export interface ProviderManifest extends DialectManifest {
  /** Lower case, stable: the catalogue and the books refer to it. */
  readonly slug: string;
  /** Display name. */
  readonly name: string;
  /** `gen_ai.provider.name` of spans and metrics. */
  readonly otelProviderName: string;
  /** Without a trailing slash; `{NAME}` stands for the variable of that name. Undefined: the operator runs it, and the catalogue says where. */
  readonly baseUrl: string | undefined;
  readonly authentication: Authentication;
  /** The provider serves callers without a credential too. */
  readonly isCredentialOptional: boolean;
  /** Environment variables that may hold the credential; the first that is set wins. */
  readonly credentialVariables: readonly string[];
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly policies: ProviderPolicies;
}
