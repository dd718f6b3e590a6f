import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { call, MODELS, startFixture, type Fixture } from '@switchyard/test-platform';
import { eventually, freePort } from '@switchyard/testing';

const REQUESTS = 200;
const QUEUE_SIZE = 64;

/** Takes connections and never says a word. */
async function startSilentServer(): Promise<{ readonly url: string; readonly isAsked: () => boolean; stop(): void }> {
  const sockets = new Set<Socket>();
  let isAsked = false;
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('data', () => (isAsked = true));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    isAsked: () => isAsked,
    stop: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

async function spanCounts(fixture: Fixture): Promise<Readonly<Record<string, number>>> {
  const { text } = await call(new URL(fixture.platform.baseUrl).origin, '/metrics');
  return Object.fromEntries(
    [...text.matchAll(/^switchyard_trace_spans_total\{outcome="(\w+)"\} (\d+)/gm)].map(([, outcome, count]) => [outcome!, Number(count)]),
  );
}

async function requestsDespite(endpoint: string, expectation: (fixture: Fixture) => Promise<void>): Promise<void> {
  const fixture = await startFixture({
    shape: 'all',
    environment: {
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_BSP_SCHEDULE_DELAY: '50',
      OTEL_BSP_MAX_QUEUE_SIZE: String(QUEUE_SIZE),
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '32',
      OTEL_BSP_EXPORT_TIMEOUT: '1000',
      OTEL_EXPORTER_OTLP_TIMEOUT: '800',
    },
  });
  try {
    const { baseUrl, apiKey } = fixture.platform;
    const body = { model: MODELS.writer, messages: [{ role: 'user', content: 'say 2 words' }] };
    const answers = await Promise.all(Array.from({ length: REQUESTS }, () => call(baseUrl, '/chat/completions', { key: apiKey, body })));
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    await expectation(fixture);
  } finally {
    const startedAtMs = performance.now();
    await fixture.stop();
    // The last spans are worth some seconds and no more.
    expect(performance.now() - startedAtMs).toBeLessThan(30_000);
  }
}

describe('a collector of spans costs bounded memory and no request', () => {
  it('when nobody listens there', async () => {
    await requestsDespite(`http://127.0.0.1:${await freePort()}`, async (fixture) => {
      const counts = await eventually(async () => {
        const found = await spanCounts(fixture);
        expect(found['failed']).toBeGreaterThan(0);
        return found;
      });
      expect(counts['exported'] ?? 0).toBe(0);
    });
  }, 180_000);

  it('when it takes what it gets and never answers', async () => {
    const silent = await startSilentServer();
    try {
      await requestsDespite(silent.url, async (fixture) => {
        const counts = await eventually(async () => {
          const found = await spanCounts(fixture);
          expect(found['dropped']).toBeGreaterThan(QUEUE_SIZE);
          expect(found['failed']).toBeGreaterThan(0);
          return found;
        });
        expect(silent.isAsked()).toBe(true);
        expect(counts['exported'] ?? 0).toBe(0);
      });
    } finally {
      silent.stop();
    }
  }, 180_000);
});
