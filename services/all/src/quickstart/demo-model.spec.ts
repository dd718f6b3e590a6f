import { describe, expect, it } from '@jest/globals';
import { router, type CatalogPort } from '@switchyard/proto';
import { findDemoModel } from './demo-model.js';

const DAY_SECONDS = 86_400n;
const nowSeconds = BigInt(Math.floor(Date.now() / 1000));

function catalogOf(models: readonly { readonly slug: string; readonly expireTimeSeconds?: bigint; readonly hasCredential?: boolean }[]): CatalogPort {
  const answer = router.ListModelsResponse.fromPartial({
    models: models.map(({ slug, expireTimeSeconds }) => ({ slug, expireTimeSeconds, inputModalities: ['text'], outputModalities: ['text'] })),
    endpoints: models.map(({ slug, hasCredential = true }) => ({ endpointId: `${slug}@acme`, modelSlug: slug, hasCredential })),
  });
  return { listModels: () => Promise.resolve(answer) } as Partial<CatalogPort> as CatalogPort;
}

describe('findDemoModel', () => {
  it('names one that somebody serves and that has not ended', async () => {
    const models = [
      { slug: 'acme/without-credential', hasCredential: false },
      { slug: 'acme/ended', expireTimeSeconds: nowSeconds - DAY_SECONDS },
      { slug: 'acme/ends-later', expireTimeSeconds: nowSeconds + DAY_SECONDS },
      { slug: 'acme/writer' },
    ];
    expect(await findDemoModel(catalogOf(models), 1)).toBe('acme/ends-later');
    expect(await findDemoModel(catalogOf([...models, { slug: 'openai/gpt-4o-mini' }]), 1)).toBe('openai/gpt-4o-mini');
  });

  it('says what to do when there is none', async () => {
    await expect(findDemoModel(catalogOf([{ slug: 'acme/ended', expireTimeSeconds: nowSeconds - DAY_SECONDS }]), 1)).rejects.toThrow(/^No model can be used: /);
  });
});
