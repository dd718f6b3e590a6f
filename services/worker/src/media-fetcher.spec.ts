import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { EgressGuard } from './egress-guard.js';
import { MediaFetcher } from './media-fetcher.js';

const picture = Buffer.from('ffd8ffe0', 'hex');

async function typeOfFetched(contentType: string): Promise<string | undefined> {
  const server = createServer((_request, response) => response.writeHead(200, { 'content-type': contentType }).end(picture));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const guard = new EgressGuard({ allowCidrs: ['127.0.0.0/8'] });
  const fetcher = new MediaFetcher({ guard, maxBytes: 1_000, maxHeldBytes: 10_000, timeoutMs: 2_000, maxUrls: 1 });
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

describe('what downloads may hold', () => {
  let server: Server;
  let fetcher: MediaFetcher;

  beforeEach(async () => {
    server = createServer((request, response) => {
      const bytes = Number(request.url!.split('/').at(-1));
      if (bytes > 0) response.writeHead(200, { 'content-type': 'image/png' }).end(Buffer.alloc(bytes));
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    fetcher = new MediaFetcher({
      guard: new EgressGuard({ allowCidrs: ['127.0.0.0/8'] }),
      maxBytes: 40_000,
      maxHeldBytes: 100_000,
      timeoutMs: 2_000,
      maxUrls: 4,
    });
  });

  afterEach(async () => {
    await fetcher.close();
    server.close();
  });

  /** One request that names a file of each size. */
  const fetchSizes = (...sizes: readonly number[]) =>
    fetcher.fetchAll(
      sizes.map((bytes, index) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/${index}/${bytes}`),
      new AbortController().signal,
    );

  it('is bounded for one request, however many URLs it names', async () => {
    await expect(fetchSizes(20_000, 20_000, 20_000)).rejects.toMatchObject({ type: 'image_too_large' });
    expect((await fetchSizes(20_000, 20_000)).size).toBe(2);
  });

  it('is bounded for all requests together, until they are over', async () => {
    const [first] = [await fetchSizes(40_000), await fetchSizes(40_000)];
    await expect(fetchSizes(40_000)).rejects.toMatchObject({ type: 'gateway_unavailable', retryAfterMs: 1_000 });
    fetcher.release(first);
    expect((await fetchSizes(40_000)).size).toBe(1);
  });

  it('is no connection after them, whatever its server promises', async () => {
    server.keepAliveTimeout = 600_000;
    const isClosed = new Promise<void>((resolve) => server.on('connection', (socket) => socket.once('close', resolve)));
    await fetchSizes(1_000);
    await isClosed;
  });

  it('is given back by requests that fail', async () => {
    for (let count = 0; count < 4; count++) await expect(fetchSizes(40_000, 0)).rejects.toMatchObject({ type: 'image_not_found' });
    expect((await fetchSizes(40_000)).size).toBe(1);
  });
});
