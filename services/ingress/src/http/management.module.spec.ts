import { once } from 'node:events';
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { OpenRouter } from '@openrouter/sdk';
import { ForbiddenResponseError, NotFoundResponseError, UnauthorizedResponseError } from '@openrouter/sdk/models/errors';
import { errorEnvelopeSchema, generationSchema, OPERATIONS } from '@switchyard/api';
import { analytics, billing, common, events, router } from '@switchyard/proto';
import { captureLogger, eventually, manualClock } from '@switchyard/testing';
import OpenAI from 'openai';
import { CSV_COLUMNS } from '../core/generation-csv.js';
import { BILLING_AHEAD_MS, FAKE_NOW_MS, INFERENCE_SECRET, managementFakes, MANAGEMENT_SECRET, type ManagementFakes } from '../fixtures/management-fakes.js';
import { MAX_PATH_PARAMETER_LENGTH, sendFrameworkError } from './framework-errors.js';
import { ManagementModule, prepareManagement } from './management.module.js';

const RATES = { input_uncached: 2_500_000n, output_text: 10_000_000n, cache_read: 1_250_000n };

const logger = captureLogger();
let fakes: ManagementFakes;
let application: NestFastifyApplication;
let origin: string;

beforeAll(async () => {
  fakes = managementFakes(manualClock(FAKE_NOW_MS), logger);
  fillCatalog();
  fakes.analytics.generations.push(generation());
  const adapter = new FastifyAdapter({ routerOptions: { maxParamLength: MAX_PATH_PARAMETER_LENGTH }, frameworkErrors: sendFrameworkError });
  prepareManagement(adapter);
  const options = { logger: false, abortOnError: false, bodyParser: false } as const;
  application = await NestFactory.create<NestFastifyApplication>(ManagementModule.register(fakes.options), adapter, options);
  await application.listen(0, '127.0.0.1');
  origin = await application.getUrl();
});

afterAll(() => application.close());

function fillCatalog(): void {
  const { catalog } = fakes;
  const schedules = [{ startTimeMs: 0n, schedule: common.PriceSchedule.fromPartial({ revision: 'r1', ratesPico: RATES }) }];
  const text = { inputModalities: ['text', 'image'], outputModalities: ['text'] };
  catalog.models = [
    router.Model.fromPartial({
      slug: 'openai/gpt-4o',
      permaslug: 'openai/gpt-4o-2024-08-06',
      name: 'GPT-4o',
      createTimeSeconds: 1_720_000_000n,
      contextLength: 128_000n,
      ...text,
      tokenizer: 'GPT',
      aliases: ['openai/gpt'],
      isDistillable: true,
    }),
    router.Model.fromPartial({
      slug: 'acme/new',
      permaslug: 'acme/new-1',
      name: 'New',
      createTimeSeconds: BigInt(FAKE_NOW_MS / 1000 - 86_400),
      contextLength: 8_000n,
      inputModalities: ['text'],
      outputModalities: ['text'],
      supportsReasoning: true,
    }),
    router.Model.fromPartial({ slug: 'acme/embed', permaslug: 'acme/embed-1', name: 'Embed', inputModalities: ['text'], outputModalities: ['embeddings'] }),
    router.Model.fromPartial({ slug: 'acme/no-endpoint', permaslug: 'acme/no-endpoint', name: 'None', outputModalities: ['text'] }),
    router.Model.fromPartial({ slug: 'acme/old', permaslug: 'acme/old', name: 'Old', outputModalities: ['text'], expireTimeSeconds: 1n }),
  ];
  const endpoint = (fields: Partial<router.Endpoint>): router.Endpoint =>
    router.Endpoint.fromPartial({
      providerSlug: 'openai',
      providerName: 'OpenAI',
      tag: 'openai',
      hasCredential: true,
      chargeSchedules: schedules,
      supportedParameters: ['tools', 'temperature'],
      ...fields,
    });
  const tiered = common.PriceSchedule.fromPartial({
    revision: 'r2',
    ratesPico: { input_uncached: 1_250_000n, output_text: 10_000_000n },
    overrides: [{ minPromptTokens: 200_000n, utcDays: [1, 5], utcStart: 400, utcEnd: 800, ratesPico: { input_uncached: 2_500_000n } }],
    discountMillionths: 250_000,
  });
  catalog.endpoints = [
    endpoint({
      endpointId: 'openai/gpt-4o@openai',
      modelSlug: 'openai/gpt-4o',
      contextLength: 128_000n,
      maxCompletionTokens: 16_384n,
      supportsToolChoice: { none: true, auto: true, required: true, function: false },
      region: 'us-east',
    }),
    endpoint({
      endpointId: 'openai/gpt-4o@azure',
      modelSlug: 'openai/gpt-4o',
      providerSlug: 'azure',
      providerName: 'Azure',
      tag: 'azure/eu',
      region: 'eu-west',
      chargeSchedules: [{ startTimeMs: 0n, schedule: tiered }],
      dataPolicy: { mayTrain: false, retains: false, zdr: true },
    }),
    endpoint({ endpointId: 'openai/gpt-4o@broken', modelSlug: 'openai/gpt-4o', disabled: true }),
    endpoint({
      endpointId: 'openai/gpt-4o:free@openai',
      modelSlug: 'openai/gpt-4o',
      variant: 'free',
      chargeSchedules: [
        { startTimeMs: 0n, schedule: common.PriceSchedule.fromPartial({ revision: 'r3', ratesPico: { input_uncached: 0n, output_text: 0n } }) },
      ],
    }),
    endpoint({
      endpointId: 'acme/new@local',
      modelSlug: 'acme/new',
      providerSlug: 'local',
      providerName: 'Local',
      tag: 'local',
      contextLength: 8_000n,
      supportedParameters: ['temperature'],
    }),
    endpoint({ endpointId: 'acme/embed@local', modelSlug: 'acme/embed', providerSlug: 'local', providerName: 'Local', tag: 'local' }),
    endpoint({ endpointId: 'acme/old@local', modelSlug: 'acme/old' }),
  ];
  const window = {
    successCount: 980n,
    failureCount: 20n,
    rateLimitedCount: 500n,
    firstTokenMs: { p50: 200, p75: 300, p90: 400, p99: 900 },
    throughput: { p50: 80, p75: 90, p90: 95, p99: 99 },
  };
  catalog.statistics = [
    analytics.EndpointStatistics.fromPartial({ endpointId: 'openai/gpt-4o@openai', last5m: window, last30m: window, last1d: { ...window, failureCount: 0n } }),
  ];
}

function generation(): events.GenerationCompleted {
  return events.GenerationCompleted.fromPartial({
    eventId: 'e',
    generationId: 'gen-1780315200-abcdefghij0123456789',
    acceptTimeMs: BigInt(FAKE_NOW_MS),
    end: events.GenerationEnd.CLIENT_ABORTED,
    accountId: 'acme',
    workspaceId: 'w1',
    keyHash: 'k',
    apiType: 'chat',
    model: 'openai/gpt-4o',
    providerName: 'OpenAI',
    streamed: true,
    chargePico: 123_456_789n,
    usage: common.Usage.fromPartial({ meters: { input_uncached: 10, cache_read: 90, output_text: 5, reasoning: 2 } }),
    unitPricesPico: { input_uncached: 2_500_000n, cache_read: 1_250_000n, output_text: 10_000_000n },
    firstTokenMs: 210n,
    generationTimeMs: 900n,
    attempts: [
      events.AttemptSummary.fromPartial({ endpointId: 'x', providerName: 'Azure', status: 503, latencyMs: 12n }),
      events.AttemptSummary.fromPartial({ endpointId: 'y', providerName: 'OpenAI', status: 200, latencyMs: 900n }),
    ],
    user: '=SUM(A1)',
    sessionId: 'session, "one"',
    metadata: { team: 'blue' },
    traceJson: '{"trace_id":"t"}',
    requestId: 'r',
  });
}

function client(apiKey: string): OpenRouter {
  return new OpenRouter({ apiKey, serverURL: `${origin}/api/v1`, retryConfig: { strategy: 'none' } });
}

async function get(path: string, secret?: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${origin}${path}`, { headers: { ...(secret ? { authorization: `Bearer ${secret}` } : {}), ...headers } });
}

async function ids(query: string): Promise<string[]> {
  const { data } = (await (await get(`/api/v1/models${query}`)).json()) as { data: { id: string }[] };
  return data.map((model) => model.id);
}

describe('models', () => {
  it('are parsed by the official clients, under both prefixes (M01)', async () => {
    const page = await client('none').models.list();
    const { result } = (await page[Symbol.asyncIterator]().next()).value ?? page;
    expect(result.totalCount).toBe(3);
    expect(result.data[0]).toMatchObject({ id: 'acme/new', pricing: { prompt: '0.0000025', completion: '0.00001' }, reasoning: { mandatory: false } });
    const names: string[] = [];
    for await (const model of new OpenAI({ apiKey: 'none', baseURL: `${origin}/v1` }).models.list()) names.push(model.id);
    expect(names).toEqual(['acme/new', 'openai/gpt-4o', 'openai/gpt-4o:free']);
  });

  it('show conditional prices and discounts (M11)', async () => {
    const model = await client('none').models.get({ author: 'openai', slug: 'gpt-4o' });
    expect(model.data.pricing).toMatchObject({
      prompt: '0.00000125',
      discount: 0.25,
      overrides: [{ minPromptTokens: 200_000, utcDays: ['monday', 'friday'], utcStart: 400, utcEnd: 800, prompt: '0.0000025' }],
    });
  });

  it('are filtered, each parameter for itself (M02)', async () => {
    const all = ['acme/new', 'openai/gpt-4o', 'openai/gpt-4o:free'];
    expect(await ids('')).toEqual(all);
    expect(await ids('?supported_parameters=temperature,tools')).toEqual(['openai/gpt-4o', 'openai/gpt-4o:free']);
    expect(await ids('?input_modalities=image')).toEqual(['openai/gpt-4o', 'openai/gpt-4o:free']);
    expect(await ids('?output_modalities=embeddings')).toEqual(['acme/embed']);
    expect(await ids('?output_modalities=all')).toHaveLength(4);
    expect(await ids('?q=GPT')).toEqual(['openai/gpt-4o', 'openai/gpt-4o:free']);
    expect(await ids('?context=100000')).toEqual(['openai/gpt-4o', 'openai/gpt-4o:free']);
    expect(await ids('?max_price=0')).toEqual(['openai/gpt-4o:free']);
    expect(await ids('?min_price=2')).toEqual(['acme/new']);
    // Discounts are taken off: gpt-4o is to be had for 7.5.
    expect(await ids('?min_output_price=10')).toEqual(['acme/new']);
    expect(await ids('?max_output_price=7.5')).toEqual(['openai/gpt-4o', 'openai/gpt-4o:free']);
    expect(await ids('?max_output_price=1')).toEqual(['openai/gpt-4o:free']);
    expect(await ids('?model_authors=acme')).toEqual(['acme/new']);
    expect(await ids('?providers=azure')).toEqual(['openai/gpt-4o']);
    expect(await ids('?arch=gpt')).toEqual(['openai/gpt-4o', 'openai/gpt-4o:free']);
    expect(await ids('?distillable=true')).toEqual(['openai/gpt-4o', 'openai/gpt-4o:free']);
    expect(await ids('?distillable=false')).toEqual(['acme/new']);
    expect(await ids('?zdr=true')).toEqual(['openai/gpt-4o']);
    expect(await ids('?region=eu')).toEqual(['openai/gpt-4o']);
    expect(await ids('?max_age_days=30')).toEqual(['acme/new']);
    expect(await ids('?min_age_days=30')).toEqual(['openai/gpt-4o', 'openai/gpt-4o:free']);
    expect(await ids('?category=programming')).toEqual([]);
    expect(await ids('?min_intelligence_index=1')).toEqual([]);
    expect(await ids('?sort=pricing-low-to-high')).toEqual(['openai/gpt-4o:free', 'openai/gpt-4o', 'acme/new']);
    expect(await ids('?sort=context-high-to-low&q=')).toEqual(['openai/gpt-4o', 'openai/gpt-4o:free', 'acme/new']);
    expect((await ids('?sort=latency-low-to-high'))[0]).toBe('openai/gpt-4o');
    expect(await ids('?sort=coding-high-to-low')).toEqual(all);
    expect((await get('/api/v1/models?sort=odd')).status).toBe(400);
  });

  it('come in pages whose links lead on (M03), and are counted (M10)', async () => {
    const first = (await (await get('/api/v1/models?limit=2&supported_parameters=temperature')).json()) as {
      total_count: number;
      links: { next: string };
      data: object[];
    };
    expect(first).toMatchObject({ total_count: 3, links: { next: '/api/v1/models?supported_parameters=temperature&limit=2&offset=2' } });
    const second = (await (await get(first.links.next)).json()) as { data: { id: string }[]; links: object };
    expect(second).toMatchObject({ data: [{ id: 'openai/gpt-4o:free' }], links: { next: null } });
    expect((await client('none').models.count()).data.count).toBe(3);
    expect((await get('/api/v1/models?limit=1001')).status).toBe(400);
  });

  it('resolve by alias, dated id, variant and suffix (M09)', async () => {
    const idOf = async (slug: string): Promise<string> => (await client('none').models.get({ author: 'openai', slug })).data.id;
    expect(await idOf('gpt')).toBe('openai/gpt-4o');
    expect(await idOf('gpt-4o-2024-08-06')).toBe('openai/gpt-4o');
    expect(await idOf('gpt-4o:free')).toBe('openai/gpt-4o:free');
    expect(await idOf('gpt-4o:nitro')).toBe('openai/gpt-4o');
    await expect(idOf('unknown')).rejects.toBeInstanceOf(NotFoundResponseError);
    await expect(client('none').models.get({ author: 'acme', slug: 'no-endpoint' })).rejects.toMatchObject({
      message: 'No endpoints found for acme/no-endpoint',
    });
  });

  it('stay visible while the router is away', async () => {
    expect(await ids('')).toHaveLength(3);
    fakes.catalog.isAway = true;
    expect(await ids('')).toHaveLength(3);
    fakes.catalog.isAway = false;
  });
});

describe('endpoints', () => {
  it('tell tool choice, uptime without rate limits, and speed to callers with a key (M05, X12)', async () => {
    const { data } = await client(INFERENCE_SECRET).endpoints.list({ author: 'openai', slug: 'gpt-4o' });
    expect(data.endpoints.map((endpoint) => endpoint.tag)).toEqual(['azure/eu', 'openai']);
    expect(data.endpoints[1]).toMatchObject({
      providerName: 'OpenAI',
      supportsToolChoice: { none: true, auto: true, required: true, function: false },
      uptimeLast5m: 98,
      uptimeLast30m: 98,
      uptimeLast1d: 100,
      latencyLast30m: { p50: 200, p75: 300, p90: 400, p99: 900 },
      throughputLast30m: { p50: 80 },
      quantization: 'unknown',
      maxCompletionTokens: 16_384,
      status: 0,
    });
    expect(data.endpoints[0]).toMatchObject({ uptimeLast5m: null, latencyLast30m: null });
  });

  it('have what newer clients insist on', async () => {
    const { data } = (await (await get('/api/v1/models/openai/gpt-4o/endpoints')).json()) as { data: { endpoints: unknown[] } };
    expect(data.endpoints[1]).toMatchObject({ native_tools: {}, service_tier: null, supports_diarization: false });
  });

  it('keep speed from anonymous callers, and from unknown keys', async () => {
    for (const apiKey of ['', 'sk-sy-v1-unknown']) {
      const { data } = await client(apiKey).endpoints.list({ author: 'openai', slug: 'gpt-4o' });
      expect(data.endpoints[1]).toMatchObject({ uptimeLast30m: 98, latencyLast30m: null, throughputLast30m: null });
    }
  });
});

describe('providers', () => {
  it('are listed with their pages (M08)', async () => {
    const { data } = await client('none').providers.list();
    expect(data.map((provider) => provider.slug)).toEqual(['local', 'openai']);
    expect(data[1]).toMatchObject({ statusPageUrl: 'https://status.openai.com', headquarters: 'US', datacenters: ['US'], privacyPolicyUrl: null });
  });
});

describe('keys', () => {
  it('are created, listed, changed and deleted with a management key (K01)', async () => {
    const { apiKeys } = client(MANAGEMENT_SECRET);
    const expiresAt = new Date('2027-01-01T00:00:00.000Z');
    const created = await apiKeys.create({
      requestBody: { name: 'ci', limit: 12.5, limitReset: 'monthly', includeByokInLimit: true, expiresAt, external: { user: 'u1' } },
    });
    expect(created.key).toMatch(/^sk-sy-v1-/);
    expect(created.data).toMatchObject({
      name: 'ci',
      limit: 12.5,
      limitRemaining: 12.5,
      limitReset: 'monthly',
      includeByokInLimit: true,
      externalUser: 'u1',
      expiresAt,
      workspaceId: 'w1',
    });
    const { hash } = created.data;
    expect((await apiKeys.list()).data.map((key) => key.hash)).toContain(hash);
    expect(await apiKeys.get({ hash })).toMatchObject({
      data: { hash, usage: 0.0000015, usageDaily: 0.000001, usageWeekly: 0.0000012, usageMonthly: 0.0000014 },
    });
    const updated = await apiKeys.update({ hash, requestBody: { disabled: true, limit: null } });
    expect(updated.data).toMatchObject({ name: 'ci', disabled: true, limit: null, limitRemaining: null, limitReset: 'monthly' });
    expect((await apiKeys.list()).data.map((key) => key.hash)).not.toContain(hash);
    expect((await apiKeys.list({ includeDisabled: true })).data.map((key) => key.hash)).toContain(hash);
    expect(await apiKeys.delete({ hash })).toEqual({ deleted: true });
    await expect(apiKeys.get({ hash })).rejects.toBeInstanceOf(NotFoundResponseError);
  });

  it('keep amounts exact on their way to pico-USD', async () => {
    const { hash } = (await client(MANAGEMENT_SECRET).apiKeys.create({ requestBody: { name: 'tiny', limit: 0.0000001 } })).data;
    expect(fakes.keys.find(hash)?.limitPico).toBe(100_000n);
  });

  it('refuse an inference key and no key (K07, E02)', async () => {
    const create = client(INFERENCE_SECRET).apiKeys.create({ requestBody: { name: 'x' } });
    await expect(create).rejects.toBeInstanceOf(ForbiddenResponseError);
    await expect(create).rejects.toMatchObject({ message: 'Only management keys can perform this operation' });
    expect((await get('/api/v1/keys', INFERENCE_SECRET)).status).toBe(403);
    await expect(client('sk-sy-v1-unknown').apiKeys.list()).rejects.toBeInstanceOf(UnauthorizedResponseError);
  });

  it('are not listed from further on than messages between services can say', async () => {
    expect((await get('/api/v1/keys?offset=2147483647', MANAGEMENT_SECRET)).status).toBe(200);
    expect((await get('/api/v1/keys?offset=2147483648', MANAGEMENT_SECRET)).status).toBe(400);
  });

  it('refuse bodies that say something else', async () => {
    const post = async (body: string, headers: Record<string, string> = {}): Promise<Response> =>
      fetch(`${origin}/api/v1/keys`, { method: 'POST', body, headers: { authorization: `Bearer ${MANAGEMENT_SECRET}`, ...headers } });
    for (const body of [
      '{"name":""}',
      '{"name":"x","limit":-1}',
      '{"name":"x","limit":9300000}',
      '{"name":"x","limit_reset":"hourly"}',
      '{"name":"x","expires_at":"tomorrow"}',
      '{"name":"x","include_content_in_traces":"yes"}',
      '{"name":"x","allowed_models":["no slash"]}',
      '{"name":"x","limit_usd":5}',
      'not json',
      '',
    ]) {
      const response = await post(body);
      expect(response.status).toBe(400);
      expect(errorEnvelopeSchema.parse(await response.json()).error.code).toBe(400);
    }
    expect((await post(`{"name":"${'x'.repeat(200_000)}"}`)).status).toBe(413);
    // What `curl -d` sends, and what nobody could read.
    for (const type of ['application/x-www-form-urlencoded', '', 'json', 'text/plain, application/json'])
      expect((await post('{"name":"curl"}', { 'content-type': type })).status).toBe(201);
  });

  it('are not changed by a body with a name that nobody knows, of which a client would think that it acted', async () => {
    const { hash } = (await client(MANAGEMENT_SECRET).apiKeys.create({ requestBody: { name: 'leaked' } })).data;
    const headers = { authorization: `Bearer ${MANAGEMENT_SECRET}` };
    const response = await fetch(`${origin}/api/v1/keys/${hash}`, { method: 'PATCH', body: '{"name":"old","disable":true}', headers });
    expect(response.status).toBe(400);
    expect(errorEnvelopeSchema.parse(await response.json()).error.message).toContain("'disable'");
    expect(fakes.keys.find(hash)).toMatchObject({ name: 'leaked', disabled: false });
  });

  it('tell about themselves (K05, K08)', async () => {
    const { data } = await client(INFERENCE_SECRET).apiKeys.getCurrentKeyMetadata();
    expect(data).toMatchObject({
      isManagementKey: false,
      isProvisioningKey: false,
      isFreeTier: true,
      usageDaily: 0.000001,
      freeModelDailyRequests: { limit: 50, used: 3, remaining: 47 },
      allowedDataRegions: ['global'],
      rateLimit: { requests: -1 },
      limit: null,
    });
    expect((await client(MANAGEMENT_SECRET).apiKeys.getCurrentKeyMetadata()).data.isManagementKey).toBe(true);
    expect((await get('/api/v1/auth/key', INFERENCE_SECRET)).status).toBe(200);
  });
});

describe('credits', () => {
  it('are shown to management keys (K06)', async () => {
    expect((await client(MANAGEMENT_SECRET).credits.getCredits()).data).toEqual({ totalCredits: 10, totalUsage: 0.00125 });
    expect((await get('/api/v1/credits', INFERENCE_SECRET)).status).toBe(403);
  });
});

describe('generation', () => {
  it('is the accounting record (G01)', async () => {
    const { data } = await client(INFERENCE_SECRET).generations.getGeneration({ id: generation().generationId });
    expect(data).toMatchObject({
      totalCost: 0.000123456789,
      nativeTokensPrompt: 100,
      nativeTokensCompletion: 7,
      nativeTokensReasoning: 2,
      nativeTokensCached: 90,
      cacheDiscount: 0.0001125,
      cancelled: true,
      latency: 210,
      generationTime: 900,
      apiType: 'completions',
      sessionId: 'session, "one"',
      providerResponses: [{ status: 503, providerName: 'Azure' }, { status: 200 }],
    });
    const body = (await (await get(`/api/v1/generation?id=${generation().generationId}`, INFERENCE_SECRET)).json()) as { data: unknown };
    expect(generationSchema.parse(body.data)).toMatchObject({ metadata: { team: 'blue' }, trace: { trace_id: 't' }, status: 'client_aborted' });
    await expect(client(INFERENCE_SECRET).generations.getGeneration({ id: 'gen-0-x' })).rejects.toBeInstanceOf(NotFoundResponseError);
    expect((await get('/api/v1/generation', INFERENCE_SECRET)).status).toBe(400);
  });
});

describe('activity', () => {
  it('is read with filters and grouping (G04)', async () => {
    const { data } = await client(MANAGEMENT_SECRET).analytics.getUserActivity({ date: '2026-05-31', apiKeyHash: 'k', userId: 'u', groupBy: 'workspace' });
    expect(data).toMatchObject([
      { date: '2026-05-31', usage: 0.0000025, requests: 2, promptTokens: 10, completionTokens: 20, reasoningTokens: 3, workspaceId: 'w1' },
    ]);
    expect(fakes.analytics.activityAsked.at(-1)).toEqual({
      accountId: 'acme',
      date: '2026-05-31',
      keyHash: 'k',
      user: 'u',
      workspaceId: '',
      groupByWorkspace: true,
    });
    expect((await get('/api/v1/activity?date=31.05.2026', MANAGEMENT_SECRET)).status).toBe(400);
    expect((await get('/api/v1/activity', INFERENCE_SECRET)).status).toBe(403);
  });
});

describe('logs', () => {
  it('pass every filter on, and an inference key sees its own requests alone', async () => {
    const query = 'key=k&model=m&provider=p&app=a&user=u&session_id=s&status=completed&start=2026-05-01&end=2026-06-01T00:00:00Z&cursor=c&limit=7';
    const body = (await (await get(`/api/v1/logs?${query}`, MANAGEMENT_SECRET)).json()) as { data: unknown[]; next_cursor: string };
    expect(body.next_cursor).toBe('next');
    expect(body.data.map((row) => generationSchema.parse(row).id)).toEqual([generation().generationId]);
    const asked = {
      accountId: 'acme',
      model: 'm',
      providerSlug: 'p',
      app: 'a',
      user: 'u',
      sessionId: 's',
      status: 'completed',
      startTimeMs: BigInt(Date.UTC(2026, 4, 1)),
      endTimeMs: BigInt(Date.UTC(2026, 5, 1)),
      cursor: 'c',
      limit: 7,
    };
    expect(fakes.analytics.listed.at(-1)).toEqual({ ...asked, keyHash: 'k' });
    await get(`/api/v1/logs?${query}`, INFERENCE_SECRET);
    expect(fakes.analytics.listed.at(-1)?.keyHash).toMatch(/^[0-9a-f]{64}$/);
    for (const wrong of ['status=odd', 'start=soon', 'start=1779580800', 'end=2026-02-30T12:00Z', 'limit=0', 'limit=1001', 'provider_slug=openai'])
      expect((await get(`/api/v1/logs?${wrong}`, MANAGEMENT_SECRET)).status).toBe(400);
  });

  it('come as CSV when asked by header or parameter', async () => {
    for (const response of [await get('/api/v1/logs?format=csv', MANAGEMENT_SECRET), await get('/api/v1/logs', MANAGEMENT_SECRET, { accept: 'text/csv' })]) {
      expect(response.headers.get('content-type')).toContain('text/csv');
      expect(response.headers.get('x-next-cursor')).toBe('next');
      const [header, line] = (await response.text()).split('\r\n');
      expect(header).toBe(CSV_COLUMNS.join(','));
      expect(line).toContain('"session, ""one"""');
      expect(line).toContain("'=SUM(A1)");
      expect(line).toContain(',0.000123456789,');
    }
  });
});

describe('routing/decide', () => {
  it('forwards what routing reads of a chat request', async () => {
    const chat = {
      model: 'openai/gpt-4o',
      models: ['a/b'],
      messages: [{ role: 'user', content: 'hello' }],
      provider: { sort: 'price' },
      tools: [{ type: 'function', function: { name: 'f' } }],
    };
    const send = (secret: string, body: object): Promise<Response> =>
      fetch(`${origin}/api/v1/routing/decide`, { method: 'POST', body: JSON.stringify(body), headers: { authorization: `Bearer ${secret}` } });
    const response = await send(INFERENCE_SECRET, chat);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ data: { kind: 'plan' }, table_version: '7' });
    expect(JSON.parse(fakes.decisions[0]?.requestJson ?? '')).toMatchObject({
      model: 'openai/gpt-4o',
      models: ['a/b'],
      provider: { sort: 'price' },
      apiType: 'chat',
      uses: { tools: true },
    });
    // The time that the request would be priced by.
    expect(fakes.decisions[0]?.acceptTimeMs).toBe(BigInt(FAKE_NOW_MS + BILLING_AHEAD_MS));
    const restricted = await client(MANAGEMENT_SECRET).apiKeys.create({ requestBody: { name: 'restricted' } });
    const key = fakes.keys.find(restricted.data.hash);
    if (key) Object.assign(key, { allowedModels: ['acme/*'], account: { ...billing.AccountFacts.fromPartial({ zdr: true }) } });
    await send(restricted.key, chat);
    expect(JSON.parse(fakes.decisions[1]?.requestJson ?? '')).toMatchObject({
      policy: { allowedModels: ['acme/*'], zdr: true, deadlines: { connectMs: 7 }, breakers: { 'endpoint-1': { phase: 'open' } } },
    });
    expect((await send(INFERENCE_SECRET, { ...chat, provider: { foo: 1 } })).status).toBe(400);
    expect((await send('unknown', chat)).status).toBe(401);
  });
});

describe('health and description', () => {
  it('tells the truth about readiness', async () => {
    expect(await (await get('/healthz')).json()).toEqual({ status: 'ok' });
    expect((await get('/readyz')).status).toBe(200);
    const before = fakes.readiness;
    const report = { ready: false, degraded: true, checks: { spool: { ready: false, detail: 'full' } } };
    Object.assign(before, report);
    const response = await get('/readyz');
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual(report);
    const metrics = await get('/metrics');
    expect(metrics.headers.get('content-type')).toContain('text/plain; version=0.0.4');
    expect(await metrics.text()).toBe('switchyard_up 1\n');
  });

  it('describes itself', async () => {
    const document = (await (await get('/openapi.json')).json()) as { openapi: string; paths: object };
    expect(document.openapi).toBe('3.1.0');
    expect(Object.keys(document.paths)).toEqual([...new Set(OPERATIONS.map((operation) => operation.path))]);
    expect((await get('/api/v1/openapi.json')).status).toBe(200);
  });
});

describe('bodies', () => {
  /** A request whose body does not come any further. */
  function begin(path: string, secret: string, sent = ''): ClientRequest {
    const headers = { authorization: `Bearer ${secret}`, 'content-length': '90000' };
    const begun = request(`${origin}${path}`, { method: 'POST', headers }).on('error', () => undefined);
    if (sent === '') begun.flushHeaders();
    else begun.write(sent);
    return begun;
  }

  it.each([
    ['a key nobody knows', '/api/v1/keys', 'unknown', 401],
    ['an inference key', '/api/v1/keys', INFERENCE_SECRET, 403],
    ['a route that does not exist', '/api/v1/nothing', MANAGEMENT_SECRET, 404],
  ])('are not waited for from %s', async (_case, path, secret, status) => {
    const begun = begin(path, secret);
    const [response] = (await once(begun, 'response')) as [IncomingMessage];
    expect(response.statusCode).toBe(status);
    begun.destroy();
  });

  it('take no more memory together than they may', async () => {
    const held = begin('/api/v1/keys', MANAGEMENT_SECRET, 'x'.repeat(80_000));
    const create = async () => {
      const headers = { authorization: `Bearer ${MANAGEMENT_SECRET}` };
      const response = await fetch(`${origin}/api/v1/keys`, { method: 'POST', headers, body: JSON.stringify({ name: 'x'.repeat(80_000) }) });
      return response.status;
    };
    await eventually(async () => expect(await create()).toBe(503));
    held.destroy();
    await eventually(async () => expect(await create()).toBe(400));
  });
});

describe('errors (E01)', () => {
  it.each([
    ['GET', '/api/v1/nothing', 404],
    ['GET', '/nothing', 404],
    ['PUT', '/api/v1/keys', 405],
    ['DELETE', '/v1/models', 405],
    ['GET', '/api/v1/chat/completions', 405],
    ['GET', '/api/v1/keys/nope', 401],
    ['GET', '/api/v1/models?limit=x', 400],
    ['GET', '/api/v1/model/a/%zz', 400],
    ['GET', `/api/v1/model/a/${'x'.repeat(600)}`, 414],
    ['GET', `/api/v1/model/a/${'x'.repeat(200)}`, 404],
  ])('%s %s leaves in the envelope with %i', async (method, path, status) => {
    const response = await fetch(`${origin}${path}`, { method });
    expect(response.status).toBe(status);
    const { error } = errorEnvelopeSchema.parse(await response.json());
    expect(error.code).toBe(status);
    if (status === 405) expect(response.headers.get('allow')).toBeTruthy();
  });

  it('names the prefix that a base URL lacks', async () => {
    const messageOf = async (path: string) => errorEnvelopeSchema.parse(await (await fetch(`${origin}${path}`, { method: 'POST' })).json()).error.message;
    expect(await messageOf('/chat/completions')).toContain('/api/v1');
    expect(await messageOf('/nothing')).toBe('No such route: POST /nothing');
  });

  it('masks what nobody expected, and logs it', async () => {
    const { options } = fakes;
    const port = options.keys as { listKeys: unknown };
    const original = port.listKeys;
    port.listKeys = () => Promise.reject(new Error('connection to 10.0.0.7 refused'));
    const response = await get('/api/v1/keys', MANAGEMENT_SECRET, { 'x-request-id': 'r-7' });
    port.listKeys = original;
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('10.0.0.7');
    expect(logger.lines.at(-1)).toMatchObject({
      level: 'error',
      fields: { error: expect.objectContaining({ message: 'connection to 10.0.0.7 refused' }), requestId: 'r-7' },
    });
  });
});
