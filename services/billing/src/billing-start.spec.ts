import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runTargets } from '@switchyard/runtime';
import { captureLogger, eventually, startTestPostgres, type TestPostgres } from '@switchyard/testing';
import { billingTarget } from './billing.target.js';

/** What the event log's connections say first. */
const EVENT_LOG = 'switchyard event log';

describe('a start of billing', () => {
  const folder = mkdtempSync(join(tmpdir(), 'switchyard-billing-start-'));
  let postgres: TestPostgres;
  let relay: Server;
  let cuts: string | undefined = EVENT_LOG;
  let cutCount = 0;

  beforeAll(async () => {
    postgres = await startTestPostgres();
    relay = createServer((inbound) => {
      const outbound = connect(Number(new URL(postgres.url).port), '127.0.0.1');
      outbound.on('error', () => undefined).on('close', () => inbound.destroy());
      inbound.on('error', () => undefined).on('close', () => outbound.destroy());
      outbound.pipe(inbound);
      inbound.on('data', (bytes) => {
        if (cuts === undefined || !bytes.includes(cuts)) return void outbound.write(bytes);
        cutCount++;
        inbound.destroy();
      });
    });
    await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
  }, 90_000);
  afterAll(async () => {
    relay.close();
    await postgres.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('that gets no connection for its consumer leaves nothing behind, and begins again', async () => {
    const url = new URL(postgres.url);
    url.port = String((relay.address() as AddressInfo).port);
    const logger = captureLogger();
    const starting = runTargets({
      targets: [billingTarget],
      logger,
      environment: {
        SWITCHYARD_DATABASE_URL: url.href,
        SWITCHYARD_DATA_DIR: folder,
        SWITCHYARD_GRPC_PORT: '0',
        SWITCHYARD_HEALTH_PORT: '0',
        SWITCHYARD_DRAIN_DELAY_MS: '0',
      },
    });
    await eventually(() => expect(cutCount).toBeGreaterThan(0), { timeoutMs: 20_000 });
    cuts = undefined;
    const platform = await starting;
    expect(platform.readiness()).toMatchObject({ ready: true, degraded: false });
    await platform.stop();
  });
});
