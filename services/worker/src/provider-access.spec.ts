import { mkdtemp, rename, rm, symlink, writeFile, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { findManifest } from '@switchyard/providers';
import { worker } from '@switchyard/proto';
import { eventually } from '@switchyard/testing';
import { CredentialService } from './credential.service.js';
import { CredentialStore } from './credential.store.js';
import { ProviderAccessBook } from './provider-access.js';

const stores: CredentialStore[] = [];
const folders: string[] = [];
const logged: unknown[] = [];
const logger = { info: (...line: unknown[]) => void logged.push(line), warn: (...line: unknown[]) => void logged.push(line) };

afterEach(async () => {
  for (const store of stores.splice(0)) store.close();
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
  logged.length = 0;
});

function storeOf(environment: Record<string, string>, folder?: string): CredentialStore {
  const store = new CredentialStore({ environment, folder, reloadIntervalMs: 10, logger });
  stores.push(store);
  return store;
}

function bookOf(environment: Record<string, string>, credentialHosts: string[] = [], folder?: string): ProviderAccessBook {
  return new ProviderAccessBook({ credentials: storeOf(environment, folder), environment, credentialHosts });
}

function endpoint(providerSlug: string, fields: Partial<worker.AttemptEndpoint> = {}): worker.AttemptEndpoint {
  return worker.AttemptEndpoint.create({ providerSlug, providerName: providerSlug, ...fields });
}

describe('access to a provider', () => {
  it('has its address, headers and credential from manifest and environment', () => {
    const book = bookOf({
      OPENAI_API_KEY: 'sk-1',
      ANTHROPIC_API_KEY: ' sk-2\n',
      GOOGLE_API_KEY: 'sk-3',
      CLOUDFLARE_API_TOKEN: 'sk-4',
      CLOUDFLARE_ACCOUNT_ID: 'a/b',
    });
    expect(book.accessTo(endpoint('openai'))).toMatchObject({ baseUrl: 'https://api.openai.com/v1', headers: { authorization: 'Bearer sk-1' } });
    expect(book.accessTo(endpoint('anthropic')).headers).toEqual({ 'anthropic-version': '2023-06-01', 'x-api-key': 'sk-2' });
    expect(book.accessTo(endpoint('google')).headers).toEqual({ 'x-goog-api-key': 'sk-3' });
    expect(book.accessTo(endpoint('cloudflare')).baseUrl).toBe('https://api.cloudflare.com/client/v4/accounts/a%2Fb/ai/v1');
  });

  it('says which provider lacks a credential, before anything is sent', () => {
    expect(() => bookOf({}).accessTo(endpoint('openai'))).toThrow(expect.objectContaining({ type: 'provider_unavailable', providerCode: 'no_credential' }));
    expect(() => bookOf({ CLOUDFLARE_API_TOKEN: 'x' }).accessTo(endpoint('cloudflare'))).toThrow(expect.objectContaining({ providerCode: 'no_base_url' }));
    expect(() => bookOf({}).accessTo(endpoint('vllm'))).toThrow(expect.objectContaining({ providerCode: 'no_base_url' }));
  });

  it('shows a credential to its own provider’s host alone', () => {
    const environment = { OPENAI_API_KEY: 'sk-1' };
    for (const baseUrl of [
      'https://evil.example/v1',
      'http://api.openai.com/v1',
      'https://api.openai.com.evil.example/v1',
      'https://api.openai.com:8443/v1',
      'https://api.openai.com@evil.example/v1',
    ]) {
      expect(bookOf(environment).accessTo(endpoint('openai', { baseUrl })).headers).toEqual({});
    }
    expect(bookOf(environment).accessTo(endpoint('openai', { baseUrl: 'https://api.openai.com/v2/' }))).toMatchObject({
      baseUrl: 'https://api.openai.com/v2',
      headers: { authorization: 'Bearer sk-1' },
    });
    expect(bookOf(environment, ['openai=relay.example:8443']).accessTo(endpoint('openai', { baseUrl: 'https://relay.example:8443/v1' })).headers).toEqual({
      authorization: 'Bearer sk-1',
    });
    expect(bookOf(environment, ['anthropic=relay.example']).accessTo(endpoint('openai', { baseUrl: 'https://relay.example/v1' })).headers).toEqual({});
  });

  it('needs none where the catalogue says so, and uses the operator’s own for servers that the operator runs', () => {
    const book = bookOf({ OPENAI_API_KEY: 'sk-1', VLLM_API_KEY: 'sk-2', SWITCHYARD_CREDENTIAL_OUR_CLUSTER: 'sk-3' });
    expect(book.accessTo(endpoint('openai', { traits: { credential: 'none' } })).headers).toEqual({});
    expect(book.accessTo(endpoint('vllm', { baseUrl: 'http://10.0.0.5:8000/v1' })).headers).toEqual({ authorization: 'Bearer sk-2' });
    expect(book.accessTo(endpoint('our-cluster', { baseUrl: 'http://10.0.0.6:8000/v1' }))).toMatchObject({
      manifest: { slug: 'vllm' },
      headers: { authorization: 'Bearer sk-3' },
    });
    const like = book.accessTo(endpoint('our-claude', { baseUrl: 'http://10.0.0.7/v1', traits: { manifest: 'anthropic' } }));
    expect(like).toMatchObject({ manifest: { slug: 'anthropic' }, headers: { 'anthropic-version': '2023-06-01' } });
    // Behaving like a provider does not give its credential away.
    expect(book.accessTo(endpoint('our-openai', { baseUrl: 'http://10.0.0.8/v1', traits: { manifest: 'openai' } })).headers).toEqual({});
  });
});

describe('the credentials', () => {
  it('are read from files, which win, and again when a mounted folder is swapped', async () => {
    const root = await mkdtemp(join(tmpdir(), 'credentials-'));
    folders.push(root);
    for (const [version, key] of [
      ['..1', 'sk-file-1'],
      ['..2', 'sk-file-2'],
    ] as const) {
      await mkdir(join(root, version));
      await writeFile(join(root, version, 'OPENAI_API_KEY'), `${key}\n`);
    }
    // As Kubernetes mounts a secret: files are links through `..data`, which is swapped.
    await symlink('..1', join(root, '..data'));
    await symlink('..data/OPENAI_API_KEY', join(root, 'OPENAI_API_KEY'));
    await writeFile(join(root, 'groq'), 'sk-groq');
    const store = storeOf({ OPENAI_API_KEY: 'sk-environment' }, root);
    await store.open();
    expect(store.find('openai', findManifest('openai'))).toBe('sk-file-1');
    expect(store.find('groq', findManifest('groq'))).toBe('sk-groq');
    await symlink('..2', join(root, '..new'));
    await rename(join(root, '..new'), join(root, '..data'));
    await eventually(() => expect(store.find('openai', findManifest('openai'))).toBe('sk-file-2'));
    await rm(join(root, 'OPENAI_API_KEY'));
    await eventually(() => expect(store.find('openai', findManifest('openai'))).toBe('sk-environment'));
    expect(JSON.stringify(logged)).toContain('OPENAI_API_KEY');
    expect(JSON.stringify(logged)).not.toContain('sk-');
  });

  it('stay as they were while the folder cannot be read', async () => {
    const root = await mkdtemp(join(tmpdir(), 'credentials-'));
    folders.push(root);
    const folder = join(root, 'mounted');
    await mkdir(folder);
    await writeFile(join(folder, 'openai'), 'sk-file');
    const store = storeOf({}, folder);
    await store.open();
    await rename(folder, join(root, 'gone'));
    await store.reload();
    expect(store.find('openai', findManifest('openai'))).toBe('sk-file');
    expect(JSON.stringify(logged)).toContain('cannot be read');
  });

  it('are not said to be unreadable again and again, and once more when they were readable in between', async () => {
    const root = await mkdtemp(join(tmpdir(), 'credentials-'));
    folders.push(root);
    const folder = join(root, 'mounted');
    const complaints = (): number => logged.filter((line) => JSON.stringify(line).includes('cannot be read')).length;
    const store = storeOf({}, folder);
    for (let count = 0; count < 3; count++) await store.reload();
    expect(complaints()).toBe(1);
    await mkdir(folder);
    await store.reload();
    await rename(folder, join(root, 'gone'));
    for (let count = 0; count < 3; count++) await store.reload();
    expect(complaints()).toBe(2);
  });

  it('are told apart by provider, never shown', async () => {
    const service = new CredentialService(bookOf({ OPENAI_API_KEY: 'sk-1', CLOUDFLARE_API_TOKEN: 'sk-2' }));
    const asked = ['openai', 'anthropic', 'cloudflare', 'vllm', 'our-cluster'];
    expect(await service.listProviderCredentials({ providerSlugs: asked })).toEqual({ providerSlugs: ['openai', 'vllm'] });
  });
});
