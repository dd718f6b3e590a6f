import { describe, expect, it } from '@jest/globals';
import { call, eventsOf, type Fixture } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';
import { RoutingClient, type Answer } from './routing-client.js';

const TOOL = { type: 'function', function: { name: 'look_up', parameters: { type: 'object', properties: {} } } };

/** Which endpoints may serve a request, and in what order. */
export function routingSuite(fixture: () => Fixture): void {
  const client = new RoutingClient(fixture);

  describe('a model name', () => {
    it.each(['acme/poet-2', 'verse', 'acme/verse', 'poet-2', '~acme/poet-latest', 'acme/poet', 'ACME/Poet-2', 'acme/poet-2:nitro'])(
      'resolves: %s, and the answer names the concrete model [R01]',
      async (name) => {
        const answer = await client.chat('', undefined, { model: name });
        expect([answer.status, answer.body.model]).toEqual([200, 'acme/poet-2']);
      },
    );

    it('with the day of a snapshot asks for that snapshot who serves it, and answer, record, decision and model page name it [R01]', async () => {
      const { baseUrl, apiKey: key } = client.platform;
      const answer = await client.chat('dated-2026-02-01');
      expect([answer.status, answer.body.model, answer.body.provider]).toEqual([200, 'acme/dated-2026-02-01', 'Alpha']);
      expect(fixture().upstreams['alpha']!.lastBody()).toMatchObject({ model: 'dated-of-february' });
      const { prompt_tokens: promptTokens, completion_tokens: completionTokens, cost } = answer.body.usage;
      expect(cost).toBeCloseTo(((promptTokens + completionTokens) * 2) / 1e6, 12);
      await eventually(async () => {
        const record = await call<{ data: object }>(baseUrl, `/generation?id=${answer.body.id}`, { key });
        expect(record.body.data).toMatchObject({
          model: 'acme/dated-2026-02-01',
          provider_name: 'Alpha',
          total_cost: cost,
        });
      });
      const { candidates, excluded } = await client.decide('dated-2026-02-01');
      expect(candidates.map(({ endpoint_id: id, model }) => [id, model])).toEqual([['acme/dated-2026-02-01@alpha', 'acme/dated-2026-02-01']]);
      expect(excluded.map(({ endpoint_id: id, code }) => [id, code])).toEqual([['acme/dated@beta', 'snapshot']]);
      const page = await call<{ data: object }>(baseUrl, '/model/acme/dated-2026-02-01', { key });
      expect(page.body.data).toMatchObject({
        id: 'acme/dated-2026-02-01',
        canonical_slug: 'acme/dated-2026-02-01',
        name: expect.stringContaining('(2026-02-01)'),
      });
      expect((await client.endpoints('dated-2026-02-01')).map(({ tag }) => tag)).toEqual(['alpha']);
      expect((await client.endpoints('dated')).map(({ tag }) => tag)).toEqual(['beta', 'alpha']);
    });

    it('that nobody knows is told with the nearest names [E06]', async () => {
      const answer = await client.refused('poett-2');
      expect(answer.status).toBe(400);
      expect(answer.body.error).toMatchObject({ code: 400, error_type: 'invalid_request', availability: { code: 'model_not_found', retryable: false } });
      expect(answer.body.error.availability!.fallback_models![0]).toBe('acme/poet-2');
      expect(answer.body.error.message).toContain('acme/poett-2 is not a valid model ID');
      expect(answer.body.error.message).toContain('acme/poet-2');
    });

    it('that is refused leads to a description that the gateway has itself', async () => {
      const { docs_url: link } = (await client.refused('poett-2')).body.error.availability!;
      expect((await fetch(new URL(link, client.platform.baseUrl))).status).toBe(200);
    });
  });

  describe('without preferences', () => {
    it('endpoints share the traffic by the inverse square of their prices [R02]', async () => {
      const draws = 2_000;
      let cheap = 0;
      for (let batch = 0; batch < draws / 50; batch++) {
        const orders = await Promise.all(Array.from({ length: 50 }, () => client.order('lottery')));
        for (const order of orders) expect([...order].sort()).toEqual(['alpha', 'beta']);
        cheap += orders.filter(([first]) => first === 'alpha').length;
      }
      // Prices 1 and 3 make 9:1. Five standard deviations of 2,000 draws: √(0.9 × 0.1 ÷ 2000) × 5 = 0.034.
      expect(Math.abs(cheap / draws - 0.9)).toBeLessThan(0.034);
    }, 120_000);

    it('both get requests, as the draw says [R02]', async () => {
      const answers = await Promise.all(Array.from({ length: 200 }, () => client.chat('lottery')));
      const cheap = answers.filter((answer) => answer.body.provider === 'Alpha').length;
      // Five standard deviations of 200 draws: 0.106.
      expect(Math.abs(cheap / 200 - 0.9)).toBeLessThan(0.106);
      expect(new Set(answers.map((answer) => answer.body.provider)).size).toBe(2);
    });
  });

  describe('provider.order', () => {
    it('goes first and in its order, the others follow [R04]', async () => {
      expect(await client.order('ordered', { order: ['beta', 'alpha'] })).toEqual(['beta', 'alpha', 'slow']);
      expect(await client.order('ordered', { order: ['Beta'] })).toEqual(['beta', 'slow', 'alpha']);
      expect((await client.chat('ordered', { order: ['beta'] })).body.provider).toBe('Beta');
    });

    it('alone is tried when fallbacks are forbidden, and the failure is told [R05]', async () => {
      const before = client.requestsTo('beta');
      const answer = await client.withFault('alpha', 'pinned', { kind: 'server_error' }, () =>
        client.refused('pinned', { order: ['alpha'], allow_fallbacks: false }),
      );
      expect(answer.status).toBe(502);
      expect(answer.body.error).toMatchObject({ code: 502, metadata: { error_type: 'provider_unavailable', provider_name: 'Alpha' } });
      expect(client.requestsTo('beta')).toBe(before);
    });

    it('may be missing: the single best endpoint is pinned when fallbacks are forbidden [R05]', async () => {
      const { candidates, excluded } = await client.decide('ordered', { sort: 'price', allow_fallbacks: false });
      expect(candidates.map((candidate) => candidate.tag)).toEqual(['slow']);
      expect(excluded.map(({ tag, code }) => [tag, code])).toEqual([
        ['alpha', 'allow_fallbacks'],
        ['beta', 'allow_fallbacks'],
      ]);
    });
  });

  describe('lists', () => {
    it('of providers to use or to leave out meet each other [R06]', async () => {
      expect(await client.choice('ordered', { only: ['alpha', 'slow'] })).toEqual(['alpha', 'slow']);
      expect(await client.choice('ordered', { only: ['alpha', 'slow'], ignore: ['slow'] })).toEqual(['alpha']);
      expect(await client.choice('ordered', { ignore: ['slow', 'beta'] })).toEqual(['alpha']);
    });

    it('that leave nothing say what excluded each endpoint [R06 E05]', async () => {
      const answer = await client.refused('ordered', { only: ['alpha'], ignore: ['alpha'] });
      expect(answer.status).toBe(404);
      expect(answer.body.error).toMatchObject({
        code: 404,
        error_type: 'not_found',
        availability: { code: 'no_endpoints', retryable: false, requested_models: ['acme/ordered'], excluded_by: ['allowed_providers'] },
      });
      const { decision, excluded, error } = await client.decide('ordered', { only: ['alpha'], ignore: ['alpha'] });
      expect([decision, error!.availability!.code]).toEqual(['refusal', 'no_endpoints']);
      expect(Object.fromEntries(excluded.map(({ tag, code }) => [tag, code]))).toEqual({
        alpha: 'ignored_providers',
        beta: 'allowed_providers',
        slow: 'allowed_providers',
      });
    });

    it('that name an unknown provider are warned about', async () => {
      expect((await client.decide('ordered', { ignore: ['nobody'] })).warnings).toEqual([expect.stringContaining('nobody')]);
    });

    it('know a provider without region as all its regions, never its tiers, and with region as one [R17]', async () => {
      expect(await client.choice('regional', { only: ['alpha'] })).toEqual(['alpha/eu', 'alpha/us']);
      expect(await client.choice('regional', { only: ['alpha/us'] })).toEqual(['alpha/us']);
      expect(await client.choice('regional', { only: ['alpha/flex'] })).toEqual(['alpha/flex']);
      expect(await client.choice('regional', { ignore: ['alpha'] })).toEqual(['beta']);
      expect(await client.order('regional', { order: ['beta', 'alpha/us'] })).toEqual(['beta', 'alpha/us', 'alpha/eu']);
    });
  });

  describe('filters', () => {
    it('by price are in dollars for a million tokens, as text or number; the catalogue counts single tokens [R10]', async () => {
      expect((await client.endpoints('ordered')).find(({ tag }) => tag === 'alpha')!.pricing.prompt).toBe('0.000002');
      for (const ceiling of [2, '2']) expect(await client.choice('ordered', { max_price: { prompt: ceiling } })).toEqual(['alpha', 'slow']);
      expect(await client.choice('ordered', { max_price: { prompt: 2.999, completion: '1' } })).toEqual(['slow']);
      const answer = await client.refused('ordered', { max_price: { prompt: 0.000_002 } });
      expect(answer.status).toBe(404);
      expect(answer.body.error.availability).toMatchObject({ code: 'constraint_filtered', excluded_by: ['max_price'], constraint: { field: 'max_price' } });
    });

    it('by required parameters leave out what lacks one of them [R11]', async () => {
      expect(await client.choice('picky', { require_parameters: true }, { seed: 7 })).toEqual(['beta']);
      expect(await client.choice('picky', { require_parameters: true }, { temperature: 1 })).toEqual(['alpha', 'beta']);
      expect(await client.choice('picky', {}, { seed: 7 })).toEqual(['alpha', 'beta']);
      const answer = await client.refused('plain', { require_parameters: true }, { seed: 7 });
      expect(answer.body.error.availability).toMatchObject({ code: 'constraint_filtered', excluded_by: ['require_parameters'] });
    });

    it('by required parameters know a schema from JSON mode [R11 C18]', async () => {
      const schema = { response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object' } } } };
      expect(await client.choice('schemaless', { require_parameters: true }, { response_format: { type: 'json_object' } })).toEqual(['alpha']);
      expect((await client.refused('schemaless', { require_parameters: true }, schema)).body.error.availability).toMatchObject({
        code: 'constraint_filtered',
        constraint: { field: 'require_parameters' },
      });
    });

    it.each([
      ['tools', { tools: [TOOL] }],
      ['an answer format', { response_format: { type: 'json_object' } }],
    ])('prefer endpoints with %s while there are any, and ignore the wish where there are none [R12]', async (_name, wish) => {
      const { candidates, excluded } = await client.decide('picky', {}, wish);
      expect(candidates.map((candidate) => candidate.tag)).toEqual(['beta']);
      expect(excluded).toMatchObject([{ tag: 'alpha', code: 'capability' }]);
      expect(await client.choice('plain', {}, wish)).toEqual(['alpha']);
      expect((await client.chat('plain', {}, wish)).status).toBe(200);
    });

    it('ignore a wish for verbosity that no endpoint can grant [R12]', async () => {
      expect(await client.choice('picky', {}, { verbosity: 'low' })).toEqual(['alpha', 'beta']);
    });

    it('by quantisation admit what is stored alike [R13]', async () => {
      expect(await client.choice('quantized', { quantizations: ['fp8'] })).toEqual(['beta', 'slow']);
      expect(await client.choice('quantized', { quantizations: ['mxfp8'] })).toEqual(['slow']);
      expect(await client.choice('quantized', { quantizations: ['fp4', 'fp8'] })).toEqual(['alpha', 'beta', 'slow']);
      const answer = await client.refused('quantized', { quantizations: ['bf16'] });
      expect(answer.body.error.availability).toMatchObject({ code: 'constraint_filtered', constraint: { field: 'quantizations' } });
    });

    it('by data policy leave out what trains, keeps or says nothing [R14]', async () => {
      expect(await client.choice('private', { data_collection: 'deny' })).toEqual(['slow']);
      expect(await client.choice('private', { data_collection: 'allow' })).toEqual(['alpha', 'beta', 'slow']);
      const answer = await client.refused('leaky', { data_collection: 'deny' });
      expect(answer.status).toBe(404);
      expect(answer.body.error.availability).toMatchObject({
        code: 'privacy_restricted',
        excluded_by: ['data_policy:training'],
        affected_providers: ['Alpha'],
      });
    });

    it('by zero retention admit only who promises it [R15]', async () => {
      expect(await client.choice('private', { zdr: true })).toEqual(['slow']);
      expect((await client.refused('leaky', { zdr: true })).body.error.availability).toMatchObject({
        code: 'privacy_restricted',
        excluded_by: ['data_policy:zdr'],
      });
    });

    it('by length say that the request is too long for every endpoint [E05]', async () => {
      const answer = await client.refused('tiny', {}, { messages: [{ role: 'user', content: 'long '.repeat(200) }] });
      expect(answer.status).toBe(400);
      expect(answer.body.error).toMatchObject({
        metadata: { error_type: 'context_length_exceeded' },
        availability: { code: 'constraint_filtered', excluded_by: ['context_length'] },
      });
    });

    it.each([
      [{ foo: 1 }, "Unrecognized key(s) in object: 'foo'"],
      [{ max_price: { tokens: 1 } }, "Unrecognized key(s) in object: 'tokens'"],
      [{ sort: { by: 'price', then: 'latency' } }, "Unrecognized key(s) in object: 'then'"],
      [{ sort: 'beauty' }, 'provider.sort'],
    ])('with unknown fields are refused: %j [R37]', async (provider, message) => {
      const answer = await client.refused('ordered', provider);
      expect([answer.status, answer.body.error.code]).toEqual([400, 400]);
      expect(answer.body.error.message).toContain(message);
    });
  });

  describe('variants and tiers', () => {
    it('nitro goes by throughput and may take the priority tier [R18]', async () => {
      for (const tag of ['alpha', 'alpha/priority', 'slow']) expect((await client.chat('tiered', { only: [tag] })).status).toBe(200);
      await eventually(async () => {
        for (const endpoint of await client.endpoints('tiered', client.platform.apiKey)) {
          if (endpoint.tag !== 'slow/flex') expect(endpoint.throughput_last_30m).not.toBeNull();
        }
        const { strategy, candidates } = await client.decide('tiered:nitro');
        expect(strategy).toBe('sort:throughput');
        expect(candidates.map((candidate) => candidate.tag).sort()).toEqual(['alpha', 'alpha/priority', 'slow']);
        expect(candidates.at(-1)!.tag).toBe('slow');
      });
      expect(await client.choice('tiered:nitro', {}, { service_tier: 'default' })).toEqual(['alpha', 'slow']);
      expect(await client.order('tiered:nitro', { order: ['slow'] })).toEqual(['slow', 'alpha']);
      const answer = await client.chat('tiered:nitro');
      expect([answer.body.model, answer.body.provider]).toEqual(['acme/tiered', 'Alpha']);
    });

    it('floor goes by price and may take the flex tier [R19]', async () => {
      const { strategy, candidates, excluded } = await client.decide('tiered:floor');
      expect(strategy).toBe('sort:price');
      expect(candidates.map((candidate) => candidate.tag)).toEqual(['slow/flex', 'slow', 'alpha']);
      expect(excluded).toMatchObject([{ tag: 'alpha/priority', code: 'service_tier' }]);
      const answer = await client.chat('tiered:floor');
      expect(answer.body.provider).toBe('Slow');
      expect(answer.body.usage.cost).toBeCloseTo(((answer.body.usage.prompt_tokens + answer.body.usage.completion_tokens) * 0.5) / 1e6, 12);
    });

    it('a tier that was asked for has its own pool [R18 R19]', async () => {
      expect(await client.choice('tiered')).toEqual(['alpha', 'slow']);
      expect((await client.order('tiered', {}, { service_tier: 'priority' }))[0]).toBe('alpha/priority');
      expect(await client.order('tiered', {}, { service_tier: 'flex' })).toEqual(['slow/flex']);
    });

    it('a tier that served is told with the answer, whole and streamed, and in its record, though the provider does not repeat it [G01]', async () => {
      const { baseUrl, apiKey } = client.platform;
      const tierOf = async (id: string) =>
        (await call<{ data?: { service_tier: string } }>(baseUrl, `/generation?id=${id}`, { key: apiKey })).body.data?.service_tier;
      const whole = await client.chat('tiered', {}, { service_tier: 'flex' });
      const streamed = await client.chat('tiered', {}, { service_tier: 'flex', stream: true });
      const last = eventsOf<Answer>(streamed.text).at(-1)!;
      expect([whole.body.service_tier, last.service_tier]).toEqual(['flex', 'flex']);
      await eventually(async () => expect([await tierOf(whole.body.id), await tierOf(last.id)]).toEqual(['flex', 'flex']));
      expect(await client.chat('tiered', { only: ['slow'] })).not.toHaveProperty('body.service_tier');
    });

    it('free costs nothing and counts against the quota, failed calls too [R20]', async () => {
      const { baseUrl, apiKey } = client.platform;
      const used = async () => {
        const answer = await call<{ data: { free_model_daily_requests: { used: number } } }>(baseUrl, '/key', { key: apiKey });
        return answer.body.data.free_model_daily_requests.used;
      };
      const before = await used();
      const answer = await client.chat('gift:free');
      expect(answer.body).toMatchObject({ model: 'acme/gift:free', usage: { cost: 0 } });
      expect((await client.chat('gift')).body).toMatchObject({ model: 'acme/gift' });
      expect((await client.withFault('alpha', 'gift', { kind: 'server_error' }, () => client.refused('gift:free'))).status).toBe(502);
      await eventually(async () => expect(await used()).toBe(before + 2));
    });

    it('free that has ended names the paid model [R20]', async () => {
      const answer = await client.refused('ended:free');
      expect(answer.status).toBe(404);
      expect(answer.body.error.availability).toMatchObject({ code: 'free_variant_ended', fallback_models: ['acme/ended'] });
    });

    it('that never existed is an unknown model [E06]', async () => {
      const answer = await client.refused('poet-2:free');
      expect(answer.status).toBe(400);
      expect(answer.body.error.availability).toMatchObject({ code: 'model_not_found', fallback_models: ['acme/poet-2'] });
    });
  });

  describe('sorting', () => {
    const MEASURED = ['alpha', 'beta', 'slow'];

    it('by price, latency or throughput is strict and without chance [R07]', async () => {
      // Only streams tell when the first token came.
      await Promise.all(MEASURED.flatMap((slug) => [1, 2, 3].map(() => client.chat('ordered', { only: [slug] }, { stream: true }))));
      await eventually(async () => {
        for (const endpoint of await client.endpoints('ordered', client.platform.apiKey)) expect(endpoint.latency_last_30m).not.toBeNull();
        for (const sort of ['latency', 'throughput']) expect((await client.order('ordered', { sort })).at(-1)).toBe('slow');
      });
      for (const sort of ['price', 'latency', 'throughput']) {
        const orders = await Promise.all(Array.from({ length: 20 }, () => client.order('ordered', { sort })));
        expect(new Set(orders.map((order) => order.join())).size).toBe(1);
      }
      expect(await client.order('ordered', { sort: 'price' })).toEqual(['slow', 'alpha', 'beta']);
      expect((await client.decide('ordered', { sort: 'throughput' })).strategy).toBe('sort:throughput');
    });

    it('by nothing lets preferred latency, in seconds, push misses to the end [R07]', async () => {
      const orders = await Promise.all(Array.from({ length: 20 }, () => client.order('ordered', { preferred_max_latency: 0.5 })));
      expect(orders.every((order) => order.at(-1) === 'slow')).toBe(true);
      const patient = await Promise.all(Array.from({ length: 20 }, () => client.order('ordered', { preferred_max_latency: { p50: 500, p99: 500 } })));
      expect(patient.some((order) => order[0] === 'slow')).toBe(true);
    });
  });

  describe('a dry run', () => {
    it('tells what would be chosen and why not the others, and so it happens', async () => {
      for (const [model, provider, more] of [
        ['ordered', { sort: 'price' }, {}],
        ['ordered', { order: ['alpha'] }, {}],
        ['ordered', { ignore: ['slow'], sort: 'price' }, {}],
        ['picky', {}, { tools: [TOOL] }],
        ['quantized', { quantizations: ['fp8'], sort: 'price' }, {}],
        ['regional:floor', {}, {}],
        ['private', { zdr: true }, {}],
      ] as const) {
        const { decision, candidates, excluded } = await client.decide(model, provider, more);
        expect(decision).toBe('plan');
        expect(candidates.every((candidate) => candidate.reason !== '') && excluded.every(({ code, detail }) => code !== '' && detail !== '')).toBe(true);
        const listed = await client.endpoints(model.split(':')[0]!);
        expect([...candidates, ...excluded].map(({ tag }) => tag).sort()).toEqual(listed.map(({ tag }) => tag).sort());
        const answer = await client.chat(model, provider, more);
        expect(answer.body.provider).toBe(candidates[0]!.provider_name);
        expect(answer.headers['x-switchyard-attempts']).toBe('1');
      }
    });

    it('refuses exactly as the request would be', async () => {
      for (const [model, provider] of [
        ['nobody', {}],
        ['ordered', { only: ['nobody'] }],
        ['leaky', { zdr: true }],
        ['ended:free', {}],
      ] as const) {
        const { decision, error } = await client.decide(model, provider);
        const answer = await client.refused(model, provider);
        expect(decision).toBe('refusal');
        expect([error!.code, error!.message, error!.availability!.code]).toEqual([
          answer.status,
          answer.body.error.message,
          answer.body.error.availability!.code,
        ]);
      }
    });

    it('needs a key and a valid request', async () => {
      const { baseUrl, apiKey } = client.platform;
      expect((await call(baseUrl, '/routing/decide', { body: { model: 'acme/ordered', messages: [] } })).status).toBe(401);
      expect((await call(baseUrl, '/routing/decide', { key: apiKey, body: { model: 'acme/ordered', messages: [] } })).status).toBe(400);
    });
  });

  describe('an endpoint', () => {
    it('tells which tool choices it supports', async () => {
      const [alpha, beta] = await client.endpoints('picky');
      expect(alpha!.supports_tool_choice).toEqual({ none: false, auto: false, required: false, function: false });
      expect(beta!.supports_tool_choice).toEqual({ none: true, auto: true, required: true, function: true });
    });
  });
}
