import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { eventually } from '@switchyard/testing';
import { nextPiece } from './pulled-body.js';
import { UpstreamHttp } from './upstream-http.js';

const servers: Server[] = [];
const clients: UpstreamHttp[] = [];
const closers: (() => void)[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  for (const close of closers.splice(0)) close();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<{ url: URL; server: Server }> {
  const server = createHttpServer(handler);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/x?y=1`), server };
}

function client(keepAliveMs = 10_000): UpstreamHttp {
  const upstream = new UpstreamHttp({ connectTimeoutMs: 1_000, keepAliveMs });
  clients.push(upstream);
  return upstream;
}

const ignore = () => undefined;

describe('an upstream call', () => {
  it('posts the body and pulls the answer', async () => {
    const { url } = await serve((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => response.writeHead(201, { 'x-seen': `${request.method} ${request.url} ${request.headers['x-a']}` }).end(body.toUpperCase()));
    });
    let connected = 0;
    const call = client().post({ url, headers: { 'x-a': 'b' }, body: 'hello' }, () => connected++);
    const { status, headers } = await call.answered();
    expect([status, headers['x-seen'], connected]).toEqual([201, 'POST /v1/x?y=1 b', 1]);
    expect((await nextPiece(call))?.toString()).toBe('HELLO');
    expect(await nextPiece(call)).toBeUndefined();
  });

  it('keeps connections and turns off Nagle on them', async () => {
    const sockets = new Set<unknown>();
    const { url, server } = await serve((_request, response) => response.end('ok'));
    server.on('connection', (socket) => sockets.add(socket));
    const delays: (boolean | undefined)[] = [];
    const original = Socket.prototype.setNoDelay;
    Socket.prototype.setNoDelay = function (noDelay?: boolean) {
      delays.push(noDelay);
      return original.call(this, noDelay);
    };
    try {
      const upstream = client();
      for (let index = 0; index < 5; index++) {
        const call = upstream.post({ url, headers: {}, body: '' }, ignore);
        await call.answered();
        while ((await nextPiece(call)) !== undefined);
      }
    } finally {
      Socket.prototype.setNoDelay = original;
    }
    // undici may open a second one when a call comes before the last one's connection was handed back.
    expect(sockets.size).toBeLessThan(3);
    expect(delays).toContain(true);
  });

  it('keeps an idle connection no longer than it was told, whatever the server promises', async () => {
    const { url, server } = await serve((_request, response) => response.end('ok'));
    server.keepAliveTimeout = 600_000;
    const isClosed = new Promise<void>((resolve) => server.on('connection', (socket) => socket.once('close', resolve)));
    const call = client(1_000).post({ url, headers: {}, body: '' }, ignore);
    expect((await call.answered()).headers['keep-alive']).toBe('timeout=600');
    while ((await nextPiece(call)) !== undefined);
    await isClosed;
  });

  it('keeps a connection whose answer was discarded, and drops one that goes on for too long', async () => {
    const sockets = new Set<unknown>();
    const { url, server } = await serve((request, response) => {
      if (request.url?.startsWith('/v1')) response.end('a'.repeat(1_000));
      else response.end(Buffer.alloc(10_000_000));
    });
    server.on('connection', (socket) => sockets.add(socket));
    const upstream = client();
    for (let index = 0; index < 3; index++) {
      const call = upstream.post({ url, headers: {}, body: '' }, ignore);
      await call.answered();
      call.discard();
      await eventually(async () => expect(await nextPiece(call)).toBeUndefined());
    }
    expect(sockets.size).toBe(1);
    const call = upstream.post({ url: new URL('/huge', url), headers: {}, body: '' }, ignore);
    await call.answered();
    call.discard();
    await eventually(() => expect([...sockets].some((socket) => (socket as Socket).destroyed)).toBe(true));
  });

  it('reads nothing while nobody pulls', async () => {
    let sentBytes = 0;
    const { url } = await serve((_request, response) => {
      const piece = Buffer.alloc(64 * 1024);
      const pump = () => {
        while (sentBytes < 64 * 1024 * 1024 && !response.destroyed) {
          sentBytes += piece.byteLength;
          if (!response.write(piece)) return void response.once('drain', pump);
        }
        response.end();
      };
      pump();
    });
    const call = client().post({ url, headers: {}, body: '' }, ignore);
    await call.answered();
    let before = -1;
    await eventually(
      () => {
        const isStill = before === sentBytes;
        before = sentBytes;
        expect(isStill).toBe(true);
      },
      { intervalMs: 100 },
    );
    expect(sentBytes).toBeLessThan(16 * 1024 * 1024);
    let receivedBytes = 0;
    for (let bytes = await nextPiece(call); bytes !== undefined; bytes = await nextPiece(call)) receivedBytes += bytes.byteLength;
    expect(receivedBytes).toBe(64 * 1024 * 1024);
  });

  it('loses and repeats nothing of a flood whose reader pulls little at a time', async () => {
    const pieces = Array.from({ length: 600 }, (_, index) => `${index} `.padEnd(index % 7 === 0 ? 60 : 8_000 + (index % 13), 'x'));
    const { url } = await serve((_request, response) => {
      for (const piece of pieces) response.write(piece);
      response.end();
    });
    const call = client().post({ url, headers: {}, body: '' }, ignore);
    await call.answered();
    let received = '';
    for (let bytes = await nextPiece(call, 5_000); bytes !== undefined; bytes = await nextPiece(call, 5_000)) {
      expect(bytes.byteLength).toBeLessThanOrEqual(5_000);
      received += bytes.toString();
    }
    expect(received === pieces.join('')).toBe(true);
  });

  it('reads heads that come in parts, answer after answer on one connection', async () => {
    const body = 'x'.repeat(100_000);
    let connections = 0;
    let answers = 0;
    const server = createTcpServer((socket) => {
      connections++;
      closers.push(() => socket.destroy());
      socket.on('data', () => {
        const number = ++answers;
        const parts = ['HTTP/1.1 200 OK\r\nx-first: ', `a${number}\r\nx-`, `second: b${number}\r\n`, `content-length: ${body.length}\r\n\r`, '\n', body];
        void (async () => {
          for (const part of parts) {
            socket.write(part);
            // Each part is a read of its own.
            for (let turn = 0; turn < 5; turn++) await nextTurn();
          }
        })();
      });
      socket.on('error', ignore);
    });
    closers.push(() => server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    const upstream = client();
    for (let number = 1; number <= 5; number++) {
      const call = upstream.post({ url, headers: {}, body: '' }, ignore);
      const { headers } = await call.answered();
      expect([headers['x-first'], headers['x-second']]).toEqual([`a${number}`, `b${number}`]);
      let received = '';
      for (let bytes = await nextPiece(call); bytes !== undefined; bytes = await nextPiece(call)) received += bytes.toString();
      expect(received === body).toBe(true);
    }
    // undici may open a second one when a call comes before the last one's connection was handed back.
    expect(connections).toBeLessThan(3);
  });

  it('reads a head that comes in parts after an answer whose end it saw while another connection spoke', async () => {
    const length = 12 * 1024;
    const ticks: (() => void)[] = [];
    let answers = 0;
    const server = createTcpServer((socket) => {
      closers.push(() => socket.destroy());
      socket.on('error', ignore);
      socket.on('data', (request) => {
        if (request.toString().startsWith('POST /ticking')) {
          socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\n\r\n`);
          ticks.push(() => socket.write('tick'));
          return;
        }
        const number = ++answers;
        const parts = ['HTTP/1.1 200 OK\r\nx-first: ', `a${number}\r\nx-`, `second: b${number}\r\ncontent-length: ${length}\r\n\r\n`, 'x'.repeat(length)];
        void (async () => {
          for (const part of parts) {
            socket.write(part);
            for (let turn = 0; turn < 5; turn++) await nextTurn();
          }
        })();
      });
    });
    closers.push(() => server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    const upstream = client();
    const ticking = upstream.post({ url: new URL('/ticking', url), headers: {}, body: '' }, ignore);
    await ticking.answered();
    for (let number = 1; number <= 3; number++) {
      const call = upstream.post({ url, headers: {}, body: '' }, ignore);
      const { headers } = await call.answered();
      expect([headers['x-first'], headers['x-second']]).toEqual([`a${number}`, `b${number}`]);
      for (let received = 0; received < length;) received += (await nextPiece(call))!.byteLength;
      ticks[0]!();
      expect((await nextPiece(ticking))?.toString()).toBe('tick');
      expect(await nextPiece(call)).toBeUndefined();
    }
  });

  it('hands over what came before a cut, then the error', async () => {
    const { url } = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('partial');
      setImmediate(() => setImmediate(() => response.destroy()));
    });
    const call = client().post({ url, headers: {}, body: '' }, ignore);
    await call.answered();
    expect((await nextPiece(call))?.toString()).toBe('partial');
    await expect(nextPiece(call)).rejects.toThrow();
  });

  it('hangs up when it is aborted, before and after the answer began', async () => {
    const { url, server } = await serve((request, response) => {
      if (request.url?.includes('answer')) response.writeHead(200).write('x');
    });
    const closed: number[] = [];
    server.on('connection', (socket) => socket.on('close', () => closed.push(1)));
    const upstream = client();
    const silent = upstream.post({ url, headers: {}, body: '' }, () => setImmediate(() => silent.abort(new Error('enough'))));
    await expect(silent.answered()).rejects.toThrow('enough');
    await eventually(() => expect(closed).toHaveLength(1));
    const speaking = upstream.post({ url: new URL('/answer', url), headers: {}, body: '' }, ignore);
    await speaking.answered();
    await nextPiece(speaking);
    const pulling = nextPiece(speaking);
    speaking.abort(new Error('enough'));
    await expect(pulling).rejects.toThrow('enough');
    await expect(nextPiece(speaking)).rejects.toThrow('enough');
    await eventually(() => expect(closed).toHaveLength(2));
  });

  it('never sends a call that was aborted before the connection stood', async () => {
    let requests = 0;
    const { url } = await serve((_request, response) => {
      requests++;
      response.end();
    });
    const upstream = client();
    const call = upstream.post({ url, headers: {}, body: '' }, ignore);
    call.abort(new Error('never mind'));
    await expect(call.answered()).rejects.toThrow('never mind');
    const next = upstream.post({ url, headers: {}, body: '' }, ignore);
    await next.answered();
    expect(requests).toBe(1);
  });
});
