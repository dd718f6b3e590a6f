import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { findManifest } from '@switchyard/providers';
import { applyTableUpdate, EMPTY_ROUTING_TABLE, resolveModel, type RoutingTable } from '@switchyard/routing';
import { readBuiltInSources } from '../catalog/built-in-sources.js';
import { buildBuiltInCatalog } from './built-in-catalog.js';
import { BUILT_IN_PROVIDERS } from './built-in-providers.js';

const catalog = buildBuiltInCatalog(readBuiltInSources());

const table = tableOf(false);
/** The same where every provider has a credential. */
const served = tableOf(true);

function tableOf(hasCredential: boolean): RoutingTable {
  return applyTableUpdate(EMPTY_ROUTING_TABLE, {
    version: 1n,
    isSnapshot: true,
    models: catalog.models,
    endpoints: catalog.endpoints.map(({ record }) => ({ ...record, hasCredential, chargeSchedules: [], costSchedules: [] })),
    removedModelSlugs: [],
    removedEndpointIds: [],
    statistics: [],
    serverTimeMs: 0n,
    providers: catalog.providers,
  });
}

function slugOf(name: string): string {
  const resolution = resolveModel(table, name, 0);
  return resolution.kind === 'found' ? resolution.target.model.slug : resolution.kind;
}

function wireIds(slug: string): Record<string, string> {
  return Object.fromEntries(
    catalog.endpoints.filter(({ record }) => record.modelSlug === slug && record.variant === '').map(({ record }) => [record.tag, record.providerModelId]),
  );
}

/** What a name leads to at each provider that serves it: the public name, and the id that the provider is asked for. */
function asked(name: string): readonly [string, Record<string, string>] {
  const resolution = resolveModel(served, name, 0);
  if (resolution.kind !== 'found') return [resolution.kind, {}];
  const { model, variant } = resolution.target;
  const endpoints = model.endpoints.filter((endpoint) => endpoint.variant === variant);
  return [model.slug, Object.fromEntries(endpoints.map(({ tag, providerModelId }) => [tag, providerModelId]))];
}

describe('the built-in catalogue', () => {
  it('has at least 300 models, at least 100 of them with two or more providers', () => {
    const providers = new Map<string, Set<string>>();
    for (const { record } of catalog.endpoints) providers.set(record.modelSlug, (providers.get(record.modelSlug) ?? new Set()).add(record.providerSlug));
    expect(catalog.models.length).toBeGreaterThanOrEqual(300);
    expect([...providers.values()].filter((slugs) => slugs.size >= 2).length).toBeGreaterThanOrEqual(100);
  });

  it('resolves every model that the documents name', () => {
    const root = join(import.meta.dirname, '../../../..');
    const guides = readdirSync(join(root, 'docs/guides')).map((file) => join('docs/guides', file));
    const text = ['README.md', 'CONTRIBUTING.md', ...guides].map((file) => readFileSync(join(root, file), 'utf8')).join('\n');
    const authors = [...new Set(catalog.models.map((model) => model.slug.split('/')[0]!))].filter((author) => author !== 'acme');
    const named = [...text.matchAll(new RegExp(`(?<![\\w./-])~?(?:${authors.join('|')})/[a-z][a-z0-9.-]*[a-z0-9]`, 'g'))].map(([name]) => name);
    expect(named).toContain('openai/gpt-4o-mini');
    const isPath = (name: string) => /\/(v1|v1beta)$/.test(name);
    // OpenRouter's own routers, and its package: the guide for who comes from there says which of them are not here.
    const isAnotherProduct = (name: string) => name.startsWith('openrouter/');
    expect([...new Set(named)].filter((name) => !isPath(name) && !isAnotherProduct(name) && resolveModel(table, name, 0).kind !== 'found')).toEqual([]);
  });

  it('gives every endpoint an id of its own and prices for prompt and completion', () => {
    expect(new Set(catalog.endpoints.map(({ record }) => record.endpointId)).size).toBe(catalog.endpoints.length);
    for (const { record, charge } of catalog.endpoints) {
      const rates = charge[0]!.schedule.ratesPico;
      expect({ id: record.endpointId, prompt: rates.input_uncached !== undefined }).toEqual({ id: record.endpointId, prompt: true });
      expect(rates.output_text !== undefined || record.outputModalities.includes('embeddings')).toBe(true);
    }
  });

  describe('lists for a maker’s own models', () => {
    const MAKERS: Readonly<Record<string, string>> = { 'x-ai': 'xai', moonshotai: 'moonshot', mistralai: 'mistral' };
    const takenAt = (slug: string, provider: string) =>
      catalog.endpoints.find(({ record }) => record.modelSlug === slug && record.providerSlug === provider && record.variant === '')!.record;
    const takenBy = (slug: string) => {
      const author = slug.split('/')[0]!;
      return takenAt(slug, MAKERS[author] ?? author);
    };
    const sampling = ['temperature', 'top_p', 'top_k', 'frequency_penalty', 'logit_bias', 'logprobs', 'prediction'];

    it.each([
      'anthropic/claude-opus-4.7',
      'anthropic/claude-opus-5.5',
      'anthropic/claude-sonnet-5',
      'anthropic/claude-fable-5.1',
      'openai/o1',
      'openai/o3',
      'openai/gpt-5',
      'openai/gpt-5.4-mini',
      'openai/gpt-6-sol',
      'moonshotai/kimi-k2.5',
      'moonshotai/kimi-k2.6',
      'moonshotai/kimi-k3',
    ])('no sampling parameter of %s, which refuses what many clients send', (slug) => {
      expect(takenBy(slug).supportedParameters.filter((name) => sampling.includes(name))).toEqual([]);
    });

    it.each(['anthropic/claude-opus-4.6', 'anthropic/claude-haiku-4.5', 'openai/gpt-4.1', 'openai/gpt-5-chat'])('the temperature of %s', (slug) =>
      expect(takenBy(slug).supportedParameters).toContain('temperature'),
    );

    it('the temperature of a Kimi where another serves it', () => {
      const others = catalog.endpoints.filter(({ record }) => record.modelSlug === 'moonshotai/kimi-k2.5' && record.providerSlug !== 'moonshot');
      expect(others.length).toBeGreaterThan(0);
      for (const { record } of others) expect(record.supportedParameters).toContain('temperature');
    });

    it.each<[string, Record<string, string>]>([
      ['openai/o3', { reasoning_mandatory: 'true', reasoning_efforts: 'low,medium,high' }],
      ['openai/gpt-5', { reasoning_mandatory: 'true', reasoning_efforts: 'minimal,low,medium,high' }],
      ['openai/gpt-5-pro', { reasoning_mandatory: 'true', reasoning_efforts: 'high' }],
      ['openai/gpt-5.1', { reasoning_efforts: 'none,low,medium,high' }],
      ['openai/gpt-5.2', { reasoning_efforts: 'none,low,medium,high,xhigh' }],
      ['openai/gpt-5.3-codex', { reasoning_mandatory: 'true', reasoning_efforts: 'low,medium,high,xhigh' }],
      ['openai/gpt-5.4', { reasoning_efforts: 'none,low,medium,high,xhigh', tools_without_reasoning: 'true' }],
      ['openai/gpt-5.6-sol', { reasoning_efforts: 'none,low,medium,high,xhigh,max', tools_without_reasoning: 'true' }],
      ['openai/gpt-6-luna', { reasoning_efforts: 'none,low,medium,high,xhigh,max', tools_without_reasoning: 'true' }],
      ['openai/gpt-6-astra', { reasoning_mandatory: 'true', reasoning_efforts: 'low,medium,high,xhigh,max' }],
      ['openai/o4-mini-deep-research', { reasoning_mandatory: 'true', reasoning_efforts: 'medium' }],
      ['openai/gpt-5-chat', { reasoning_style: 'none' }],
      ['openai/gpt-5.3-chat', { reasoning_efforts: 'medium' }],
      ['openai/gpt-4.1', {}],
      ['anthropic/claude-opus-5.5', { reasoning_mandatory: 'true' }],
      ['x-ai/grok-3', {}],
      ['x-ai/grok-3-mini', { reasoning_efforts: 'low,high' }],
      ['x-ai/grok-4', { reasoning_style: 'none' }],
      ['x-ai/grok-4-fast', { reasoning_style: 'none' }],
      ['x-ai/grok-4.1-fast-non-reasoning', {}],
      ['x-ai/grok-4.20', { reasoning_style: 'none' }],
      ['x-ai/grok-4.3', { reasoning_efforts: 'none,low,medium,high' }],
      ['x-ai/grok-4.5', { reasoning_efforts: 'low,medium,high' }],
      ['x-ai/grok-4.6', { reasoning_efforts: 'low,medium,high,xhigh' }],
      ['x-ai/grok-code-fast-1', { reasoning_style: 'none' }],
      ['moonshotai/kimi-k2.6', {}],
      ['moonshotai/kimi-k2.7-code', { reasoning_style: 'none' }],
      ['moonshotai/kimi-k3', { reasoning_style: 'effort', reasoning_efforts: 'low,high,max' }],
    ])('how %s is asked for reasoning', (slug, traits) => expect(takenBy(slug).traits).toEqual(traits));

    it.each<[string, string, Record<string, string>]>([
      ['openai/gpt-oss-120b', 'groq', { reasoning_efforts: 'low,medium,high' }],
      ['qwen/qwen3-32b', 'groq', { reasoning_efforts: 'none' }],
      ['deepseek/deepseek-r1-distill-llama-70b', 'groq', { reasoning_style: 'none' }],
      ['openai/gpt-oss-120b', 'cerebras', { reasoning_efforts: 'low,medium,high' }],
      ['openai/gpt-oss-120b', 'together', { reasoning_style: 'effort', reasoning_efforts: 'low,medium,high' }],
      ['z-ai/glm-4.7', 'cerebras', { reasoning_efforts: 'none' }],
      ['qwen/qwen3-32b', 'cerebras', { reasoning_style: 'none' }],
    ])('how %s is asked for reasoning at %s', (slug, provider, traits) => {
      const { reasoning_mandatory: _mandatory, ...told } = takenAt(slug, provider).traits;
      expect(told).toEqual(traits);
    });

    it.each(['mistralai/mistral-medium-3-5', 'mistralai/mistral-small-2603'])('reasoning of %s', (slug) =>
      expect(takenBy(slug).supportedParameters).toContain('reasoning'),
    );

    it.each(['x-ai/grok-3-mini', 'x-ai/grok-4', 'x-ai/grok-4.1-fast-non-reasoning', 'x-ai/grok-4.6', 'x-ai/grok-code-fast-1'])(
      'no penalties and no stop sequences of %s',
      (slug) => {
        const { supportedParameters } = takenBy(slug);
        expect(supportedParameters).toEqual(expect.arrayContaining(['temperature', 'tools', 'response_format']));
        expect(supportedParameters.filter((name) => /penalty|stop/.test(name))).toEqual([]);
      },
    );

    it('stop sequences where they are taken', () => {
      expect(takenBy('openai/gpt-5.4').supportedParameters).not.toContain('stop');
      for (const slug of ['openai/gpt-4.1', 'anthropic/claude-opus-5.5', 'x-ai/grok-3']) expect(takenBy(slug).supportedParameters).toContain('stop');
    });
  });

  it('merges what providers spell differently and keeps the id of each', () => {
    expect(wireIds('meta-llama/llama-3.3-70b-instruct')).toMatchObject({
      groq: 'llama-3.3-70b-versatile',
      'cloudflare/fp8-fast': '@cf/meta/llama-3.3-70b-instruct-fp8-fast',
      'together/turbo': 'meta-llama/Llama-3.3-70B-Instruct-Turbo',
      cerebras: 'llama-3.3-70b',
      novita: 'meta-llama/llama-3.3-70b-instruct',
      openrouter: 'meta-llama/llama-3.3-70b-instruct',
    });
    expect(wireIds('deepseek/deepseek-chat-v3.1')).toMatchObject({ fireworks: 'accounts/fireworks/models/deepseek-v3p1' });
    expect(wireIds('anthropic/claude-3.5-sonnet')).toMatchObject({ anthropic: 'claude-3-5-sonnet-20241022' });
    expect(wireIds('qwen/qwen3-coder')).toMatchObject({ cerebras: 'qwen-3-coder-480b', 'deepinfra/turbo': 'Qwen/Qwen3-Coder-480B-A35B-Instruct-Turbo' });
    expect(wireIds('google/gemini-2.5-flash-lite')).toMatchObject({ google: 'gemini-2.5-flash-lite' });
  });

  it.each([
    ['openai/gpt-4o', 'openai/gpt-4o'],
    ['gpt-4o', 'openai/gpt-4o'],
    ['anthropic/claude-opus-4-1', 'anthropic/claude-opus-4.1'],
    ['anthropic/claude-3-5-sonnet-20241022', 'anthropic/claude-3.5-sonnet'],
    ['claude-3-5-sonnet-20241022', 'anthropic/claude-3.5-sonnet'],
    ['claude-opus-4-1', 'anthropic/claude-opus-4.1'],
    ['anthropic/claude-sonnet-4-5-20250929', 'anthropic/claude-sonnet-4.5'],
    ['claude-opus-4-5-20251101', 'anthropic/claude-opus-4.5'],
    ['claude-haiku-4-5-20251001', 'anthropic/claude-haiku-4.5'],
    ['openai/gpt-5.1-2025-11-13', 'openai/gpt-5.1'],
    ['openai/o1-2024-12-17', 'openai/o1'],
    ['o3-mini-2025-01-31', 'openai/o3-mini'],
    ['gpt-4o-2024-05-13', 'openai/gpt-4o-2024-05-13'],
    ['gpt-4o-2024-08-06', 'openai/gpt-4o'],
    ['anthropic/claude-4.5-sonnet-20250929', 'anthropic/claude-sonnet-4.5'],
    ['openai/gpt-4o-mini-search-preview-2025-03-11', 'openai/gpt-4o-mini-search-preview'],
    ['claude-3-7-sonnet-latest', 'anthropic/claude-3.7-sonnet'],
    ['mistral-medium-2508', 'mistralai/mistral-medium-3.1'],
    ['grok-4-0709', 'x-ai/grok-4'],
    ['meta-llama/Llama-3.3-70B-Instruct-Turbo', 'meta-llama/llama-3.3-70b-instruct'],
    ['openai/gpt-4o:nitro', 'openai/gpt-4o'],
    ['deepseek/deepseek-r1:free', 'deepseek/deepseek-r1'],
  ])('R01 resolves %s to %s', (name, slug) => {
    expect(slugOf(name)).toBe(slug);
  });

  it.each<[string, string, Record<string, string>]>([
    ['openai/gpt-4o-2024-11-20', 'openai/gpt-4o-2024-11-20', { openai: 'gpt-4o-2024-11-20', openrouter: 'openai/gpt-4o-2024-11-20' }],
    ['gpt-4o-2024-08-06', 'openai/gpt-4o-2024-08-06', { openai: 'gpt-4o-2024-08-06', openrouter: 'openai/gpt-4o-2024-08-06' }],
    ['openai/gpt-5.2-20251211', 'openai/gpt-5.2-2025-12-11', { openai: 'gpt-5.2-2025-12-11', openrouter: 'openai/gpt-5.2-20251211' }],
    ['gpt-5-1-2025-11-13', 'openai/gpt-5.1-2025-11-13', { openai: 'gpt-5.1-2025-11-13' }],
    ['openai/gpt-5-nano-2025-08-07', 'openai/gpt-5-nano-2025-08-07', { openai: 'gpt-5-nano-2025-08-07' }],
    ['openai/gpt-5.5-2026-04-23', 'openai/gpt-5.5-2026-04-23', { openai: 'gpt-5.5-2026-04-23' }],
    ['openai/gpt-audio-mini-2025-10-06', 'openai/gpt-audio-mini-2025-10-06', { openai: 'gpt-audio-mini-2025-10-06' }],
    ['openai/gpt-audio-mini-2025-12-15', 'openai/gpt-audio-mini-2025-12-15', { openai: 'gpt-audio-mini-2025-12-15' }],
    ['openai/o1-2024-12-17', 'openai/o1-2024-12-17', { openai: 'o1-2024-12-17' }],
    ['openai/o1-preview-2024-09-12', 'openai/o1-preview-2024-09-12', { openai: 'o1-preview-2024-09-12' }],
    [
      'anthropic/claude-sonnet-4.5-20250929',
      'anthropic/claude-sonnet-4.5-20250929',
      { anthropic: 'claude-sonnet-4-5-20250929', openrouter: 'anthropic/claude-4.5-sonnet-20250929' },
    ],
    ['claude-opus-4-5-20251101', 'anthropic/claude-opus-4.5-20251101', { anthropic: 'claude-opus-4-5-20251101' }],
    [
      'anthropic/claude-3.5-sonnet-20240620',
      'anthropic/claude-3.5-sonnet-20240620',
      { anthropic: 'claude-3-5-sonnet-20240620', openrouter: 'anthropic/claude-3.5-sonnet-20240620' },
    ],
    ['claude-3-5-sonnet-20241022', 'anthropic/claude-3.5-sonnet-20241022', { anthropic: 'claude-3-5-sonnet-20241022' }],
    ['claude-opus-4-1-20250805', 'anthropic/claude-opus-4.1-20250805', { anthropic: 'claude-opus-4-1-20250805' }],
  ])('asks for the snapshot that %s pins, and names it %s', (name, slug, ids) => {
    expect(asked(name)).toEqual([slug, ids]);
  });

  it('asks Mistral for no version by a name that goes on to the next one', () => {
    expect(wireIds('mistralai/mistral-medium-3.1')).toMatchObject({ mistral: 'mistral-medium-2508' });
    expect(wireIds('mistralai/mistral-small-3.2-24b-instruct')).toMatchObject({ mistral: 'mistral-small-2506' });
    expect(wireIds('mistralai/codestral-2508')).toMatchObject({ mistral: 'codestral-2508' });
    const versions = catalog.endpoints.filter(({ record }) => record.providerSlug === 'mistral' && /-\d{4}$|\d\.\d/.test(record.modelSlug));
    expect(versions.map(({ record }) => record.providerModelId).filter((id) => !/\d{4}$|\d\.\d/.test(id))).toEqual([]);
  });

  it.each([
    // OpenRouter’s days for what Anthropic serves without one, or under another.
    ['anthropic/claude-opus-4.6-20260205', 'anthropic/claude-opus-4.6'],
    ['anthropic/claude-4.5-opus-20251124', 'anthropic/claude-opus-4.5'],
    // Azure’s day.
    ['openai/gpt-5.5-2026-04-24', 'openai/gpt-5.5'],
    // Open weights, served by many, of one day only.
    ['z-ai/glm-5-20260211', 'z-ai/glm-5'],
  ])('takes %s, which no maker’s endpoint is known to serve, for %s', (name, slug) => {
    expect(asked(name)[0]).toBe(slug);
  });

  it('gives no model the name or the price of another: o1-preview is not o1', () => {
    expect([slugOf('openai/o1-preview'), slugOf('o1-preview'), slugOf('openai/o1')]).toEqual(['openai/o1-preview', 'openai/o1-preview', 'openai/o1']);
    const input = (slug: string) => catalog.endpoints.find(({ record }) => record.endpointId === `${slug}@openai`)!.charge[0]!.schedule.ratesPico;
    expect(input('openai/o1-preview')).toMatchObject({ input_uncached: 15_000_000n, output_text: 60_000_000n });
    expect(catalog.models.find(({ slug }) => slug === 'openai/o1')!.aliases.filter((alias) => alias.includes('preview'))).toEqual([]);
  });

  it('makes of no snapshot the name of a model', () => {
    const slugs = [...table.models.values()].flatMap((model) => [...model.snapshots.values()].map(({ slug }) => slug));
    expect(slugs.length).toBeGreaterThan(40);
    expect(slugs.filter((slug) => table.models.has(slug) || /20\d\d.*20\d\d/.test(slug))).toEqual([]);
    expect(slugs.filter((slug) => asked(slug)[0] !== slug)).toEqual([]);
  });

  it('asks no provider but OpenRouter for one of OpenRouter’s variants', () => {
    const others = catalog.endpoints.filter(({ record }) => record.providerSlug !== 'openrouter').map(({ record }) => record.providerModelId);
    expect(others.filter((id) => /:(free|extended|thinking)$/.test(id))).toEqual([]);
    expect(wireIds('openai/gpt-4o')).toMatchObject({ openai: 'gpt-4o' });
  });

  it('R01 resolves every model by its own slug', () => {
    expect(catalog.models.map(({ slug }) => slug).filter((slug) => slugOf(slug) !== slug)).toEqual([]);
  });

  it.each([
    'anthropic/claude',
    'anthropic/claude-sonnet',
    '~anthropic/claude-opus-latest',
    '~google/gemini-flash-latest',
    '~openai/gpt-latest',
    '~openai/gpt-mini-latest',
    '~moonshotai/kimi-latest',
    'x-ai/grok',
  ])('R01 resolves the family %s to a model of that author', (name) => {
    expect(slugOf(name)).toMatch(new RegExp(`^${name.replace(/^~/, '').split('/', 1)[0]!}/`));
  });

  it('takes the newest of a family', () => {
    const version = (slug: string): number => Number(/(\d+(?:\.\d+)?)$/.exec(slug)?.[1]);
    const sonnets = catalog.models.map((model) => model.slug).filter((slug) => /^anthropic\/claude-sonnet-[\d.]+$/.test(slug));
    expect(version(slugOf('~anthropic/claude-sonnet-latest'))).toBe(Math.max(...sonnets.map(version)));
  });

  it('says what it could not map, and maps nearly everything', () => {
    expect(catalog.report.unmapped.length).toBeLessThan(catalog.endpoints.length * 0.05);
    expect(catalog.report.skipped).toContain('openai whisper-1');
  });

  it('knows every provider by its manifest, with its public facts, whether the lists name it or not', () => {
    expect(BUILT_IN_PROVIDERS.filter(({ slug }) => findManifest(slug) === undefined)).toEqual([]);
    expect(catalog.providers.map(({ slug }) => slug)).toEqual(expect.arrayContaining([...BUILT_IN_PROVIDERS.map(({ slug }) => slug), 'vllm']));
    expect(catalog.providers.find((provider) => provider.slug === 'openai')).toMatchObject({
      name: 'OpenAI',
      otelProviderName: 'openai',
      privacyPolicyUrl: expect.stringMatching(/^https:/),
    });
  });

  it('knows what is no chat model', () => {
    expect(table.models.get('openai/text-embedding-3-small')!.record.outputModalities).toEqual(['embeddings']);
    expect([...table.models.keys()].filter((slug) => /whisper|tts|realtime|gpt-image|ocr/.test(slug))).toEqual([]);
  });
});
