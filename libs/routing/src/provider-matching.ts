import type { RoutingEndpoint, RoutingTable } from './routing-table.js';

/** Other slugs under which clients know a provider. */
const PROVIDER_ALIASES: Readonly<Record<string, string>> = {
  'google-ai-studio': 'google',
  'google ai studio': 'google',
  gemini: 'google',
  togetherai: 'together',
  'fireworks-ai': 'fireworks',
  'x-ai': 'xai',
  moonshotai: 'moonshot',
  'moonshot ai': 'moonshot',
  alibaba: 'qwen',
  'workers-ai': 'cloudflare',
  'nvidia-nim': 'nvidia',
  'nebius-ai-studio': 'nebius',
};

/** Lower case, aliases replaced, unless one of `providers` has that slug itself; a `/variant`, `/region` or `/tier` part stays. */
export function normaliseProviderPattern(pattern: string, providers: { has(slug: string): boolean }): string {
  const text = pattern.trim().toLowerCase();
  const slash = text.indexOf('/');
  const base = slash < 0 ? text : text.slice(0, slash);
  const rest = slash < 0 ? '' : text.slice(slash);
  return providers.has(base) ? text : `${PROVIDER_ALIASES[base] ?? base}${rest}`;
}

/**
 * A full slug names one endpoint. A base slug (or display name) names every region and variant of the provider, yet
 * none of its service tiers, which cost more or wait longer, but the one that the request asks for.
 */
export function matchesProvider(normalisedPattern: string, endpoint: RoutingEndpoint, askedTier: string | undefined): boolean {
  if (normalisedPattern === endpoint.tag) return true;
  return (endpoint.serviceTier === 'default' || endpoint.serviceTier === askedTier) && isProvider(normalisedPattern, endpoint);
}

/** As `matchesProvider`, tiers included: for rules that keep a provider away. */
export function matchesProviderOrTier(normalisedPattern: string, endpoint: RoutingEndpoint): boolean {
  return normalisedPattern === endpoint.tag || isProvider(normalisedPattern, endpoint);
}

function isProvider(normalisedPattern: string, endpoint: RoutingEndpoint): boolean {
  return normalisedPattern === endpoint.providerSlug || normalisedPattern === endpoint.providerName.toLowerCase();
}

/** Whether the base of a name as a client writes it is a provider of the table. */
export function isKnownProvider(table: RoutingTable, name: string): boolean {
  const base = normaliseProviderPattern(name, table.providers).split('/', 1)[0]!;
  if (table.providers.has(base)) return true;
  for (const provider of table.providers.values()) if (provider.name.toLowerCase() === base) return true;
  return false;
}
