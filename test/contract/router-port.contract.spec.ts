import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { analytics, RouterPort, type router } from '@switchyard/proto';
import { eventually } from '@switchyard/testing';
import { describePort } from './bindings.js';
import { RouterWithFile } from './router-neighbours.js';
import { firstMessage, itKeepsStreamPromises, StreamReading } from './stream-promises.js';

type TableMessage = router.WatchRoutingTableResponse;

/** 9 007 199 254 740 993 pico-USD for a token: more than a double can hold exactly. */
const ODD_PRICE = '9007199254.740993';
const ODD_PICO = 9_007_199_254_740_993n;
const WRITER = 'acme/writer@mine';

const catalogWith = (endpoints: string): string => `
version: 1
built_in: false
providers:
  - { slug: mine, name: Mine, base_url: "http://127.0.0.1:9/v1", credential: none }
  - { slug: theirs, name: Theirs, base_url: "http://127.0.0.1:9/v1" }
models:
  - { slug: acme/writer, aliases: [acme/w], name: "Writer 🚂" }
  - { slug: acme/reader, name: Reader }
endpoints:
  - { model: acme/writer, provider: mine, provider_model_id: w, prices: { prompt: "${ODD_PRICE}", completion: "1" } }
  - { model: acme/writer, provider: theirs, provider_model_id: w, prices: { prompt: "2", completion: "2" } }
${endpoints}
`;
const READER = '  - { model: acme/reader, provider: mine, provider_model_id: r, prices: { prompt: "0.5", completion: "0.5" } }';
const CATALOG = catalogWith(READER);

const REQUEST = {
  model: 'acme/w',
  apiType: 'chat',
  stream: false,
  parameters: [],
  uses: { tools: false, verbosity: false, reasoning: false, images: false, audio: false, files: false, video: false, outputModalities: [] },
  promptTokensEstimate: 10,
};

let fixture: RouterWithFile;

beforeAll(async () => {
  fixture = await RouterWithFile.start(CATALOG);
}, 90_000);

afterAll(() => fixture.close());

describePort(
  RouterPort,
  () => fixture.target.implementation(RouterPort),
  ({ binding, port, openCalls }) => {
    const watch = (signal?: AbortSignal): AsyncIterable<TableMessage> => port.watchRoutingTable({ subscriberId: 'ingress' }, { signal });
    const decide = async (request: object, acceptTimeMs = 0n) => {
      const { planJson, tableVersion } = await port.decide({ requestJson: JSON.stringify(request), acceptTimeMs });
      return { plan: JSON.parse(planJson) as unknown, tableVersion };
    };
    const endpointsOf = (messages: readonly TableMessage[], endpointId: string): router.Endpoint[] =>
      messages.flatMap(({ endpoints }) => endpoints).filter((endpoint) => endpoint.endpointId === endpointId);

    beforeEach(async () => {
      await fixture.writeCatalog(CATALOG);
      fixture.setCredentialed('theirs', false);
      await firstMessage(watch(), ({ isSnapshot, endpoints }) => isSnapshot && endpoints.length > 0);
      await eventually(async () => {
        const { models, endpoints } = await firstMessage(watch());
        expect([models.length, endpoints.length, endpoints.some((endpoint) => endpoint.providerSlug === 'theirs' && endpoint.hasCredential)]).toEqual([
          2,
          3,
          false,
        ]);
      });
    });

    it('begins with a snapshot of everything', async () => {
      const snapshot = await firstMessage(watch());
      expect(snapshot).toMatchObject({ isSnapshot: true, removedModelSlugs: [], removedEndpointIds: [] });
      expect(snapshot.version).toBeGreaterThan(0n);
      expect(snapshot.models.map((model) => [model.slug, model.name])).toEqual(expect.arrayContaining([['acme/writer', 'Writer 🚂']]));
      expect(snapshot.providers.map((provider) => provider.slug)).toEqual(expect.arrayContaining(['mine', 'theirs']));
      const [endpoint] = endpointsOf([snapshot], WRITER);
      expect(endpoint).toMatchObject({ modelSlug: 'acme/writer', providerName: 'Mine', providerModelId: 'w', hasCredential: true });
      expect(endpoint!.chargeSchedules.map(({ schedule }) => schedule!.ratesPico['input_uncached'])).toEqual([ODD_PICO]);
      expect([endpoint!.contextLength, endpoint!.maxPromptTokens]).toEqual([undefined, undefined]);
    });

    it('goes on with one message per version, at least as signs of life', async () => {
      const reading = new StreamReading(watch);
      await eventually(() => expect(reading.messages.length).toBeGreaterThanOrEqual(5));
      await reading.stop();
      const [first, ...rest] = reading.messages;
      expect(rest.map(({ version }) => version - first!.version)).toEqual(rest.map((_message, index) => BigInt(index + 1)));
      expect(rest.filter(({ isSnapshot }) => isSnapshot)).toEqual([]);
      for (const { serverTimeMs } of reading.messages) expect(Math.abs(Number(serverTimeMs) - Date.now())).toBeLessThan(600_000);
    });

    it('sends what changed in the catalogue, and what is gone', async () => {
      const reading = new StreamReading(watch);
      await eventually(() => expect(reading.messages.length).toBeGreaterThan(0));
      await fixture.writeCatalog(catalogWith('  - { model: acme/new, provider: mine, provider_model_id: n, prices: { prompt: "0", completion: "0" } }'));
      const change = await eventually(() => {
        const found = reading.messages.find(({ endpoints, isSnapshot }) => !isSnapshot && endpoints.length > 0);
        expect(found).toBeDefined();
        return found!;
      });
      await reading.stop();
      expect(change.endpoints.map((endpoint) => endpoint.endpointId)).toEqual(['acme/new@mine']);
      expect(change.models.map((model) => model.slug)).toContain('acme/new');
      expect(change.removedEndpointIds).toEqual(['acme/reader@mine']);
      const snapshot = await firstMessage(watch());
      expect(snapshot.version).toBeGreaterThanOrEqual(change.version);
      expect(snapshot.endpoints.map((endpoint) => endpoint.endpointId).sort()).toEqual(['acme/new@mine', WRITER, 'acme/writer@theirs']);
    });

    it('sends credentials as they come and go, and statistics with all their digits', async () => {
      const reading = new StreamReading(watch);
      await eventually(() => expect(reading.messages.length).toBeGreaterThan(0));
      fixture.setCredentialed('theirs', true);
      const entry = analytics.EndpointStatistics.fromPartial({
        endpointId: WRITER,
        last5m: { successCount: ODD_PICO },
        recentFailureCount: BigInt(binding.length),
      });
      fixture.pushStatistics(analytics.WatchEndpointStatisticsResponse.fromPartial({ endpoints: [entry] }));
      await eventually(() => expect(endpointsOf(reading.messages, 'acme/writer@theirs').at(-1)).toMatchObject({ hasCredential: true }));
      await eventually(() => expect(reading.messages.flatMap(({ statistics }) => statistics)).toContainEqual(entry));
      await reading.stop();
      expect((await firstMessage(watch())).statistics).toEqual([entry]);
    });

    it('shows all subscribers the same versions', async () => {
      const readings = [new StreamReading(watch), new StreamReading(watch)];
      for (const reading of readings) await eventually(() => expect(reading.messages.length).toBeGreaterThanOrEqual(4));
      await Promise.all(readings.map((reading) => reading.stop()));
      const [deltas, others] = readings.map(
        ({ messages }) => new Map(messages.filter(({ isSnapshot }) => !isSnapshot).map((message) => [message.version, message])),
      );
      const shared = [...deltas!.keys()].filter((version) => others!.has(version));
      expect(shared.length).toBeGreaterThan(0);
      for (const version of shared) expect(deltas!.get(version)).toEqual(others!.get(version));
    });

    itKeepsStreamPromises(watch, openCalls);

    it('decides: the order, the price, and why each other endpoint was not chosen', async () => {
      const { plan, tableVersion } = await decide(REQUEST);
      expect(tableVersion).toBeGreaterThan(0n);
      expect(plan).toMatchObject({
        decision: 'plan',
        candidates: [{ endpoint_id: WRITER, model: 'acme/writer', pricing: { prompt: '9007.199254740993' } }],
        excluded: [{ endpoint_id: 'acme/writer@theirs' }],
      });
      fixture.setCredentialed('theirs', true);
      await eventually(async () =>
        expect((await decide({ ...REQUEST, provider: { sort: 'price' } })).plan).toMatchObject({ candidates: [{ endpoint_id: 'acme/writer@theirs' }, {}] }),
      );
    });

    it('answers with a refusal where nothing can serve', async () => {
      expect((await decide({ ...REQUEST, model: 'acme/nothing' })).plan).toMatchObject({ decision: 'refusal', error: { code: expect.any(Number) } });
      expect((await decide({ ...REQUEST, provider: { only: ['nobody'] } })).plan).toMatchObject({ decision: 'refusal', error: { code: 404 } });
    });

    it.each([
      ['no JSON', '{'],
      ['what is no request', '[]'],
      ['a field of another kind', JSON.stringify({ ...REQUEST, model: 7 })],
      ['a list that is too long', JSON.stringify({ ...REQUEST, models: Array.from({ length: 1_001 }, () => 'acme/w') })],
    ])('refuses to decide on %s', async (_what, requestJson) => {
      await expect(port.decide({ requestJson, acceptTimeMs: 0n })).rejects.toMatchObject({ type: 'invalid_request' });
    });
  },
);
