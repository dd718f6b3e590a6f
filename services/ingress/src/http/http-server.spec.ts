import { Agent, get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { errorEnvelopeSchema } from '@switchyard/api';
import { HttpServer, type PrepareManagement } from './http-server.js';
import type { InferenceServer } from './inference-server.js';

class NoManagement {}

/** More than the buffers of both sockets take. */
const LARGE = Buffer.alloc(32 * 1024 * 1024);

describe('the public HTTP server', () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let server: HttpServer;
  let port: number;
  let isHeld: PromiseWithResolvers<void>;
  let isLeft: PromiseWithResolvers<void>;
  let report: PromiseWithResolvers<string>;
  let finish: () => void = () => undefined;
  let drain: AbortController;

  beforeEach(async () => {
    drain = new AbortController();
    isHeld = Promise.withResolvers();
    isLeft = Promise.withResolvers();
    report = Promise.withResolvers();
    const inference: Pick<InferenceServer, 'handle'> = {
      handle: (request, response) => {
        if (request.url?.includes('/management')) return false;
        finish = () => response.end('answered');
        if (request.url === '/begun') response.write('begun');
        else if (request.url === '/waiting') response.once('close', isLeft.resolve);
        else if (request.url === '/held') isHeld.resolve();
        else finish();
        return true;
      },
    };
    const limits = { maxHeaderBytes: 16_384, requestTimeoutMs: 10_000, maxSilentMs: 500, corsOrigins: ['https://app.example'], drainSignal: drain.signal };
    const prepare: PrepareManagement = (adapter) => {
      adapter.getInstance().get('/management/held', () => (isHeld.resolve(), report.promise));
      adapter.getInstance().get('/api/v1/management', async (_request, reply) => reply.header('x-generation-id', 'g').send('managed'));
      adapter.getInstance().get('/management/large', async () => (isHeld.resolve(), LARGE));
    };
    server = new HttpServer(inference as InferenceServer, { module: NoManagement }, prepare, { host: '127.0.0.1', port: 0, ...limits });
    await server.start();
    port = server.port;
  });
  afterEach(async () => {
    agent.destroy();
    await server.close();
  });

  it('says which setting is wrong where nobody knows the host that it is to listen on', async () => {
    const options = { host: 'nowhere.invalid', port: 0, maxHeaderBytes: 16_384, requestTimeoutMs: 10_000 };
    const lost = new HttpServer({ handle: () => false } as unknown as InferenceServer, { module: NoManagement }, () => undefined, options);
    await expect(lost.start()).rejects.toThrow('SWITCHYARD_HTTP_HOST ="nowhere.invalid" cannot be listened on: getaddrinfo');
    await lost.close();
  });

  async function answerOf(path: string): Promise<{ headers: IncomingMessage['headers']; text: string }> {
    const response = await new Promise<IncomingMessage>((resolve, reject) => get({ host: '127.0.0.1', port, path, agent }, resolve).on('error', reject));
    return { headers: response.headers, text: await text(response) };
  }

  /** All that comes back for these bytes until the server closes the connection. */
  async function bytesFor(first: string, then = ''): Promise<string> {
    const client = connect(port, '127.0.0.1');
    client.write(first);
    if (then !== '') client.once('data', () => client.write(then));
    return text(client);
  }

  it.each([
    ['headers that are too large', `GET / HTTP/1.1\r\nHost: gateway\r\nx-large: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['what is no HTTP', 'nonsense\r\n\r\n', 400],
    ['a length said twice', 'POST / HTTP/1.1\r\nHost: gateway\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
  ])('refuses %s in the error envelope', async (_case, bytes, status) => {
    const [head = '', body = ''] = (await bytesFor(bytes)).split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(errorEnvelopeSchema.parse(JSON.parse(body)).error).toMatchObject({ code: status, metadata: { error_type: 'invalid_request' } });
  });

  describe('for pages in browsers', () => {
    const ALLOWED = 'https://app.example';
    const call = (path: string, origin?: string, init: RequestInit = {}) =>
      fetch(`http://127.0.0.1:${port}${path}`, { ...init, headers: { ...(origin === undefined ? {} : { origin }), ...init.headers } });
    const preflight = (path: string, origin: string) =>
      call(path, origin, {
        method: 'OPTIONS',
        headers: { 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,x-title' },
      });

    it.each(['/api/v1/chat/completions', '/v1/chat/completions', '/api/v1/management'])('answers what a browser asks before it calls %s', async (path) => {
      const response = await preflight(path, ALLOWED);
      expect(response.status).toBe(204);
      expect(Object.fromEntries(response.headers)).toMatchObject({
        'access-control-allow-origin': ALLOWED,
        'access-control-allow-methods': 'GET, POST, PATCH, DELETE',
        'access-control-allow-headers': 'authorization,x-title',
        'access-control-max-age': '7200',
        vary: 'Origin, Access-Control-Request-Headers',
      });
    });

    it.each(['/v1/chat/completions', '/api/v1/management'])('shows the answer of %s to pages of an origin in the list, headers included', async (path) => {
      const response = await call(path, ALLOWED);
      expect(response.status).toBe(200);
      expect(Object.fromEntries(response.headers)).toMatchObject({
        'access-control-allow-origin': ALLOWED,
        'access-control-expose-headers': '*',
        vary: 'Origin',
      });
      expect(response.headers.get('access-control-allow-credentials')).toBeNull();
    });

    it('shows nothing to other pages, and nothing beside the public API', async () => {
      const answers = [call('/v1/chat/completions', 'https://other.example'), call('/v1/chat/completions'), call('/elsewhere', ALLOWED)];
      for (const answer of [...answers, preflight('/api/v1/management', 'https://other.example')])
        expect((await answer).headers.get('access-control-allow-origin')).toBeNull();
    });
  });

  it('writes nothing into an answer that has begun when what follows on its connection is no HTTP', async () => {
    const bytes = await bytesFor('GET /begun HTTP/1.1\r\nHost: gateway\r\n\r\n', 'nonsense\r\n\r\n');
    expect(bytes.split('\r\n\r\n')[1]).toBe('5\r\nbegun\r\n');
  });

  it('goes on serving while load balancers learn that it drains, and sends their open connections away with each answer', async () => {
    expect((await answerOf('/first')).headers.connection).toBe('keep-alive');
    drain.abort();
    expect(await answerOf('/second')).toMatchObject({ headers: { connection: 'close' }, text: 'answered' });
    expect(await answerOf('/third')).toMatchObject({ headers: { connection: 'close' }, text: 'answered' });
  });

  it('finishes what is under way when it stops, and closes a busy connection with its next answer', async () => {
    expect((await answerOf('/first')).headers.connection).toBe('keep-alive');
    const held = answerOf('/held');
    await isHeld.promise;
    server.stopAccepting();
    finish();
    expect((await held).text).toBe('answered');
    expect((await answerOf('/next')).headers.connection).toBe('close');
    await expect(answerOf('/last')).rejects.toThrow(/ECONNREFUSED/);
  });

  it('is idle once the management requests under way are answered', async () => {
    const held = answerOf('/management/held');
    await isHeld.promise;
    server.stopAccepting();
    const idle = server.idle().then(() => 'idle');
    expect(await Promise.race([idle, Promise.resolve('busy')])).toBe('busy');
    report.resolve('reported');
    expect((await held).text).toBe('reported');
    expect(await idle).toBe('idle');
  });

  it('forgets requests that waited behind another on their connection when their client leaves', async () => {
    const client = connect(port, '127.0.0.1');
    client.write(['/begun', '/waiting', '/management/held'].map((path) => `GET ${path} HTTP/1.1\r\nHost: gateway\r\n\r\n`).join(''));
    await isHeld.promise;
    client.destroy();
    await isLeft.promise;
    await server.idle();
  });

  it('answers requests that came at once one after the other', async () => {
    const paths = ['/first', '/api/v1/management', '/last'];
    const bytes = await bytesFor(
      paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: gateway\r\n${path === '/last' ? 'Connection: close\r\n' : ''}\r\n`).join(''),
    );
    expect(bytes.match(/answered|managed/g)).toEqual(['answered', 'managed', 'answered']);
  });

  it('hangs up on a reader that stopped before it took a management answer', async () => {
    const client = connect(port, '127.0.0.1').on('error', () => undefined);
    client.pause();
    client.write('GET /management/large HTTP/1.1\r\nHost: gateway\r\n\r\n');
    await isHeld.promise;
    await server.idle();
    client.destroy();
  });
});
