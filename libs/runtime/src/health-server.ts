import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { exposeMetrics, type Metrics } from '@switchyard/telemetry';
import type { ReadinessReport } from './target.js';

export interface HealthServer {
  readonly address: string;
  close(): Promise<void>;
}

/** `/healthz` (the process lives), `/readyz` (200 or 503 with every check), `/metrics` (OpenMetrics or Prometheus text). */
export async function startHealthServer(options: { host: string; port: number; readiness: () => ReadinessReport; metrics: Metrics }): Promise<HealthServer> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5000 }, (request, response) => {
    const path = request.url?.split('?')[0];
    if (path === '/healthz') return send(response, 200, 'application/json', '{"status":"ok"}');
    if (path === '/readyz') {
      const report = options.readiness();
      return send(response, report.ready ? 200 : 503, 'application/json', JSON.stringify(report));
    }
    if (path === '/metrics') return void sendMetrics(response, options.metrics, request.headers.accept);
    send(response, 404, 'application/json', '{"error":"not found"}');
  });
  await listen(server, options.host, options.port);
  const { port } = server.address() as AddressInfo;
  return {
    address: `${options.host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function send(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' });
  response.end(body);
}

async function sendMetrics(response: ServerResponse, metrics: Metrics, accept: string | undefined): Promise<void> {
  const { contentType, pieces } = exposeMetrics(metrics, accept);
  response.writeHead(200, { 'content-type': contentType, 'cache-control': 'no-store' });
  try {
    await pipeline(pieces, response);
  } catch {
    // Whoever asked has left.
    response.destroy();
  }
}
