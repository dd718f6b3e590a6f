import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { ClientResponse } from './client-response.js';

/** More than the buffers of both sockets take. */
const LARGE = Buffer.alloc(32 * 1024 * 1024);

describe('a client response', () => {
  let server: Server;
  let client: Socket;

  afterEach(() => {
    client.destroy();
    server.closeAllConnections();
    server.close();
  });

  async function answerWith(answer: (response: ClientResponse) => Promise<boolean>): Promise<boolean> {
    const arrived = Promise.withResolvers<boolean>();
    server = createServer((request, response) => void answer(new ClientResponse(request, response, 50)).then(arrived.resolve, arrived.reject));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    client.on('error', () => undefined);
    // Nobody reads from this socket.
    client.pause();
    client.write('GET / HTTP/1.1\r\nHost: gateway\r\n\r\n');
    return arrived.promise;
  }

  it('hangs up on a reader that stopped before it took a whole answer', async () => {
    expect(await answerWith((response) => response.sendWhole(200, [], [LARGE]))).toBe(false);
  });

  it('hangs up on a reader that stopped before it took the end of a stream', async () => {
    const answered = answerWith((response) => {
      response.beginStream([]);
      response.write(LARGE, 0);
      return response.end('data: [DONE]\n\n');
    });
    expect(await answered).toBe(false);
  });

  it('tells that a small answer arrived', async () => {
    expect(await answerWith((response) => response.sendWhole(200, [], ['{}']))).toBe(true);
  });
});
