import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { request } from 'undici';
import { BodyMemory, readBody } from './read-body.js';

const MARK = Buffer.from([0xef, 0xbb, 0xbf]);

describe('the body of a request', () => {
  let server: Server;
  let url: string;

  beforeEach(async () => {
    const memory = new BodyMemory(10_000);
    server = createServer((incoming, response) => {
      void readBody(incoming, { maxBytes: 1_000, minBytesPerSecond: 1 }, memory.open()).then((body) => response.end(body));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  it.each([
    ['its byte order mark is left out', [MARK, '{"a":1}'], '{"a":1}'],
    ['also where it comes in pieces', [MARK.subarray(0, 1), MARK.subarray(1), '{"a":1}'], '{"a":1}'],
    ['one further on is part of a text', ['{"a":"', MARK, '"}'], '{"a":"\uFEFF"}'],
    ['nothing else is', ['  {}'], '  {}'],
    ['not even of none', [], ''],
  ])('is read as it was sent: %s', async (_case, pieces, expected) => {
    const { body } = await request(url, { method: 'POST', body: Readable.from(pieces) });
    expect(Buffer.from(await body.arrayBuffer()).toString()).toBe(expected);
  });
});
