import { readdirSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { requestTo } from './manifest-probe.fake.js';
import { findManifest, PROVIDER_MANIFESTS } from './registry.js';

describe('the registry of providers', () => {
  it('has a line for every folder, whose name is the slug', () => {
    const folders = readdirSync(import.meta.dirname, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(PROVIDER_MANIFESTS.map(({ slug }) => slug)).toEqual(folders.map(({ name }) => name).sort());
    expect(findManifest('groq')?.name).toBe('Groq');
    expect(findManifest('nobody')).toBeUndefined();
  });

  it.each(PROVIDER_MANIFESTS.map((manifest) => [manifest.slug, manifest] as const))(
    '%s can be reached, authenticated to and told apart in traces',
    (_slug, manifest) => {
      if (manifest.baseUrl !== undefined) {
        const url = new URL(manifest.baseUrl.replace(/\{[A-Z_]+\}/g, 'x'));
        expect(url.protocol).toBe('https:');
        expect(manifest.baseUrl).not.toMatch(/\/$/);
        expect(manifest.policies).toMatchObject({
          privacyPolicyUrl: expect.stringMatching(/^https:/),
          termsOfServiceUrl: expect.stringMatching(/^https:/),
          headquarters: expect.stringMatching(/^[A-Z]{2}$/),
        });
      }
      expect(manifest.credentialVariables.length).toBeGreaterThan(0);
      expect(manifest.otelProviderName).toMatch(/^[a-z][a-z0-9_.]*$/);
    },
  );

  it.each(PROVIDER_MANIFESTS.map((manifest) => [manifest.slug, manifest] as const))('%s is asked for its own model, streamed or whole', (_slug, manifest) => {
    const whole = requestTo(manifest);
    const streamed = requestTo(manifest, { stream: true }, { stream: true });
    expect(whole.path.startsWith('/')).toBe(true);
    expect(`${whole.path} ${JSON.stringify(whole.body)}`).toContain('native-model');
    expect(streamed.path !== whole.path || streamed.body['stream'] === true).toBe(true);
  });

  it('knows the names that OpenTelemetry prescribes', () => {
    const names = Object.fromEntries(PROVIDER_MANIFESTS.map(({ slug, otelProviderName }) => [slug, otelProviderName]));
    expect(names).toMatchObject({
      openai: 'openai',
      anthropic: 'anthropic',
      google: 'gcp.gemini',
      mistral: 'mistral_ai',
      xai: 'x_ai',
      moonshot: 'moonshot_ai',
      groq: 'groq',
      deepseek: 'deepseek',
      perplexity: 'perplexity',
    });
  });
});
