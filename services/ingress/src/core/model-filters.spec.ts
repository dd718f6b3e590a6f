import { describe, expect, it } from '@jest/globals';
import { common, router } from '@switchyard/proto';
import { catalogEntries } from './catalog-entry.js';
import { selectModels } from './model-filters.js';

describe('selectModels', () => {
  it.each(['google', 'Google', 'google-ai-studio', 'google ai studio', 'gemini'])('finds the models of a provider that is called %s', (providers) => {
    const endpoint = (modelSlug: string, providerSlug: string): router.Endpoint =>
      router.Endpoint.fromPartial({
        endpointId: `${modelSlug}@${providerSlug}`,
        modelSlug,
        providerSlug,
        providerName: providerSlug.toUpperCase(),
        hasCredential: true,
        chargeSchedules: [{ startTimeMs: 0n, schedule: common.PriceSchedule.fromPartial({ ratesPico: { input_uncached: 1n, output_text: 1n } }) }],
      });
    const models = ['acme/seer', 'acme/writer'].map((slug) => router.Model.fromPartial({ slug, outputModalities: ['text'] }));
    const entries = catalogEntries({ models, endpoints: [endpoint('acme/seer', 'google'), endpoint('acme/writer', 'openai')], statistics: [] }, 1);
    expect(selectModels(entries, { providers }, 1).map(({ id }) => id)).toEqual(['acme/seer']);
  });
});
