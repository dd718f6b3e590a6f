import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool, type Dispatcher } from 'undici';

/** The floor: Node's own HTTP server and undici with keep-alive, passing bytes through as they come and doing nothing else. */
const upstream = new Pool(process.argv[2] ?? '', { connections: 1_024, pipelining: 1 });

const server = createServer({ noDelay: true }, (request, response) => {
  const pieces: Buffer[] = [];
  request.on('data', (piece: Buffer) => pieces.push(piece));
  request.on('end', () => {
    const body = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    const headers = { 'content-type': 'application/json' };
    upstream.dispatch({ method: 'POST', path: request.url ?? '/', headers, body }, new Pipe(response));
  });
});

/** Bytes of the answer, from socket to socket. */
class Pipe implements Dispatcher.DispatchHandler {
  constructor(private readonly response: ServerResponse) {}

  onRequestStart(): void {}

  onResponseStart(_: unknown, status: number, headers: IncomingHttpHeaders): void {
    const length = headers['content-length'];
    this.response.writeHead(status, {
      'content-type': headers['content-type'] ?? 'application/json',
      ...(length === undefined ? {} : { 'content-length': length }),
    });
  }

  onResponseData(_: unknown, piece: Buffer): void {
    this.response.write(piece);
  }

  onResponseEnd(): void {
    this.response.end();
  }

  onResponseError(): void {
    this.response.destroy();
  }
}

server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
