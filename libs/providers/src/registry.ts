import { anthropicManifest } from './anthropic/manifest.js';
import { cerebrasManifest } from './cerebras/manifest.js';
import { cloudflareManifest } from './cloudflare/manifest.js';
import { deepinfraManifest } from './deepinfra/manifest.js';
import { deepseekManifest } from './deepseek/manifest.js';
import { fireworksManifest } from './fireworks/manifest.js';
import { googleManifest } from './google/manifest.js';
import { groqManifest } from './groq/manifest.js';
import { leptonManifest } from './lepton/manifest.js';
import { mistralManifest } from './mistral/manifest.js';
import { moonshotManifest } from './moonshot/manifest.js';
import { nebiusManifest } from './nebius/manifest.js';
import { novitaManifest } from './novita/manifest.js';
import { nvidiaManifest } from './nvidia/manifest.js';
import { ollamaManifest } from './ollama/manifest.js';
import { openaiManifest } from './openai/manifest.js';
import { openrouterManifest } from './openrouter/manifest.js';
import { perplexityManifest } from './perplexity/manifest.js';
import type { ProviderManifest } from './provider-manifest.js';
import { qwenManifest } from './qwen/manifest.js';
import { sambanovaManifest } from './sambanova/manifest.js';
import { togetherManifest } from './together/manifest.js';
import { vllmManifest } from './vllm/manifest.js';
import { xaiManifest } from './xai/manifest.js';

/** Every provider we know, one line each. */
export const PROVIDER_MANIFESTS: readonly ProviderManifest[] = [
  anthropicManifest,
  cerebrasManifest,
  cloudflareManifest,
  deepinfraManifest,
  deepseekManifest,
  fireworksManifest,
  googleManifest,
  groqManifest,
  leptonManifest,
  mistralManifest,
  moonshotManifest,
  nebiusManifest,
  novitaManifest,
  nvidiaManifest,
  ollamaManifest,
  openaiManifest,
  openrouterManifest,
  perplexityManifest,
  qwenManifest,
  sambanovaManifest,
  togetherManifest,
  vllmManifest,
  xaiManifest,
];

const MANIFESTS_BY_SLUG: ReadonlyMap<string, ProviderManifest> = new Map(PROVIDER_MANIFESTS.map((manifest) => [manifest.slug, manifest]));

/** The manifest of a slug; undefined for providers that only the operator's catalogue knows. */
export function findManifest(slug: string): ProviderManifest | undefined {
  return MANIFESTS_BY_SLUG.get(slug);
}
