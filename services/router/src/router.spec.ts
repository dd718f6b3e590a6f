import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createPool, runMigrations } from '@switchyard/db';
import type { RoutingRequest } from '@switchyard/routing';
import { captureLogger, manualClock, seededRandom, startTestPostgres, type TestPostgres } from '@switchyard/testing';
import type { Pool } from 'pg';
import { CatalogService } from './catalog.service.js';
import { CatalogStore } from './catalog.store.js';
import { CatalogFileReader } from './catalog/catalog-file.reader.js';
import { CatalogImporter } from './catalog/catalog-importer.js';
import { CatalogFileError } from './catalog/parse-catalog-file.js';
import { PREDECESSOR_KEPT_MS } from './core/price-history.js';
import { RouterService } from './router.service.js';
import { routerTarget } from './router.target.js';
import { TablePublisher } from './table-publisher.js';

const NOW = Date.UTC(2026, 5, 1);
const FILE = (promptUsd: string): string => `
version: 1
built_in: false
providers:
  - { slug: mine, name: Mine, base_url: "http://127.0.0.1:9/v1", credential: none }
models:
  - { slug: acme/writer, aliases: [acme/w], name: Writer }
endpoints:
  - { model: acme/writer, provider: mine, provider_model_id: w, prices: { prompt: "${promptUsd}", completion: "1" } }
`;

let postgres: TestPostgres;
let pool: Pool;
let folder: string;

beforeAll(async () => {
  postgres = await startTestPostgres();
  await runMigrations(postgres.url, routerTarget.schema!);
  pool = createPool(postgres.url, { schema: 'router' });
  folder = await mkdtemp(join(tmpdir(), 'catalogue-'));
}, 90_000);

afterAll(async () => {
  await pool.end();
  await postgres.close();
  await rm(folder, { recursive: true });
});

let setUpCount = 0;

async function setUp(text: string | undefined) {
  const path = join(folder, `catalog-${++setUpCount}.yaml`);
  if (text !== undefined) await writeFile(path, text);
  const clock = manualClock(NOW);
  const logger = captureLogger();
  const publisher = new TablePublisher({ clock, heartbeatMs: 500, maxQueuedMessages: 100 });
  publisher.setCredentialedProviders(new Set());
  const store = new CatalogStore(pool);
  const importer = new CatalogImporter({
    store,
    clock,
    logger,
    file: text === undefined ? undefined : new CatalogFileReader(path),
    onCatalog: (state) => publisher.setCatalog(state),
  });
  const service = new RouterService(publisher, clock, seededRandom(1));
  return { path, clock, logger, publisher, store, importer, service, catalog: new CatalogService(publisher, clock) };
}

const REQUEST: RoutingRequest = {
  model: 'acme/w',
  apiType: 'chat',
  stream: false,
  parameters: [],
  uses: { tools: false, verbosity: false, reasoning: false, images: false, audio: false, files: false, video: false, outputModalities: [] },
  promptTokensEstimate: 10,
};

describe('the router', () => {
  beforeEach(async () => {
    // A fresh history for each: the table itself refuses to lose rows.
    await pool.query('ALTER TABLE price DISABLE TRIGGER price_is_append_only; DELETE FROM price; ALTER TABLE price ENABLE TRIGGER price_is_append_only');
  });

  it('imports, publishes and decides', async () => {
    const { importer, publisher, service } = await setUp(FILE('0.5'));
    await importer.start();
    expect(publisher.table.endpoints.get('acme/writer@mine')).toMatchObject({
      hasCredential: true,
      providerName: 'Mine',
      record: { baseUrl: 'http://127.0.0.1:9/v1' },
    });
    const { planJson, tableVersion } = await service.decide({ requestJson: JSON.stringify(REQUEST), acceptTimeMs: 0n });
    expect(tableVersion).toBe(1n);
    expect(JSON.parse(planJson)).toMatchObject({
      decision: 'plan',
      strategy: 'only_choice',
      candidates: [{ endpoint_id: 'acme/writer@mine', model: 'acme/writer', pricing: { prompt: '0.0000005', completion: '0.000001' } }],
      excluded: [],
    });
  });

  it('shows the discount with the price that it is taken off', async () => {
    const { importer, service } = await setUp(FILE('0.5').replace('completion: "1" } }', 'completion: "1" }, discount: 0.25 }'));
    await importer.start();
    const { planJson } = await service.decide({ requestJson: JSON.stringify(REQUEST), acceptTimeMs: 0n });
    expect(JSON.parse(planJson)).toMatchObject({ candidates: [{ pricing: { prompt: '0.0000005', completion: '0.000001', discount: 0.25 } }] });
  });

  it('explains a refusal, and honours what the asking key may use', async () => {
    const { importer, service } = await setUp(FILE('0.5'));
    await importer.start();
    const { planJson } = await service.decide({ requestJson: JSON.stringify({ ...REQUEST, policy: { allowedModels: ['other/*'] } }), acceptTimeMs: 0n });
    expect(JSON.parse(planJson)).toMatchObject({
      decision: 'refusal',
      error: { code: 404, availability: { code: 'no_endpoints', excluded_by: ['allowed_models'] } },
    });
    expect(() => service.decide({ requestJson: '{"model": 7}', acceptTimeMs: 0n })).toThrow(/not valid/);
    expect(() => service.decide({ requestJson: 'no', acceptTimeMs: 0n })).toThrow(/not JSON/);
  });

  it('explains with the deadlines of the asking ingress', async () => {
    const { importer, service } = await setUp(FILE('0.5'));
    await importer.start();
    const policy = { deadlines: { connectMs: 7, totalMs: 9_000 } };
    const { planJson } = await service.decide({ requestJson: JSON.stringify({ ...REQUEST, stream: true, policy }), acceptTimeMs: 0n });
    expect(JSON.parse(planJson)).toMatchObject({ candidates: [{ deadlines_ms: { connect: 7, first_token: 9_000, between_chunks: 60_000, total: 9_000 } }] });
  });

  it('answers for the catalogue', async () => {
    const { importer, catalog } = await setUp(FILE('0.5'));
    await importer.start();
    expect((await catalog.listModels({})).models.map((model) => model.slug)).toEqual(['acme/writer']);
    expect(await catalog.getModel({ slug: 'acme/w' })).toMatchObject({ model: { name: 'Writer' }, endpoints: [{ endpointId: 'acme/writer@mine' }] });
    expect(() => catalog.getModel({ slug: 'acme/writre' })).toThrow('There is no model acme/writre.');
    expect((await catalog.listProviders({})).providers.map((provider) => provider.slug)).toContain('mine');
  });

  it('finds nothing new in a second start', async () => {
    const first = await setUp(FILE('0.5'));
    await first.importer.start();
    const before = await first.store.priceHistory('acme/writer@mine', 'charge');
    const second = await setUp(FILE('0.5'));
    await second.importer.start();
    expect(await second.store.priceHistory('acme/writer@mine', 'charge')).toEqual(before);
    expect(second.publisher.table.endpoints.get('acme/writer@mine')!.chargeSchedules[0]!.schedule.revision).toBe(before[0]!.revision);
  });

  it('reads a changed file again: the new price begins now, the old one stays in the history', async () => {
    const { importer, path, clock, publisher, store } = await setUp(FILE('0.5'));
    await importer.start();
    clock.advance(60_000);
    await writeFile(path, FILE('0.7'));
    await importer.reload();
    const history = await store.priceHistory('acme/writer@mine', 'charge');
    expect(history.map((price) => [price.startTimeMs, price.schedule.ratesPico['input_uncached'], price.source])).toEqual([
      [0, 500_000n, 'operator'],
      [NOW + 60_000, 700_000n, 'operator'],
    ]);
    expect(publisher.table.version).toBe(2n);
    const revisions = () => publisher.table.endpoints.get('acme/writer@mine')!.chargeSchedules.map((dated) => dated.schedule.revision);
    expect(revisions()).toEqual(history.map((price) => price.revision));
    clock.advance(PREDECESSOR_KEPT_MS);
    await writeFile(path, `${FILE('0.7')}\n`);
    await importer.reload();
    expect(revisions()).toEqual([history[1]!.revision]);
  });

  it('prices a request by the old price that billing accepted before the new one began here, though a model has but one endpoint', async () => {
    const { importer, path, clock, service } = await setUp(FILE('0.5'));
    await importer.start();
    clock.advance(60_000);
    await writeFile(path, FILE('0.7'));
    await importer.reload();
    const promptPrice = async (acceptTimeMs: number): Promise<unknown> => {
      const { planJson } = await service.decide({ requestJson: JSON.stringify(REQUEST), acceptTimeMs: BigInt(acceptTimeMs) });
      return (JSON.parse(planJson) as { candidates?: { pricing: { prompt: string } }[] }).candidates?.[0]?.pricing.prompt;
    };
    expect(await promptPrice(clock.nowMs() - 2_000)).toBe('0.0000005');
    expect(await promptPrice(clock.nowMs())).toBe('0.0000007');
  });

  it('keeps prices of the future in the table, with overrides', async () => {
    const text = FILE('0.5').replace(
      'completion: "1" } }',
      'completion: "1" }, price_changes: [{ from: "2026-07-01T00:00:00Z", prices: { prompt: "9", completion: "9" } }], overrides: [{ min_prompt_tokens: 5, prices: { prompt: "2" } }] }',
    );
    const { importer, publisher } = await setUp(text);
    await importer.start();
    const endpoint = publisher.table.endpoints.get('acme/writer@mine')!;
    expect(endpoint.chargeSchedules.map((dated) => [dated.startTimeMs, dated.schedule.ratesPico.input_uncached])).toEqual([
      [0, 500_000n],
      [Date.UTC(2026, 6, 1), 9_000_000n],
    ]);
    const again = await setUp(text);
    await again.importer.start();
    expect(again.publisher.table.endpoints.get('acme/writer@mine')!.chargeSchedules[0]!.schedule.overrides).toEqual([
      { minPromptTokens: 5, utcStart: undefined, utcEnd: undefined, utcDays: [], ratesPico: { input_uncached: 2_000_000n } },
    ]);
  });

  it('ignores a file that became wrong, says why once, and refuses to start with one', async () => {
    const { importer, path, publisher, logger } = await setUp(FILE('0.5'));
    await importer.start();
    await writeFile(path, 'version: 3');
    await importer.reload();
    await importer.reload();
    expect(publisher.table.endpoints.has('acme/writer@mine')).toBe(true);
    expect(logger.lines.filter((line) => line.level === 'error')).toHaveLength(1);
    await expect((await setUp('version: 3')).importer.start()).rejects.toThrow(CatalogFileError);
  });

  it('imports a changed file as soon as the database takes it, and says once that it did not', async () => {
    const { importer, path, publisher, logger } = await setUp(FILE('0.5'));
    await importer.start();
    const promptPico = () => publisher.table.endpoints.get('acme/writer@mine')!.chargeSchedules.at(-1)!.schedule.ratesPico.input_uncached;
    await writeFile(path, FILE('0.7'));
    await pool.query('ALTER TABLE price RENAME TO price_away');
    try {
      await importer.reload();
      await importer.reload();
    } finally {
      await pool.query('ALTER TABLE price_away RENAME TO price');
    }
    expect(promptPico()).toBe(500_000n);
    expect(logger.lines.filter((line) => line.level === 'error')).toHaveLength(1);
    await importer.reload();
    expect(promptPico()).toBe(700_000n);
  });

  it('lets nobody change or remove a recorded price', async () => {
    const { importer } = await setUp(FILE('0.5'));
    await importer.start();
    await expect(pool.query("UPDATE price SET source = 'me'")).rejects.toThrow('append-only');
    await expect(pool.query('DELETE FROM price')).rejects.toThrow('append-only');
    await expect(pool.query('TRUNCATE price')).rejects.toThrow('append-only');
  });

  it('stores the whole built-in catalogue and removes what is no longer in it', async () => {
    const { importer, publisher } = await setUp(undefined);
    await importer.start();
    const { rows } = await pool.query<{ models: bigint; endpoints: bigint; prices: bigint }>(
      'SELECT (SELECT count(*) FROM model) AS models, (SELECT count(*) FROM endpoint) AS endpoints, (SELECT count(DISTINCT endpoint_id) FROM price) AS prices',
    );
    expect(rows[0]).toEqual({
      models: BigInt(publisher.table.models.size),
      endpoints: BigInt(publisher.table.endpoints.size),
      prices: BigInt(publisher.table.endpoints.size),
    });
    expect(publisher.table.models.size).toBeGreaterThanOrEqual(300);
  });

  it('lets two replicas import at once', async () => {
    const replicas = await Promise.all([setUp(FILE('0.5')), setUp(FILE('0.5'))]);
    await Promise.all(replicas.map(({ importer }) => importer.start()));
    const revisions = replicas.map(({ publisher }) => publisher.table.endpoints.get('acme/writer@mine')!.chargeSchedules[0]!.schedule.revision);
    expect(revisions[0]).toBe(revisions[1]);
    expect(await replicas[0]!.store.priceHistory('acme/writer@mine', 'charge')).toHaveLength(1);
  });
});
