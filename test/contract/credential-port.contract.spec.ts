import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { CredentialPort } from '@switchyard/proto';
import { eventually } from '@switchyard/testing';
import { workerTarget } from '@switchyard/worker/worker.target';
import { describePort } from './bindings.js';
import { ServedTarget } from './served-target.js';

let target: ServedTarget;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'contract-credentials-'));
  await writeFile(join(folder, 'acme-cloud'), 'acme-test-credential');
  await writeFile(join(folder, 'ANTHROPIC_API_KEY'), 'anthropic-test-credential');
  target = await ServedTarget.start(workerTarget, {
    environment: { SWITCHYARD_CREDENTIALS_DIR: folder, SWITCHYARD_CREDENTIALS_RELOAD_INTERVAL: '50ms' },
  });
}, 90_000);

afterAll(async () => {
  await target.close();
  await rm(folder, { recursive: true });
});

describePort(
  CredentialPort,
  () => target.implementation(CredentialPort),
  ({ binding, port }) => {
    const known = async (...providerSlugs: string[]) => (await port.listProviderCredentials({ providerSlugs })).providerSlugs;

    it('names those of the providers asked for that it can authenticate to', async () => {
      expect(await known('no-such-provider', 'acme-cloud', 'vllm', 'anthropic')).toEqual(['acme-cloud', 'vllm', 'anthropic']);
      expect(await known('anthropic')).toEqual(['anthropic']);
    });

    it('names nothing that was not asked for', async () => {
      expect(await known()).toEqual([]);
      expect(await known('', 'no-such-provider', '../acme-cloud', 'a\u0000b', '__proto__')).toEqual([]);
    });

    it('never shows a credential', async () => {
      const answer = await port.listProviderCredentials({ providerSlugs: ['acme-cloud', 'anthropic'] });
      expect(JSON.stringify(answer)).not.toContain('credential"');
      expect(JSON.stringify(answer)).not.toContain('test-credential');
    });

    it('sees credentials that come and go', async () => {
      const slug = `acme-${binding.replaceAll(' ', '-').toLowerCase()}`;
      await writeFile(join(folder, slug), 'acme-test-credential');
      await eventually(async () => expect(await known(slug)).toEqual([slug]));
      await rm(join(folder, slug));
      await eventually(async () => expect(await known(slug)).toEqual([]));
    });

    it('answers for as many providers as a catalogue may have', async () => {
      const slugs = Array.from({ length: 2_000 }, (_, index) => (index % 2 === 0 ? 'anthropic' : `nobody-${index}`));
      expect(await known(...slugs)).toHaveLength(1_000);
    });
  },
);
