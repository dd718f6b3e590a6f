import { anthropicManifest } from './anthropic/manifest.js';
import { googleManifest } from './google/manifest.js';
import { openaiManifest } from './openai/manifest.js';
import type { ProviderManifest } from './provider-manifest.js';
import { vllmManifest } from './vllm/manifest.js';

/** Every provider we know, one line each. */
export const PROVIDER_MANIFESTS: readonly ProviderManifest[] = [anthropicManifest, googleManifest, openaiManifest, vllmManifest];

const MANIFESTS_BY_SLUG: ReadonlyMap<string, ProviderManifest> = new Map(PROVIDER_MANIFESTS.map((manifest) => [manifest.slug, manifest]));

/** The manifest of a slug; undefined for providers that only the operator's catalogue knows. */
export function findManifest(slug: string): ProviderManifest | undefined {
  return MANIFESTS_BY_SLUG.get(slug);
}
