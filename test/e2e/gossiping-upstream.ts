import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface GossipingUpstream {
  /** Answers `<url>/<status>/v1/…` with that status. */
  readonly url: string;
  /** What it tells beside the credential it was called with. */
  readonly secret: string;
  close(): Promise<void>;
}

/** An upstream whose errors tell what clients must not see: inner addresses, and the credential it was called with. */
export async function startGossipingUpstream(): Promise<GossipingUpstream> {
  const secret = 'canary-host-10-1-2-3';
  const server = createServer((request, response) => {
    request.resume().once('end', () => {
      const status = Number(/^\/(\d+)\//.exec(request.url ?? '')?.[1] ?? 500);
      const message = `Failed at ${secret} with ${String(request.headers.authorization)}.`;
      response.writeHead(status, { 'content-type': 'application/json', 'x-inner-host': secret, 'x-request-id': 'req-1' });
      response.end(JSON.stringify({ error: { message, type: secret, code: null } }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    secret,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
