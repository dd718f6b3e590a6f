import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { EgressGuard } from './egress-guard.js';
import { MediaFetcher } from './media-fetcher.js';

const picture = Buffer.from('ffd8ffe0', 'hex');

async function typeOfFetched(contentType: string): Promise<string | undefined> {
  const server = createServer((_request, response) => response.writeHead(200, { 'content-type': contentType }).end(picture));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const guard = new EgressGuard({ allowCidrs: ['127.0.0.0/8'] });
  const fetcher = new MediaFetcher({ guard, maxBytes: 1_000, timeoutMs: 2_000, maxUrls: 1 });
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/a`;
    return (await fetcher.fetchAll([url], new AbortController().signal)).get(url)?.mediaType;
  } finally {
    await fetcher.close();
    server.close();
  }
}

describe('a fetched picture', () => {
  it.each([
    ['image/jpg', 'image/jpeg'],
    ['IMAGE/JPG; charset=binary', 'image/jpeg'],
    ['image/pjpeg', 'image/jpeg'],
    ['image/jpeg', 'image/jpeg'],
    ['image/jpgx', 'image/jpgx'],
    ['image/webp', 'image/webp'],
  ])('served as %s is given on as %s', async (served, given) => {
    expect(await typeOfFetched(served)).toBe(given);
  });
});
