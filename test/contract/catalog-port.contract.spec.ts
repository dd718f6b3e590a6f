import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { CatalogPort, RouterPort } from '@switchyard/proto';
import { eventually } from '@switchyard/testing';
import { describePort } from './bindings.js';
import { RouterWithFile } from './router-neighbours.js';
import { firstMessage } from './stream-promises.js';

/** The built-in catalogue, so that answers have the size that they have in use, and own models beside it. */
const CATALOG = `
version: 1
providers:
  - { slug: mine, name: "Mine 🚂", base_url: "http://127.0.0.1:9/v1", credential: none, status_page_url: "https://status.mine.example" }
models:
  - { slug: acme/writer, aliases: [acme/w], name: Writer, context_length: 262144 }
  - { slug: acme/old, name: Old, expires: "2020-01-01T00:00:00Z", successor: acme/writer }
endpoints:
  - { model: acme/writer, provider: mine, provider_model_id: w, prices: { prompt: "9007199254.740993", completion: "1" } }
  - { model: acme/writer, provider: mine, variant: free, provider_model_id: w, prices: { prompt: "0", completion: "0" } }
  - { model: acme/old, provider: mine, provider_model_id: o, prices: { prompt: "1", completion: "1" } }
`;

let fixture: RouterWithFile;

beforeAll(async () => {
  fixture = await RouterWithFile.start(CATALOG);
}, 90_000);

afterAll(() => fixture.close());

describePort(
  CatalogPort,
  () => fixture.target.implementation(CatalogPort),
  ({ port }) => {
    const endpointIds = async (slug: string) => (await port.getModel({ slug })).endpoints.map((endpoint) => endpoint.endpointId);

    it('lists the whole catalogue, the same that the routing table holds', async () => {
      const table = fixture.target.implementation(RouterPort);
      await eventually(async () => {
        const { models, endpoints, providers } = await firstMessage(table.watchRoutingTable({ subscriberId: '' }));
        expect(models.length).toBeGreaterThan(100);
        expect(await port.listModels({})).toEqual({ models, endpoints, statistics: [] });
        expect(await port.listProviders({})).toEqual({ providers });
      });
    });

    it('gives a model by slug and by alias, 64-bit numbers whole', async () => {
      const answer = await port.getModel({ slug: 'acme/writer' });
      expect(answer.model).toMatchObject({ slug: 'acme/writer', name: 'Writer', contextLength: 262_144n });
      expect(answer.endpoints.map(({ chargeSchedules }) => chargeSchedules[0]!.schedule!.ratesPico['input_uncached'])).toEqual([9_007_199_254_740_993n]);
      expect(await port.getModel({ slug: 'acme/w' })).toEqual(answer);
      expect(await port.getModel({ slug: answer.model!.permaslug })).toEqual(answer);
    });

    it('gives the endpoints of the variant that was asked for', async () => {
      const [standard, free] = [await endpointIds('acme/writer'), await endpointIds('acme/writer:free')];
      expect([standard.length, free.length]).toEqual([1, 1]);
      expect(free).not.toEqual(standard);
    });

    it('still shows a model that ended, and its successor', async () => {
      expect((await port.getModel({ slug: 'acme/old' })).model).toMatchObject({
        slug: 'acme/old',
        successorSlug: 'acme/writer',
        expireTimeSeconds: 1_577_836_800n,
      });
    });

    it('knows no model that never was, and names similar ones', async () => {
      await expect(port.getModel({ slug: 'acme/writre' })).rejects.toMatchObject({
        type: 'not_found',
        metadata: { suggestions: expect.arrayContaining(['acme/writer']) },
      });
      for (const slug of ['', '/', ':free', 'acme/writer:extended', 'a\u0000b', 'x'.repeat(10_000)]) {
        await expect(port.getModel({ slug })).rejects.toMatchObject({ type: 'not_found' });
      }
    });

    it('lists providers with the facts that were given', async () => {
      const { providers } = await port.listProviders({});
      expect(providers.find((provider) => provider.slug === 'mine')).toMatchObject({ name: 'Mine 🚂', statusPageUrl: 'https://status.mine.example' });
    });
  },
);
