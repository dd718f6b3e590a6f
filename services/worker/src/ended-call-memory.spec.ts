import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '@switchyard/testing';
import { nextPiece } from './pulled-body.js';
import { UpstreamHttp, type UpstreamCall } from './upstream-http.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

describe('what a call that has ended keeps of its attempt', () => {
  let upstream: UpstreamHttp;
  const server = createServer((request, response) => {
    request.resume().once('end', () => (request.url === '/cut' ? response.destroy() : response.end('ok')));
  });

  beforeEach(async () => {
    upstream = new UpstreamHttp({ connectTimeoutMs: 1_000, keepAliveMs: 10_000 });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(async () => {
    await upstream.close();
    server.close();
  });

  async function callOf(path: string): Promise<{ call: UpstreamCall; attempt: WeakRef<object> }> {
    const attempt = { isConnected: false };
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`);
    const call = upstream.post({ url, headers: {}, body: '' }, () => (attempt.isConnected = true));
    await call
      .answered()
      .then(() => nextPiece(call))
      .catch(() => undefined);
    expect(attempt.isConnected).toBe(true);
    return { call, attempt: new WeakRef(attempt) };
  }

  it.each(['/whole', '/cut'])('is nothing: %s', async (path) => {
    const { call, attempt } = await callOf(path);
    await eventually(() => {
      collectGarbage();
      expect(attempt.deref()).toBeUndefined();
    });
    expect(call).toBeDefined();
  });
});
