import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { defineConfig } from '@switchyard/config';
import { createClient, createPool, runMigrations, type DatabaseSchema, type MigrationInterface, type QueryRunner } from '@switchyard/db';
import { EVENT_LOG_SCHEMA } from '@switchyard/events';
import { captureLogger, eventually, freePort, startTestPostgres, type TestPostgres } from '@switchyard/testing';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineTarget, runTargets, type Platform, type Target } from './index.js';

class CreateDepot1760000000001 implements MigrationInterface {
  name = 'CreateDepot1760000000001';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE depot (id bigint PRIMARY KEY)');
  }
  async down(): Promise<void> {}
}

class NameDepot1760000000002 implements MigrationInterface {
  name = 'NameDepot1760000000002';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE depot ADD COLUMN name text');
  }
  async down(): Promise<void> {}
}

class BreakDepot1760000000003 implements MigrationInterface {
  name = 'BreakDepot1760000000003';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('SELECT 1 / 0');
  }
  async down(): Promise<void> {}
}

const OLD: DatabaseSchema = { name: 'billing', migrations: [CreateDepot1760000000001] };
const CURRENT: DatabaseSchema = { name: 'billing', migrations: [CreateDepot1760000000001, NameDepot1760000000002] };

/** A service that looks into its database when it starts. */
function targetWith(schema: DatabaseSchema): Target {
  return defineTarget({
    name: 'billing',
    config: defineConfig({}),
    schema,
    provides: [],
    requires: [],
    module: (context) => ({
      module: class DepotModule {},
      providers: [{ provide: 'depots', useFactory: () => context.pool().query('SELECT count(*) FROM depot') }],
    }),
  });
}

describe('a service and its schemas', () => {
  let postgres: TestPostgres;
  let folder: string;
  let healthPort: number;
  const cancels: AbortController[] = [];
  const starts: Promise<Platform>[] = [];

  beforeEach(async () => {
    postgres = await startTestPostgres();
    folder = mkdtempSync(join(tmpdir(), 'switchyard-gate-'));
    healthPort = await freePort();
  }, 90_000);
  afterEach(async () => {
    for (const cancel of cancels.splice(0)) cancel.abort(new Error('over'));
    for (const start of starts.splice(0)) await start.then((platform) => platform.stop()).catch(() => undefined);
    await postgres.close();
    rmSync(folder, { recursive: true });
  });

  function start(schema: DatabaseSchema, environment: Readonly<Record<string, string>> = {}): Promise<Platform> {
    const cancel = new AbortController();
    const starting = runTargets({
      targets: [targetWith(schema)],
      logger: captureLogger(),
      cancelSignal: cancel.signal,
      environment: {
        SWITCHYARD_DATABASE_URL: postgres.url,
        SWITCHYARD_DATA_DIR: folder,
        SWITCHYARD_HEALTH_PORT: String(healthPort),
        SWITCHYARD_GRPC_PORT: '0',
        SWITCHYARD_DRAIN_DELAY_MS: '0',
        SWITCHYARD_MIGRATE_ON_START: 'false',
        ...environment,
      },
    });
    starting.catch(() => undefined);
    cancels.push(cancel);
    starts.push(starting);
    return starting;
  }

  async function health(path: string): Promise<{ status: number; text: string }> {
    const response = await fetch(`http://127.0.0.1:${healthPort}${path}`);
    return { status: response.status, text: await response.text() };
  }

  it('is alive and not ready while a schema is behind, says what is missing, and becomes ready by itself', async () => {
    await runMigrations(postgres.url, EVENT_LOG_SCHEMA);
    await runMigrations(postgres.url, OLD);
    const starting = start(CURRENT);
    await eventually(async () => {
      const { status, text } = await health('/readyz');
      expect(status).toBe(503);
      expect(text).toContain('the schema billing lacks NameDepot1760000000002: it waits for the command migrate');
    });
    expect((await health('/healthz')).status).toBe(200);
    await runMigrations(postgres.url, CURRENT);
    await starting;
    expect((await health('/readyz')).status).toBe(200);
  });

  it('serves beside a newer program: a schema with migrations that it does not know is fine', async () => {
    await runMigrations(postgres.url, EVENT_LOG_SCHEMA);
    await runMigrations(postgres.url, CURRENT);
    const platform = await start(OLD);
    expect(platform.readiness().ready).toBe(true);
    await platform.stop();
    const migrating = await start(OLD, { SWITCHYARD_MIGRATE_ON_START: 'true' });
    expect(migrating.readiness().ready).toBe(true);
  });

  it('waits for the event log that lives in the same database', async () => {
    await runMigrations(postgres.url, OLD);
    void start(OLD);
    await eventually(async () => expect((await health('/readyz')).text).toContain(`the schema ${EVENT_LOG_SCHEMA.name} lacks`));
    await runMigrations(postgres.url, EVENT_LOG_SCHEMA);
    await eventually(async () => expect((await health('/readyz')).status).toBe(200));
  });

  it('ends with the sentence of a migration that fails', async () => {
    const broken = { name: 'billing', migrations: [CreateDepot1760000000001, BreakDepot1760000000003] };
    await expect(start(broken, { SWITCHYARD_MIGRATE_ON_START: 'true' })).rejects.toThrow('Migrating the schema billing failed: division by zero');
  });

  it('waits for a database that is away, and for one that goes away in the middle of the start', async () => {
    const relay = await relayTo(Number(new URL(postgres.url).port));
    const url = new URL(postgres.url);
    url.port = String(relay.port);
    relay.isOpen = false;
    const starting = start(CURRENT, { SWITCHYARD_DATABASE_URL: url.href, SWITCHYARD_MIGRATE_ON_START: 'true' });
    await eventually(async () => expect((await health('/readyz')).text).toMatch(/the schema \w+ cannot be looked at/));
    expect((await health('/healthz')).status).toBe(200);
    // What reads the version passes; the service's own first look is cut.
    relay.cuts = 'SELECT count(*) FROM depot';
    relay.isOpen = true;
    await eventually(() => expect(relay.cutCount).toBeGreaterThan(0), { timeoutMs: 20_000 });
    relay.cuts = undefined;
    await starting;
    expect((await health('/readyz')).status).toBe(200);
    const pool = createPool(postgres.url);
    expect((await pool.query(`SELECT 1 FROM billing.depot`)).rows).toEqual([]);
    await pool.end();
    await (await starting).stop();
    relay.close();
  }, 60_000);

  it('ends at once when it is told to while it waits', async () => {
    const starting = start(CURRENT);
    await eventually(async () => expect((await health('/readyz')).status).toBe(503));
    cancels[0]!.abort(new Error('told to'));
    await expect(starting).rejects.toThrow(/told to|aborted/);
  });

  it('ends at once when it is told to while another process migrates', async () => {
    const other = createClient(postgres.url);
    await other.connect();
    try {
      await other.query(`SELECT pg_advisory_lock(hashtextextended('switchyard migrations of ${EVENT_LOG_SCHEMA.name}', 0))`);
      const starting = start(CURRENT, { SWITCHYARD_MIGRATE_ON_START: 'true' });
      const waits = `SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted`;
      await eventually(async () => expect((await other.query(waits)).rows).toHaveLength(1));
      expect((await health('/readyz')).text).toContain('it is being migrated');
      cancels[0]!.abort(new Error('told to'));
      await expect(starting).rejects.toThrow(/told to|aborted/);
    } finally {
      await other.end();
    }
  });
});

interface Relay {
  readonly port: number;
  isOpen: boolean;
  /** Connections that say this are cut. */
  cuts: string | undefined;
  cutCount: number;
  close(): void;
}

async function relayTo(port: number): Promise<Relay> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((inbound) => {
    sockets.add(inbound);
    inbound.on('error', () => undefined);
    if (!relay.isOpen) return void inbound.destroy();
    const outbound = connect(port, '127.0.0.1');
    outbound.on('error', () => inbound.destroy());
    inbound.on('close', () => outbound.destroy());
    outbound.on('close', () => inbound.destroy());
    outbound.on('data', (bytes) => inbound.write(bytes));
    inbound.on('data', (bytes) => {
      if (relay.cuts === undefined || !bytes.includes(relay.cuts)) return void outbound.write(bytes);
      relay.cutCount++;
      inbound.destroy();
    });
  });
  const ownPort = await freePort();
  await new Promise<void>((resolve) => server.listen(ownPort, '127.0.0.1', resolve));
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  const relay: Relay = { port: ownPort, isOpen: true, cuts: undefined, cutCount: 0, close };
  return relay;
}
