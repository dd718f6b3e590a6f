import { describe, expect, it } from '@jest/globals';
import { SUPPORTED_PARAMETERS } from '@switchyard/api';
import { common, router } from '@switchyard/proto';
import { catalogEntries, type CatalogEntry } from './catalog-entry.js';
import { selectModels } from './model-filters.js';
import { publicEndpoints, publicModel } from './public-model.js';

const NOW = Date.UTC(2026, 5, 1);

function endpoint(tag: string, promptPico: bigint, fields: Partial<router.Endpoint> = {}): router.Endpoint {
  const schedule = common.PriceSchedule.fromPartial({ revision: 'r', ratesPico: { input_uncached: promptPico, output_text: promptPico } });
  return router.Endpoint.fromPartial({
    endpointId: `acme/writer@${tag}`,
    modelSlug: 'acme/writer',
    tag,
    hasCredential: true,
    outputModalities: ['text'],
    chargeSchedules: [{ startTimeMs: 0n, schedule }],
    ...fields,
  });
}

function entryOf(endpoints: router.Endpoint[]): CatalogEntry {
  const model = router.Model.fromPartial({ slug: 'acme/writer', name: 'Writer', outputModalities: endpoints[0]!.outputModalities });
  return catalogEntries({ models: [model], endpoints, statistics: [] }, NOW)[0]!;
}

describe('a model as clients see it', () => {
  it('takes every parameter where an endpoint names none, as routing has it', () => {
    const entry = entryOf([endpoint('open', 1n), endpoint('strict', 2n, { supportedParameters: ['temperature'] })]);
    expect(publicModel(entry, NOW).supported_parameters).toEqual(SUPPORTED_PARAMETERS);
    expect(publicEndpoints(entry, false, NOW).endpoints.map((shown) => shown.supported_parameters)).toEqual([SUPPORTED_PARAMETERS, ['temperature']]);
    expect(selectModels([entry], { supported_parameters: 'tools,top_k' }, NOW)).toEqual([entry]);
  });

  it('has no parameters where it embeds', () => {
    const entry = entryOf([endpoint('open', 1n, { outputModalities: ['embeddings'] })]);
    expect(publicModel(entry, NOW).supported_parameters).toEqual([]);
  });

  it('costs what its cheapest endpoint of the default tier costs: another tier is paid only by who asks for it', () => {
    const entry = entryOf([
      endpoint('a', 2_000_000n),
      endpoint('b', 3_000_000n, { serviceTier: 'default' }),
      endpoint('a/flex', 1_000_000n, { serviceTier: 'flex' }),
    ]);
    expect(publicModel(entry, NOW).pricing.prompt).toBe('0.000002');
    expect(entry.endpoints.map(({ endpoint: { tag } }) => tag)).toEqual(['a', 'b', 'a/flex']);
    expect(publicEndpoints(entry, false, NOW).endpoints.map((shown) => shown.service_tier)).toEqual([null, null, 'flex']);
    expect(publicModel(entryOf([endpoint('a/flex', 1_000_000n, { serviceTier: 'flex' })]), NOW).pricing.prompt).toBe('0.000001');
  });

  it('costs what is cheapest after the discount, as routing compares', () => {
    const half = common.PriceSchedule.fromPartial({ revision: 'h', ratesPico: { input_uncached: 3n, output_text: 3n }, discountMillionths: 500_000 });
    const entry = entryOf([endpoint('plain', 2n), endpoint('reduced', 3n, { chargeSchedules: [{ startTimeMs: 0n, schedule: half }] })]);
    expect(entry.endpoints.map(({ endpoint: { tag } }) => tag)).toEqual(['reduced', 'plain']);
  });
});
