import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { buildBuiltInCatalog } from '../core/built-in-catalog.js';
import { applyCatalogFile } from '../core/operator-catalog.js';
import { readBuiltInSources } from './built-in-sources.js';
import { catalogFileJsonSchema } from './catalog-file.schema.js';
import { CatalogFileError, parseCatalogFile } from './parse-catalog-file.js';

const ROOT = new URL('../../../../', import.meta.url);
const builtIn = buildBuiltInCatalog(readBuiltInSources());
const known = new Set(builtIn.providers.map((provider) => provider.slug));

function problemsOf(text: string): readonly string[] {
  try {
    parseCatalogFile(text, known);
  } catch (error) {
    if (error instanceof CatalogFileError) return error.problems;
    throw error;
  }
  return [];
}

function examples(): string[] {
  const guide = readFileSync(new URL('docs/guides/catalog.md', ROOT), 'utf8');
  return [...guide.matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => match[1]!);
}

describe('parseCatalogFile', () => {
  it('takes every example of the guide', () => {
    expect(examples().length).toBeGreaterThanOrEqual(2);
    for (const example of examples()) expect(problemsOf(example)).toEqual([]);
  });

  it('reports every problem at once, with its line', () => {
    const problems = problemsOf(
      [
        'version: 1',
        'providers:',
        '  - { slug: Acme, name: Acme, base_url: "ftp://x" }',
        'endpoints:',
        '  - model: acme/writer',
        '    provider: acme',
        '    provider_model_id: w',
        '    prices: { prompt: cheap }',
        'colour: blue',
      ].join('\n'),
    );
    expect(problems).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^line 3: providers\[0\]\.slug: /),
        expect.stringMatching(/^line 3: providers\[0\]\.base_url: write an http or https URL/),
        expect.stringMatching(/^line 8: endpoints\[0\]\.prices\.prompt: /),
        expect.stringMatching(/^line 8: endpoints\[0\]\.prices\.completion: /),
        expect.stringMatching(/colour/),
      ]),
    );
  });

  it('reports names that do not exist and things that are there twice', () => {
    const endpoint = '{ model: acme/writer, provider: nobody, provider_model_id: w, prices: { prompt: 1, completion: 1 } }';
    const problems = problemsOf(
      `version: 1\nproviders:\n  - { slug: openai, name: Mine, base_url: "http://x" }\n  - { slug: mine, name: Mine, like: nobody, base_url: "http://x" }\nendpoints:\n  - ${endpoint}\n  - ${endpoint}\nmirrors:\n  - { provider: openrouter, models: ["*"] }\nprovider_overrides:\n  nowhere: { disabled: true }\n`,
    );
    expect(problems).toHaveLength(7);
    expect(problems.join('\n')).toMatch(/openai is a built-in provider/);
  });

  it('reports models that are there twice, and aliases that lead nowhere or to two', () => {
    const problems = problemsOf(
      [
        'version: 1',
        'models:',
        '  - { slug: acme/writer, aliases: [writer, Scribe, acme/poet] }',
        '  - { slug: acme/writer }',
        '  - { slug: acme/bard, aliases: [scribe, "bard:free", bard, bard] }',
        'endpoints:',
        '  - { model: acme/poet, provider: openai, provider_model_id: p, prices: { prompt: 1, completion: 1 } }',
      ].join('\n'),
    );
    expect(problems).toEqual([
      'line 4: models[1].slug: acme/writer is there twice',
      'line 3: models[0].aliases[2]: acme/poet is the name of a model',
      'line 5: models[2].aliases[0]: scribe is an alias of acme/writer already',
      'line 5: models[2].aliases[1]: bard:free ends in what is read as a variant',
    ]);
  });

  it('reports broken YAML with its line', () => {
    expect(problemsOf('version: 1\nproviders: [')[0]).toMatch(/^line \d+: /);
    expect(problemsOf('version: 2')[0]).toMatch(/version/);
  });

  it('takes prices that hundreds of endpoints share by an alias, and reports an alias of nothing with its line', () => {
    const endpoint = (index: number, prices: string) => `  - { model: acme/writer-${index}, provider: openai, provider_model_id: w, prices: ${prices} }`;
    const lines = ['version: 1', 'endpoints:', endpoint(0, '&usual { prompt: 1, completion: 2 }')];
    for (let index = 1; index <= 500; index++) lines.push(endpoint(index, '*usual'));
    expect(parseCatalogFile(lines.join('\n'), known).endpoints.at(-1)!.prices).toMatchObject({ prompt: '1', completion: '2' });
    expect(problemsOf(['version: 1', 'endpoints:', endpoint(0, '*usual')].join('\n'))).toEqual([expect.stringMatching(/^line 3: .*alias.*usual/)]);
  });

  it('has a JSON Schema for editors that says the same', () => {
    const written: unknown = JSON.parse(readFileSync(new URL('docs/reference/catalog.schema.json', ROOT), 'utf8'));
    expect(written).toEqual(JSON.parse(JSON.stringify(catalogFileJsonSchema())));
  });
});

describe('applyCatalogFile', () => {
  const apply = (text: string): ReturnType<typeof applyCatalogFile> => applyCatalogFile(builtIn, parseCatalogFile(text, known));

  it('adds own providers, models and endpoints', () => {
    const catalog = apply(examples()[0]!);
    const endpoint = catalog.endpoints.find(({ record }) => record.endpointId === 'acme/writer-7b@acme-vllm')!;
    expect(endpoint.record).toMatchObject({
      providerName: 'Acme vLLM',
      baseUrl: 'http://10.0.0.7:8000/v1',
      quantization: 'fp8',
      contextLength: 32_768n,
      traits: { manifest: 'vllm', credential: 'none' },
    });
    expect(endpoint.charge.map(({ startTimeMs, schedule }) => [startTimeMs, schedule.ratesPico.input_uncached, schedule.overrides.length])).toEqual([
      [0, 100_000n, 1],
      [Date.UTC(2027, 0, 1), 120_000n, 1],
    ]);
    expect(endpoint.cost[0]!.schedule).toMatchObject({ ratesPico: { input_uncached: 50_000n }, overrides: [] });
    expect(catalog.models.find((model) => model.slug === 'acme/writer-7b')).toMatchObject({
      name: 'Acme Writer 7B',
      aliases: ['acme/writer', 'writer', '~acme/writer-latest'],
    });
    expect(catalog.providers.map((provider) => provider.slug)).toContain('acme-vllm');
  });

  it('knows of an own endpoint what it does not say, where a built-in one serves the model with the same API', () => {
    const catalog = apply(
      [
        'version: 1',
        'providers:',
        '  - { slug: proxy, name: Proxy, like: openai, base_url: "http://127.0.0.1:9/v1", credential: none }',
        '  - { slug: mine, name: Mine, base_url: "http://127.0.0.1:8/v1" }',
        'endpoints:',
        '  - { model: openai/gpt-5.4, provider: openai, provider_model_id: gpt-5.4, prices: { prompt: 1, completion: 2 } }',
        '  - { model: openai/gpt-5.4, provider: openai, provider_model_id: gpt-5.4, service_tier: priority, prices: { prompt: 4, completion: 8 } }',
        '  - { model: openai/gpt-5.4, provider: proxy, provider_model_id: g, prices: { prompt: 1, completion: 2 }, max_completion_tokens: 9, traits: { reasoning_efforts: low } }',
        '  - { model: openai/gpt-5.4, provider: mine, provider_model_id: g, prices: { prompt: 1, completion: 2 } }',
        '  - { model: openai/gpt-5, provider: openai, provider_model_id: gpt-5, prices: { prompt: 1, completion: 2 }, supported_parameters: [], data_policy: { zdr: true } }',
      ].join('\n'),
    );
    const recordOf = (id: string, of = catalog.endpoints) => of.find(({ record }) => record.endpointId === id)!.record;
    const listed = recordOf('openai/gpt-5.4@openai', builtIn.endpoints);
    expect(listed.supportedParameters).not.toContain('temperature');
    expect(Object.keys(listed.traits)).not.toEqual([]);
    expect(recordOf('openai/gpt-5.4@openai')).toEqual(listed);
    expect(recordOf('openai/gpt-5.4@openai/priority')).toMatchObject({
      supportedParameters: listed.supportedParameters,
      maxCompletionTokens: listed.maxCompletionTokens,
      traits: listed.traits,
    });
    const { supportedParameters, maxCompletionTokens, dataPolicy, traits } = recordOf('openai/gpt-5.4@proxy');
    expect([supportedParameters, maxCompletionTokens, dataPolicy]).toEqual([listed.supportedParameters, 9n, undefined]);
    expect(traits).toEqual({ ...listed.traits, reasoning_efforts: 'low', manifest: 'openai', credential: 'none' });
    expect(recordOf('openai/gpt-5.4@mine')).toMatchObject({ supportedParameters: [], maxCompletionTokens: undefined, traits: { manifest: 'vllm' } });
    expect(recordOf('openai/gpt-5@openai')).toMatchObject({ supportedParameters: [], dataPolicy: { retains: false, zdr: true } });
  });

  it('knows that a model always reasons though the file alone names it, unless that says otherwise', () => {
    const endpoint = (model: string) => `  - { model: ${model}, provider: openai, provider_model_id: m, prices: { prompt: 1, completion: 2 } }`;
    const slugs = ['openai/o3', 'openai/gpt-4o', 'acme/writer-thinking', 'acme/muse-thinking'];
    const catalog = apply(
      ['version: 1', 'built_in: false', 'models: [{ slug: acme/muse-thinking, reasoning_mandatory: false }]', 'endpoints:', ...slugs.map(endpoint)].join('\n'),
    );
    const always = slugs.filter((slug) => catalog.models.find((model) => model.slug === slug)!.reasoningMandatory);
    expect(always).toEqual(['openai/o3', 'acme/writer-thinking']);
  });

  it('mirrors every model at a multiple of its cheapest price and sends built-in providers elsewhere', () => {
    const catalog = apply(examples()[1]!);
    const served = (slug: string) => catalog.endpoints.filter(({ record }) => record.modelSlug === slug && record.variant === '');
    for (const model of builtIn.models.filter((candidate) =>
      builtIn.endpoints.some(({ record }) => record.modelSlug === candidate.slug && record.variant === ''),
    )) {
      expect(served(model.slug).map(({ record }) => record.providerSlug)).toEqual(expect.arrayContaining(['sim-swift', 'sim-thrift', 'sim-flaky']));
    }
    const openai = served('openai/gpt-4o').find(({ record }) => record.providerSlug === 'openai')!;
    expect(openai.record).toMatchObject({ baseUrl: 'http://127.0.0.1:4801/openai', traits: { credential: 'none' } });
    const swift = served('openai/gpt-4o').find(({ record }) => record.providerSlug === 'sim-swift')!;
    expect(swift.record).toMatchObject({
      providerModelId: 'openai/gpt-4o',
      baseUrl: 'http://127.0.0.1:4802/v1',
      traits: { manifest: 'vllm', credential: 'none' },
    });
    expect(swift.charge[0]!.schedule.ratesPico.input_uncached).toBe((openai.charge[0]!.schedule.ratesPico.input_uncached! * 3n) / 2n);
  });

  it('lets the first of several mirrors count that name the same, and none call without a credential because the original does', () => {
    const catalog = apply(
      [
        'version: 1',
        'built_in: false',
        'providers:',
        '  - { slug: mine, name: Mine, base_url: "http://127.0.0.1:9/v1", credential: none }',
        '  - { slug: backup, name: Backup, base_url: "http://127.0.0.1:8/v1" }',
        'endpoints:',
        '  - { model: acme/writer, provider: mine, provider_model_id: w, prices: { prompt: 1, completion: 1 }, traits: { reasoning_style: effort } }',
        'mirrors:',
        '  - { provider: backup, models: ["acme/*"], price_multiplier: 3 }',
        '  - { provider: backup, models: ["*"], price_multiplier: 2 }',
      ].join('\n'),
    );
    const mirrored = catalog.endpoints.filter(({ record }) => record.providerSlug === 'backup');
    expect(mirrored.map(({ record, charge }) => [record.endpointId, charge[0]!.schedule.ratesPico.input_uncached])).toEqual([
      ['acme/writer@backup', 3_000_000n],
    ]);
    expect(mirrored[0]!.record.traits).toEqual({ reasoning_style: 'effort', manifest: 'vllm' });
  });

  it('keeps the snapshots of a built-in endpoint that has a price of its own, gives a deployment those that it names, and a mirror none', () => {
    const endpoint = (fields: string) => `  - { model: openai/gpt-4o, prices: { prompt: 9, completion: 9 }, ${fields} }`;
    const catalog = apply(
      [
        'version: 1',
        'providers:',
        '  - { slug: mine, name: Mine, like: openai, base_url: "http://127.0.0.1:9/v1" }',
        '  - { slug: copy, name: Copy, base_url: "http://127.0.0.1:8/v1" }',
        'endpoints:',
        endpoint('provider: openai, provider_model_id: gpt-4o'),
        endpoint('provider: openai, provider_model_id: gpt-4o-2024-08-06, tag: openai/held'),
        endpoint('provider: mine, provider_model_id: d1'),
        endpoint('provider: mine, provider_model_id: d2, tag: mine/dated, snapshots: { 2024-11-20: gpt4o-1120 }'),
        'mirrors:',
        '  - { provider: copy, models: [openai/gpt-4o] }',
      ].join('\n'),
    );
    const snapshots = Object.fromEntries(catalog.endpoints.map(({ record }) => [record.endpointId, record.snapshots]));
    expect(snapshots['openai/gpt-4o@openai']).toMatchObject({ '2024-11-20': 'gpt-4o-2024-11-20' });
    expect(snapshots).toMatchObject({
      'openai/gpt-4o@openai/held': {},
      'openai/gpt-4o@mine': {},
      'openai/gpt-4o@mine/dated': { '2024-11-20': 'gpt4o-1120' },
      'openai/gpt-4o@copy': {},
    });
    for (const tag of ['openai/held', 'mine', 'copy']) expect(snapshots[`openai/gpt-4o@${tag}`]).toEqual({});
    expect(
      problemsOf(
        'version: 1\nendpoints:\n  - { model: a/b, provider: openai, provider_model_id: b, prices: { prompt: 1, completion: 1 }, snapshots: { may: b1 } }',
      ),
    ).toEqual([expect.stringContaining('line 3: endpoints[0].snapshots')]);
  });

  it('mirrors the endpoint that is charged least, discounts taken off, at a cost without them', () => {
    const catalog = apply(
      [
        'version: 1',
        'built_in: false',
        'providers:',
        '  - { slug: listed, name: Listed, base_url: "http://127.0.0.1:9/v1" }',
        '  - { slug: reduced, name: Reduced, base_url: "http://127.0.0.1:8/v1" }',
        '  - { slug: backup, name: Backup, base_url: "http://127.0.0.1:7/v1" }',
        'endpoints:',
        '  - { model: acme/writer, provider: listed, provider_model_id: w, prices: { prompt: 3, completion: 3 } }',
        '  - { model: acme/writer, provider: reduced, provider_model_id: w, prices: { prompt: 4, completion: 4 }, discount: 0.5 }',
        'mirrors:',
        '  - { provider: backup, models: ["*"], price_multiplier: 2 }',
      ].join('\n'),
    );
    const mirrored = catalog.endpoints.find(({ record }) => record.providerSlug === 'backup')!;
    const prices = { input_uncached: 8_000_000n, output_text: 8_000_000n };
    expect(mirrored.charge.map(({ schedule }) => schedule)).toMatchObject([{ ratesPico: prices, discountMillionths: 500_000 }]);
    expect(mirrored.cost.map(({ schedule }) => schedule)).toMatchObject([{ ratesPico: prices, discountMillionths: 0 }]);
  });

  it('keeps what an endpoint costs while only what is charged for it changes', () => {
    const changes = [
      '{ from: "2027-01-01T00:00:00Z", prices: { prompt: 4, completion: 4 } }',
      '{ from: "2027-02-01T00:00:00Z", prices: { prompt: 6, completion: 6 }, cost_prices: { prompt: 2, completion: 2 } }',
      '{ from: "2027-03-01T00:00:00Z", prices: { prompt: 8, completion: 8 } }',
    ];
    const costs = (costPrices: string): bigint[] => {
      const endpoint = `{ model: acme/writer, provider: mine, provider_model_id: w, prices: { prompt: 3, completion: 3 }, ${costPrices} price_changes: [${changes.join(', ')}] }`;
      const catalog = apply(
        `version: 1\nbuilt_in: false\nproviders:\n  - { slug: mine, name: Mine, base_url: "http://127.0.0.1:9/v1" }\nendpoints:\n  - ${endpoint}`,
      );
      return catalog.endpoints[0]!.cost.map(({ schedule }) => schedule.ratesPico.input_uncached! / 1_000_000n);
    };
    expect(costs('cost_prices: { prompt: 1, completion: 1 },')).toEqual([1n, 1n, 2n, 2n]);
    expect(costs('')).toEqual([3n, 4n, 2n, 2n]);
  });

  it('keeps and drops models by pattern, or imports nothing', () => {
    expect(
      apply('version: 1\ninclude: ["openai/*"]\nexclude: ["openai/gpt-4o"]').models.every(
        (model) => model.slug.startsWith('openai/') && model.slug !== 'openai/gpt-4o',
      ),
    ).toBe(true);
    expect(apply('version: 1\nbuilt_in: false').models).toEqual([]);
  });

  it('gives the names of a family to the newest model that is kept (R01), and those of dropped models to none', () => {
    const holders = (text: string, alias: string): string[] =>
      apply(text)
        .models.filter((model) => model.aliases.includes(alias))
        .map((model) => model.slug);
    const older = 'version: 1\ninclude: [anthropic/claude-sonnet-4, anthropic/claude-sonnet-4.5]';
    for (const alias of ['~anthropic/claude-sonnet-latest', 'anthropic/claude-sonnet', '~anthropic/claude-latest', 'anthropic/claude']) {
      expect([alias, holders(older, alias)]).toEqual([alias, ['anthropic/claude-sonnet-4.5']]);
    }
    const [newest] = holders('version: 1', '~anthropic/claude-sonnet-latest');
    expect(holders('version: 1\nexclude: ["openai/*"]', '~anthropic/claude-sonnet-latest')).toEqual([newest]);
    // Nobody who asks for a model that is not offered shall get another one.
    expect(builtIn.models.map(({ slug }) => slug)).toContain('qwen/qwen-max');
    expect(holders('version: 1\nexclude: [qwen/qwen-max]', 'qwen/qwen-max')).toEqual([]);
  });

  it('lets the newest of a family that lasts longer follow a model that ends, unless the operator names another', () => {
    const successorOf = (text: string, slug: string) => apply(text).models.find((model) => model.slug === slug)?.successorSlug;
    const ends = (slug: string, day: string, more = '') => `  - { slug: ${slug}, expires: "2026-01-${day}T00:00:00Z"${more} }\n`;
    const poets = `version: 1\nmodels:\n${ends('acme/poet-3', '01')}${ends('acme/poet-2', '02')}  - { slug: acme/poet-1 }\n  - { slug: other/poet-9 }\n`;
    expect(successorOf(poets, 'acme/poet-3')).toBe('acme/poet-2');
    expect(successorOf(poets, 'acme/poet-2')).toBe('acme/poet-1');
    expect(successorOf(poets, 'acme/poet-1')).toBe('');
    expect(successorOf(`${poets}${ends('acme/poet-4', '01', ', successor: acme/poet-1')}`, 'acme/poet-4')).toBe('acme/poet-1');
    expect(successorOf(`version: 1\nmodels:\n${ends('anthropic/claude-sonnet-4.5', '01')}`, 'anthropic/claude-sonnet-4.5')).toMatch(
      /^anthropic\/claude-sonnet-/,
    );
  });

  it('gives an alias to whom the operator gives it', () => {
    const catalog = apply('version: 1\nmodels:\n  - { slug: openai/gpt-4o, aliases: [anthropic/claude] }');
    expect(catalog.models.filter((model) => model.aliases.includes('anthropic/claude')).map((model) => model.slug)).toEqual(['openai/gpt-4o']);
  });

  it('lets own models join the families of their authors (R01)', () => {
    const holders = (catalog: ReturnType<typeof applyCatalogFile>, alias: string): string[] =>
      catalog.models.filter((model) => model.aliases.includes(alias)).map((model) => model.slug);
    const own = apply('version: 1\nmodels:\n  - { slug: acme/poet-2 }\n  - { slug: acme/poet-10 }\n  - { slug: acme/bard, family: poet }');
    expect(holders(own, '~acme/poet-latest')).toEqual(['acme/poet-10']);
    expect(holders(own, 'acme/poet')).toEqual(['acme/poet-10']);
    const newer = apply('version: 1\nmodels:\n  - { slug: anthropic/claude-opus-99 }');
    expect(holders(newer, '~anthropic/claude-opus-latest')).toEqual(['anthropic/claude-opus-99']);
    expect(holders(newer, '~anthropic/claude-sonnet-latest')).toEqual(holders({ ...newer, models: builtIn.models }, '~anthropic/claude-sonnet-latest'));
    const given = apply('version: 1\nmodels:\n  - { slug: acme/poet-2, aliases: ["~acme/poet-latest"] }\n  - { slug: acme/poet-10 }');
    expect(holders(given, '~acme/poet-latest')).toEqual(['acme/poet-2']);
  });
});
