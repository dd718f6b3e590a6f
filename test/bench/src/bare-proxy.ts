import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';

/** The floor: Node's own HTTP server and undici with keep-alive, piping bytes through and doing nothing else. */
const upstream = new Pool(process.argv[2] ?? '', { connections: 64, pipelining: 1 });

const server = createServer({ noDelay: true }, (request, response) => {
  const pieces: Buffer[] = [];
  request.on('data', (piece: Buffer) => pieces.push(piece));
  request.on('end', () => {
    void (async () => {
      const answer = await upstream.request({
        method: 'POST',
        path: request.url ?? '/',
        headers: { 'content-type': 'application/json' },
        body: Buffer.concat(pieces),
      });
      const length = answer.headers['content-length'];
      response.writeHead(answer.statusCode, { 'content-type': 'application/json', ...(typeof length === 'string' ? { 'content-length': length } : {}) });
      answer.body.pipe(response);
    })().catch(() => response.destroy());
  });
});
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
