import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from '@jest/globals';
import { nextPiece } from './pulled-body.js';
import { decodedBody, readWhole } from './upstream-body.js';
import { UpstreamHttp, type UpstreamCall, type UpstreamHead } from './upstream-http.js';

describe('a compressed body', () => {
  let server: Server;
  const upstream = new UpstreamHttp({ connectTimeoutMs: 5_000, keepAliveMs: 1_000 });

  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  /** A server that sends the bytes, and ends its answer or leaves it open. */
  async function answered(body: Buffer, isWhole: boolean): Promise<{ call: UpstreamCall; head: UpstreamHead }> {
    server = createServer((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' });
      if (isWhole) response.end(body);
      else response.write(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const call = upstream.post({ url: new URL(`http://127.0.0.1:${port}/`), headers: {}, body: '' }, () => undefined);
    return { call, head: await call.answered() };
  }

  it('is unfolded', async () => {
    const { call, head } = await answered(gzipSync('{"text":"hello"}'), true);
    const body = decodedBody(call, head.headers['content-encoding'], 'Acme');
    expect((await readWhole(body, 1_000, 'Acme')).toString()).toBe('{"text":"hello"}');
  });

  it('that is hung up on before anybody read of it fails for its reader alone', async () => {
    const { call, head } = await answered(gzipSync('half of a page').subarray(0, 12), false);
    const body = decodedBody(call, head.headers['content-encoding'], 'Acme');
    call.abort(new Error('it is no answer at all'));
    // The decoder learns of it before anybody asks for its first piece.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    await expect(nextPiece(body)).rejects.toThrow('it is no answer at all');
  });
});
