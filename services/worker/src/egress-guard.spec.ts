import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { ErrorType } from '@switchyard/errors';
import { EgressGuard } from './egress-guard.js';
import { MediaFetcher, type MediaFetcherOptions } from './media-fetcher.js';

const servers: Server[] = [];
const fetchers: MediaFetcher[] = [];

afterEach(async () => {
  for (const fetcher of fetchers.splice(0)) await fetcher.close();
  for (const server of servers.splice(0)) server.close();
});

async function serve(handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<number> {
  const server = createServer(handler);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function fetcherFor(guard: EgressGuard, options: Partial<MediaFetcherOptions> = {}): MediaFetcher {
  const fetcher = new MediaFetcher({ guard, maxBytes: 100_000, maxHeldBytes: 1_000_000, timeoutMs: 2_000, maxUrls: 4, ...options });
  fetchers.push(fetcher);
  return fetcher;
}

async function errorTypeOf(promise: Promise<unknown>): Promise<ErrorType | undefined> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    return (error as { type: ErrorType }).type;
  }
}

const signal = new AbortController().signal;
const picture = Buffer.from('89504e470d0a1a0a', 'hex');

describe('the egress guard', () => {
  const guard = new EgressGuard({ allowCidrs: [] });

  it.each(['8.8.8.8', '1.1.1.1', '2606:4700:4700::1111', '2001:4860:4860::8888'])('lets %s through', (address) => {
    expect(guard.isAllowed(address)).toBe(true);
  });

  it.each([
    '127.0.0.1',
    '127.8.9.10',
    '0.0.0.0',
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '192.0.0.192',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:a9fe:a9fe',
    '::127.0.0.1',
    '::a9fe:a9fe',
    'fe80::1',
    'fc00::1',
    'fd00:ec2::254',
    'ff02::1',
    '64:ff9b::7f00:1',
    '64:ff9b:1::7f00:1',
    '2002:7f00:1::',
    '2001:0:4136:e378:8000:63bf:3fff:fdd2',
    '2001:db8::1',
    'fec0::1',
    'not an address',
  ])('refuses %s', (address) => {
    expect(guard.isAllowed(address)).toBe(false);
  });

  it('allows what the operator allows, and nothing beside it', () => {
    const allowing = new EgressGuard({ allowCidrs: ['10.1.0.0/16', 'fd12::/64'] });
    expect(['10.1.2.3', '::ffff:10.1.2.3', 'fd12::5', '10.2.0.1', 'fd13::5', '127.0.0.1'].map((address) => allowing.isAllowed(address))).toEqual([
      true,
      true,
      true,
      false,
      false,
      false,
    ]);
  });

  it.each([
    'file:///etc/passwd',
    'ftp://example.org/x',
    'gopher://example.org',
    'nonsense',
    'http://user:secret@example.org/x',
    'http://127.0.0.1/',
    'http://[::1]/',
    'http://0x7f.1/',
    'http://2130706433/',
    'http://[::ffff:169.254.169.254]/',
  ])('refuses the URL %s before anything is dialled', (url) => {
    expect(() => guard.checkUrl(url)).toThrow(expect.objectContaining({ type: 'invalid_request' }));
  });
});

describe('fetching what a customer names', () => {
  it('fetches a picture from an allowed address', async () => {
    const port = await serve((_request, response) => response.writeHead(200, { 'content-type': 'image/png; q=1' }).end(picture));
    const fetcher = fetcherFor(new EgressGuard({ allowCidrs: ['127.0.0.0/8'] }));
    const url = `http://127.0.0.1:${port}/a.png`;
    expect(await fetcher.fetchAll([url, url], signal)).toEqual(new Map([[url, { mediaType: 'image/png', data: picture.toString('base64') }]]));
  });

  it.each([
    [['127.0.0.0/8', '::1/128'], undefined],
    [[], 'image_download_failed'],
  ])('asks the machine itself for a name that no name server knows where the operator allows networks: %j', async (allowCidrs, outcome) => {
    const port = await serve((_request, response) => response.writeHead(200, { 'content-type': 'image/png' }).end(picture));
    const resolve = () => Promise.reject(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }));
    const fetcher = fetcherFor(new EgressGuard({ allowCidrs, resolve }));
    expect(await errorTypeOf(fetcher.fetchAll([`http://localhost:${port}/a.png`], signal))).toBe(outcome);
  });

  it('refuses a name that resolves to a private address, and never connects', async () => {
    let requests = 0;
    const port = await serve((_request, response) => {
      requests++;
      response.end();
    });
    const fetcher = fetcherFor(new EgressGuard({ allowCidrs: [], resolve: () => Promise.resolve(['127.0.0.1']) }));
    expect(await errorTypeOf(fetcher.fetchAll([`http://pictures.example:${port}/a.png`], signal))).toBe('invalid_request');
    expect(requests).toBe(0);
  });

  it('refuses a name with one private address among public ones', async () => {
    const fetcher = fetcherFor(new EgressGuard({ allowCidrs: [], resolve: () => Promise.resolve(['93.184.216.34', '10.0.0.7']) }));
    expect(await errorTypeOf(fetcher.fetchAll(['http://pictures.example/a.png'], signal))).toBe('invalid_request');
  });

  it('dials the address it vetted, so that a name which changes in between gains nothing', async () => {
    let requests = 0;
    const port = await serve((_request, response) => {
      requests++;
      response.writeHead(200, { 'content-type': 'image/png' }).end(picture);
    });
    const answers = [['127.0.0.1'], ['10.0.0.1'], ['10.0.0.1']];
    let lookups = 0;
    const guard = new EgressGuard({ allowCidrs: ['127.0.0.0/8'], resolve: () => Promise.resolve(answers[lookups++]!) });
    const fetcher = fetcherFor(guard);
    expect((await fetcher.fetchAll([`http://rebind.example:${port}/a.png`], signal)).size).toBe(1);
    expect([lookups, requests]).toEqual([1, 1]);
  });

  it('vets every redirect', async () => {
    const target = await serve((_request, response) => response.writeHead(200, { 'content-type': 'image/png' }).end(picture));
    const hops = await serve((request, response) => {
      const location = {
        '/inside': 'http://169.254.169.254/latest/meta-data',
        '/name': `http://inside.example:${target}/`,
        '/good': `http://127.0.0.1:${target}/`,
        '/scheme': 'file:///etc/passwd',
        '/loop': '/loop',
        '/nowhere': 'http://',
      }[request.url ?? ''];
      response.writeHead(302, { location: location ?? '/' }).end();
    });
    const guard = new EgressGuard({ allowCidrs: ['127.0.0.1/32'], resolve: () => Promise.resolve(['10.9.9.9']) });
    const fetcher = fetcherFor(guard);
    const outcomes = [];
    for (const path of ['inside', 'name', 'scheme', 'loop', 'nowhere', 'good'])
      outcomes.push(await errorTypeOf(fetcher.fetchAll([`http://127.0.0.1:${hops}/${path}`], signal)));
    expect(outcomes).toEqual(['invalid_request', 'invalid_request', 'invalid_request', 'image_download_failed', 'image_download_failed', undefined]);
  });

  it('bounds size, time, count and type', async () => {
    const port = await serve((request, response) => {
      if (request.url === '/huge') return void response.writeHead(200, { 'content-type': 'image/png' }).end(Buffer.alloc(200_000));
      if (request.url === '/page') return void response.writeHead(200, { 'content-type': 'text/html' }).end('<p>');
      if (request.url === '/gone') return void response.writeHead(404).end();
      if (request.url === '/broken') return void response.writeHead(500).end();
      response.writeHead(200, { 'content-type': 'image/png' }).flushHeaders();
    });
    const guard = new EgressGuard({ allowCidrs: ['127.0.0.1/32'] });
    const fetcher = fetcherFor(guard, { timeoutMs: 20_000 });
    const outcomeOf = (path: string, by = fetcher) => errorTypeOf(by.fetchAll([`http://127.0.0.1:${port}/${path}`], signal));
    const outcomes = [];
    for (const path of ['huge', 'page', 'gone', 'broken']) outcomes.push(await outcomeOf(path));
    expect(outcomes).toEqual(['image_too_large', 'unsupported_image_format', 'image_not_found', 'image_download_failed']);
    expect(await outcomeOf('never-ends', fetcherFor(guard, { timeoutMs: 300 }))).toBe('image_download_failed');
    expect(
      await errorTypeOf(
        fetcher.fetchAll(
          ['1', '2', '3', '4', '5'].map((name) => `http://127.0.0.1:${port}/${name}`),
          signal,
        ),
      ),
    ).toBe('invalid_request');
  });
});
