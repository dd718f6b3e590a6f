import { describe, expect, it } from '@jest/globals';
import { call, MODELS, type Fixture } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';

interface Model {
  readonly id: string;
  readonly pricing: { readonly prompt: string; readonly completion: string };
  readonly context_length: number | null;
}
interface ModelPage {
  readonly data: readonly Model[];
  readonly total_count: number;
  readonly links: { readonly next: string | null };
}

/** Models that filters of the model list can tell apart; whoever runs the suite serves them beside the usual ones. */
export const LISTED_MODELS = [
  ...Object.values(MODELS).map((slug) => ({ slug, name: slug, context_length: 200_000, reasoning: true })),
  {
    slug: 'acme/atlas',
    name: 'Atlas of everything',
    context_length: 1_000_000,
    created: '2020-01-01',
    family: 'atlas',
    is_distillable: true,
    input_modalities: ['text', 'file'],
  },
  { slug: 'studio/scout', name: 'Scout', created: new Date().toISOString().slice(0, 10), input_modalities: ['text'] },
  { slug: 'studio/pixel', name: 'Pixel', output_modalities: ['image'] },
] as const;

export const LISTED_ENDPOINTS = [
  {
    model: 'acme/atlas',
    prices: { prompt: '10', completion: '30' },
    context_length: 1_000_000,
    region: 'eu-west',
    data_policy: { may_train: false, retains: false, zdr: true },
    input_modalities: ['text', 'file'],
  },
  { model: 'studio/scout', prices: { prompt: '1', completion: '2' }, supported_parameters: ['temperature'], input_modalities: ['text'] },
  { model: 'studio/pixel', prices: { prompt: '1', completion: '2' }, output_modalities: ['image'] },
  { model: MODELS.writer, variant: 'free', prices: { prompt: '0', completion: '0' } },
];

const ATLAS = 'acme/atlas';
const SCOUT = 'studio/scout';
const FREE = `${MODELS.writer}:free`;

/** `GET /models`: filters, orders, pages. */
export function modelListSuite(fixture: () => Fixture): void {
  const list = (query: string) => call<ModelPage>(fixture().platform.baseUrl, `/models${query}`);
  const idsOf = async (query: string) => (await list(query)).body.data.map((model) => model.id);

  describe('the list of models', () => {
    it.each<[string, string[]]>([
      ['q=ATLAS', [ATLAS]],
      ['q=everything', [ATLAS]],
      ['min_price=5', [ATLAS]],
      ['max_price=0.05', [FREE]],
      ['min_output_price=20', [ATLAS]],
      ['max_output_price=0.2', [MODELS.novelist, FREE]],
      ['arch=atlas', [ATLAS]],
      ['model_authors=studio', [SCOUT]],
      ['providers=anthropic-sim', [MODELS.thinker]],
      ['providers=anthropic-sim,gemini-sim', [MODELS.seer, MODELS.thinker]],
      ['distillable=true', [ATLAS]],
      ['zdr=true', [ATLAS]],
      ['region=eu', [ATLAS]],
      ['region=us', []],
      ['max_age_days=30', [SCOUT]],
      ['input_modalities=file', [ATLAS]],
      ['output_modalities=image', ['studio/pixel']],
      ['output_modalities=embeddings', [MODELS.embedder]],
      ['category=programming', []],
      ['min_intelligence_index=1', []],
      ['q=atlas&max_price=5', []],
    ])('is narrowed by %s [M02]', async (query, expected) => {
      const { body } = await list(`?${query}`);
      expect(body.data.map((model) => model.id).sort()).toEqual([...expected].sort());
      expect(body.total_count).toBe(expected.length);
      expect((await call(fixture().platform.baseUrl, `/models/count?${query}`)).body).toEqual({ data: { count: expected.length } });
    });

    it('is narrowed by what models can do and by their age, by what they cannot do not [M02]', async () => {
      const { data } = (await list('')).body;
      const all = data.map((model) => model.id);
      const roomy = data.filter((model) => (model.context_length ?? 0) >= 1_000_000).map((model) => model.id);
      expect(roomy).toContain(ATLAS);
      expect(roomy).not.toContain(MODELS.writer);
      expect(await idsOf('?context=1000000')).toEqual(roomy);
      expect(all).not.toContain('studio/pixel');
      expect(all).not.toContain(MODELS.embedder);
      expect(await idsOf('?supported_parameters=seed,tools')).toEqual(all.filter((id) => id !== SCOUT));
      expect(await idsOf('?min_age_days=30')).toEqual(all.filter((id) => id !== SCOUT));
      expect(await idsOf('?distillable=false')).toEqual(all.filter((id) => id !== ATLAS));
      expect((await idsOf('?output_modalities=all')).length).toBe(all.length + 2);
    });

    it('is ordered as asked; equals keep their order, and so do repeated calls [M02]', async () => {
      const { data } = (await list('')).body;
      const priceOf = (model: Model) => (Number(model.pricing.prompt) + Number(model.pricing.completion)) / 2;
      const sorted = (measure: (model: Model) => number) => [...data].sort((left, right) => measure(left) - measure(right)).map((model) => model.id);
      const orders: [string, string[]][] = [
        ['pricing-low-to-high', sorted(priceOf)],
        ['pricing-high-to-low', sorted((model) => -priceOf(model))],
        ['context-high-to-low', sorted((model) => -(model.context_length ?? 0))],
      ];
      for (const [sort, expected] of orders) {
        expect([sort, await idsOf(`?sort=${sort}`)]).toEqual([sort, expected]);
        expect(await idsOf(`?sort=${sort}`)).toEqual(expected);
      }
      expect((await idsOf('?sort=newest'))[0]).toBe(SCOUT);
      // Nobody has these benchmarks: the order stays.
      expect(await idsOf('?sort=intelligence-high-to-low')).toEqual(data.map((model) => model.id));
      expect((await list('?sort=alphabetical')).status).toBe(400);
    });

    it('puts what has been measured before what has not [M02]', async () => {
      const { baseUrl, apiKey } = fixture().platform;
      for (let count = 0; count < 3; count++) {
        await call(baseUrl, '/chat/completions', { key: apiKey, body: { model: SCOUT, stream: true, messages: [{ role: 'user', content: 'say 200 words' }] } });
      }
      await eventually(
        async () => {
          expect(await idsOf('?sort=most-popular')).toContain(SCOUT);
          const measured = await call<{ data: { endpoints: { latency_last_30m: unknown }[] } }>(baseUrl, `/models/${SCOUT}/endpoints`, { key: apiKey });
          expect(measured.body.data.endpoints[0]!.latency_last_30m).not.toBeNull();
        },
        { timeoutMs: 20_000 },
      );
      for (const sort of ['latency-low-to-high', 'throughput-high-to-low', 'most-popular', 'top-weekly']) {
        await eventually(async () => {
          const ids = await idsOf(`?sort=${sort}`);
          expect([sort, ids.indexOf(SCOUT) < ids.indexOf(ATLAS)]).toEqual([sort, true]);
        });
      }
    });

    it('has pages that together are the whole, each with the link to the next [M03]', async () => {
      const all = await idsOf('');
      const origin = new URL(fixture().platform.baseUrl).origin;
      const seen: string[] = [];
      let next: string | null = '/api/v1/models?limit=3';
      while (next !== null && seen.length < all.length) {
        const page: ModelPage = (await call<ModelPage>(origin, next)).body;
        expect(page.total_count).toBe(all.length);
        seen.push(...page.data.map((model) => model.id));
        next = page.links.next;
      }
      expect(seen).toEqual(all);
      expect(next).toBeNull();
      expect(await idsOf('?offset=2&limit=2')).toEqual(all.slice(2, 4));
      expect((await list(`?offset=${all.length}`)).body).toMatchObject({ data: [], total_count: all.length, links: { next: null } });
      expect((await list('?providers=alpha&limit=1')).body.links.next).toContain('providers=alpha');
      for (const wrong of ['limit=0', 'limit=1001', 'offset=-1', 'limit=ten']) expect([wrong, (await list(`?${wrong}`)).status]).toEqual([wrong, 400]);
    });
  });
}
