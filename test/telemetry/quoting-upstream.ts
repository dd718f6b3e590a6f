import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface QuotingUpstream {
  /** Answers `<url>/<status>/v1/…` with that status. */
  readonly url: string;
  close(): Promise<void>;
}

/** An upstream whose errors quote all it was sent, headers and prompt, as some providers do. */
export async function startQuotingUpstream(): Promise<QuotingUpstream> {
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.once('end', () => {
      const status = Number(/^\/(\d+)\//.exec(request.url ?? '')?.[1] ?? 500);
      const quoted = `${JSON.stringify(request.headers)} ${Buffer.concat(pieces).toString()}`;
      response.writeHead(status, { 'content-type': 'application/json', 'x-request-id': 'req-1' });
      response.end(
        JSON.stringify({ error: { message: `Invalid: ${quoted}`, type: 'invalid_request_error', code: null, metadata: { flagged_input: quoted } } }),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
