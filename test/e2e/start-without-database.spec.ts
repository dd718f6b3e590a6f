import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createPool } from '@switchyard/db';
import { eventually, freePort, startTestPostgres, type TestPostgres } from '@switchyard/testing';
import { ServiceProcess } from './service-process.js';

describe('the program and a database or settings that are not as they should be', () => {
  let postgres: TestPostgres;
  let folder: string;
  const processes: ServiceProcess[] = [];
  beforeEach(async () => {
    postgres = await startTestPostgres();
    folder = mkdtempSync(join(tmpdir(), 'switchyard-start-'));
  }, 90_000);
  afterEach(async () => {
    for (const process of processes.splice(0)) await process.kill();
    await postgres.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function launch(commandArguments: readonly string[], environment: Readonly<Record<string, string>> = {}, output?: number): ServiceProcess {
    const defaults = { SWITCHYARD_DATABASE_URL: postgres.url, SWITCHYARD_DATA_DIR: folder, SWITCHYARD_LOG_LEVEL: 'error' };
    const process = new ServiceProcess(commandArguments, { ...defaults, ...environment }, output);
    processes.push(process);
    return process;
  }

  async function run(
    commandArguments: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<{ exitCode: number | null; lines: string[] }> {
    const process = launch(commandArguments, environment);
    return { exitCode: await process.exited, lines: process.output.trim().split('\n') };
  }

  it('`migrate` ends with 1 and one sentence when a migration fails, and with 0 once what was in its way is gone', async () => {
    const pool = createPool(postgres.url);
    await pool.query('CREATE SCHEMA router');
    await pool.query('CREATE VIEW router.price AS SELECT 1');
    const failed = await run(['migrate', '--target=router']);
    expect(failed).toEqual({ exitCode: 1, lines: [expect.stringMatching(/^Migrating the schema router failed: .*already exists/)] });
    await pool.query('DROP SCHEMA router CASCADE');
    await pool.end();
    expect(await run(['migrate', '--target=router'])).toEqual({ exitCode: 0, lines: ['All schemas are up to date.'] });
    expect(await run(['migrate', '--target=router'])).toEqual({ exitCode: 0, lines: ['All schemas are up to date.'] });
  }, 120_000);

  it('commands that need schemas, or a database, say so in one sentence', async () => {
    expect(await run(['analytics', 'rebuild'])).toEqual({
      exitCode: 1,
      lines: [expect.stringMatching(/^The schema analytics lacks \w.*; run the command migrate first\.$/)],
    });
    const away = { SWITCHYARD_DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nothing', SWITCHYARD_START_TIMEOUT_MS: '100ms' };
    for (const command of [['analytics', 'rebuild'], ['migrate']]) {
      expect(await run(command, away)).toEqual({ exitCode: 1, lines: ['The database cannot be reached: connect ECONNREFUSED 127.0.0.1:1'] });
    }
  }, 120_000);

  it('`check-config` names the variables that nothing reads, and no credential of a provider of the operator’s own', async () => {
    expect(await run(['check-config', '--target=worker'], { SWITCHYARD_CREDENTIAL_ACME_VLLM: 'secret', SWITCHYARD_DRAIN_DELAY: '1s' })).toEqual({
      exitCode: 0,
      lines: ['SWITCHYARD_DRAIN_DELAY is set, but nothing reads it', 'The configuration of worker is valid.'],
    });
  }, 120_000);

  it('a service tells in its log which variables nothing reads, another service’s not among them', async () => {
    const service = launch(['serve', '--target=worker'], {
      SWITCHYARD_LOG_LEVEL: 'warn',
      SWITCHYARD_DRAIN_DELAY: '1s',
      SWITCHYARD_CREDENTIAL_ACME_VLLM: 'secret',
      SWITCHYARD_LEASE_RESERVE_MS: '10s',
      SWITCHYARD_HEALTH_PORT: '0',
      SWITCHYARD_GRPC_PORT: '0',
    });
    await eventually(() => expect(service.output).toContain('"names":["SWITCHYARD_DRAIN_DELAY"],"msg":"Variables are set that nothing reads"'), {
      timeoutMs: 60_000,
    });
  }, 120_000);

  it('a service that gets no port or no folder says so in one sentence', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const taken = { exitCode: 1, lines: [`The system refused: listen EADDRINUSE: address already in use 127.0.0.1:${port}`] };
    expect(await run(['serve', '--target=worker'], { SWITCHYARD_HEALTH_PORT: String(port) })).toEqual(taken);
    server.close();
    const ports = { SWITCHYARD_HEALTH_PORT: '0', SWITCHYARD_GRPC_PORT: '0' };
    for (const [folder, refusal] of [
      ['/dev/null/nowhere', 'ENOTDIR: not a directory'],
      // Where the system makes no folders at all.
      ['/proc/nowhere', 'ENOENT: no such file or directory'],
    ] as const) {
      const { exitCode, lines } = await run(['serve', '--target=worker'], { ...ports, SWITCHYARD_DATA_DIR: folder });
      expect({ exitCode, last: lines.at(-1) }).toEqual({ exitCode: 1, last: `The system refused: ${refusal}, mkdir '${folder}'` });
    }
  }, 120_000);

  if (existsSync('/dev/full'))
    it('a service goes on where the disk of its log is full', async () => {
      const port = await freePort();
      const full = openSync('/dev/full', 'w');
      const environment = { SWITCHYARD_LOG_LEVEL: 'info', SWITCHYARD_HEALTH_PORT: String(port), SWITCHYARD_GRPC_PORT: '0', SWITCHYARD_DRAIN_DELAY_MS: '0' };
      const service = launch(['serve', '--target=billing'], environment, full);
      closeSync(full);
      await service.ready(`http://127.0.0.1:${port}`);
      service.terminate();
      expect(await service.exited).toBe(0);
    }, 60_000);

  it('a service waits for its schemas alive, and ends with 0 when it is told to', async () => {
    const port = await freePort();
    const service = launch(['serve', '--target=billing'], {
      SWITCHYARD_MIGRATE_ON_START: 'false',
      SWITCHYARD_HEALTH_PORT: String(port),
      SWITCHYARD_GRPC_PORT: '0',
      SWITCHYARD_DRAIN_DELAY_MS: '0',
    });
    await eventually(async () => expect(await (await fetch(`http://127.0.0.1:${port}/readyz`)).text()).toContain('waits for the command migrate'), {
      timeoutMs: 60_000,
    });
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
    service.terminate();
    expect(await service.exited).toBe(0);
  }, 120_000);
});
