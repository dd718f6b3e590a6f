import { setTimeout as delay } from 'node:timers/promises';
import { SwitchyardError } from '@switchyard/errors';
import type { CatalogPort, router } from '@switchyard/proto';

/** Small and known to everybody first; any chat model does. */
const PREFERRED = ['openai/gpt-4o-mini', 'openai/gpt-4.1-mini', 'anthropic/claude-haiku-4.5', 'google/gemini-2.5-flash'];
const PAUSE_MS = 250;

/** A model that answers: it reads and writes text, and one of its endpoints has a credential. */
export async function findDemoModel(catalog: CatalogPort, timeoutMs: number): Promise<string> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const { models, endpoints } = await catalog.listModels({}, { timeoutMs: 20_000 });
    const usable = new Set(
      endpoints.filter((endpoint) => endpoint.hasCredential && !endpoint.disabled && endpoint.variant === '').map((endpoint) => endpoint.modelSlug),
    );
    const slugs = models.filter((model) => usable.has(model.slug) && isChatModel(model) && !hasEnded(model)).map((model) => model.slug);
    const chosen = PREFERRED.find((slug) => slugs.includes(slug)) ?? slugs[0];
    if (chosen !== undefined) return chosen;
    if (performance.now() > deadline) {
      throw new SwitchyardError(
        'precondition_failed',
        "No model can be used: set a provider's key, or give the catalogue an endpoint whose provider needs none.",
      );
    }
    await delay(PAUSE_MS);
  }
}

function hasEnded({ expireTimeSeconds }: router.Model): boolean {
  return expireTimeSeconds !== undefined && Number(expireTimeSeconds) * 1000 <= Date.now();
}

function isChatModel(model: router.Model): boolean {
  return model.inputModalities.includes('text') && model.outputModalities.includes('text');
}
