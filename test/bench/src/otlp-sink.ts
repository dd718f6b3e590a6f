import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A receiver of OTLP over HTTP that throws away what it gets, as a process of its own: `GET /` tells how much that was. */
let exportCount = 0;
let byteCount = 0;

const server = createServer((request, response) => {
  if (request.method === 'GET') return void response.end(JSON.stringify({ exportCount, byteCount }));
  request.on('data', (piece: Buffer) => (byteCount += piece.length));
  request.on('end', () => {
    exportCount++;
    response.writeHead(200, { 'content-type': request.headers['content-type'] ?? 'application/x-protobuf' });
    response.end(request.headers['content-type'] === 'application/json' ? '{}' : '');
  });
});
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
