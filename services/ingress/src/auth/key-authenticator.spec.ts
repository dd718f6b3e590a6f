import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import { billing } from '@switchyard/proto';
import { KeyAuthenticator } from './key-authenticator.js';
import type { KeyCache } from './key-cache.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const cache: Pick<KeyCache, 'peek' | 'isLive'> = { peek: (hash) => billing.Key.create({ hash }), isLive: true };

describe('the authenticator of keys', () => {
  const authenticator = new KeyAuthenticator(cache as KeyCache, () => 0);

  const hashFor = async (authorization: string): Promise<string> => (await authenticator.authenticate({ authorization })).hash;

  it('knows a key again however many blanks stand before it', async () => {
    const hashes = await Promise.all([1, 1, 2, 5_000].map((count) => hashFor(`Bearer${' '.repeat(count)}key`)));
    expect(new Set(hashes).size).toBe(1);
  });

  it('keeps no long headers: one key could send it any number of them', async () => {
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    for (let index = 0; index < 2_000; index++) await hashFor(`Bearer${' '.repeat(20_000 + index)}key`);
    collectGarbage();
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(10_000_000);
  }, 120_000);
});
