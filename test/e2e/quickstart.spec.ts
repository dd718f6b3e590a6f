import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { call } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';

const PROGRAM = resolve(import.meta.dirname, '../../services/all/dist/main.js');
const START_TIMEOUT_MS = 120_000;

interface Contract {
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly managementKey: string;
  readonly model: string;
  readonly processes: Readonly<Record<string, readonly number[]>>;
}

/** The quick start as a new user starts it: nothing configured but where its data goes and its port. */
describe('the quick start', () => {
  let directory: string;
  let port: number;
  const running: ChildProcess[] = [];

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'switchyard-quickstart-'));
    // Started by root, Postgres becomes another user, who must be able to reach its folder.
    chmodSync(directory, 0o755);
    port = await freePort();
  });
  afterAll(async () => {
    for (const child of running) child.kill('SIGKILL');
    await eventually(() => expect(processesOf(directory)).toEqual([]), { timeoutMs: 30_000 });
    rmSync(directory, { recursive: true, force: true });
  }, 60_000);

  const contractFile = () => join(directory, 'quickstart.json');

  function run(...programArguments: string[]): { child: ChildProcess; output: () => string; exited: Promise<number | null> } {
    const environment = { PATH: process.env['PATH'], HOME: process.env['HOME'], SWITCHYARD_DATA_DIR: directory, SWITCHYARD_HTTP_PORT: String(port) };
    const child = spawn(process.execPath, [PROGRAM, ...programArguments], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    running.push(child);
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => (text += piece.toString()));
    return { child, output: () => text, exited: new Promise((done) => child.once('close', done)) };
  }

  async function start(): Promise<ReturnType<typeof run> & { contract: Contract }> {
    const started = run('quickstart');
    await eventually(() => expect(started.output()).toContain('Ctrl-C stops everything'), { timeoutMs: START_TIMEOUT_MS });
    return { ...started, contract: JSON.parse(readFileSync(contractFile(), 'utf8')) as Contract };
  }

  it(
    'starts, answers the printed curl as pasted, survives a kill and a restart with its data, and leaves nothing behind',
    async () => {
      const first = await start();
      expect(statSync(contractFile()).mode & 0o777).toBe(0o600);
      expect(first.contract.baseUrl).toBe(`http://127.0.0.1:${port}/api/v1`);
      expect(Object.keys(first.contract.processes).sort()).toEqual(['analytics', 'billing', 'ingress', 'router', 'worker']);

      const curl = /^ {2}(curl .*)$/m.exec(first.output())![1]!;
      const { stdout } = await promisify(execFile)('sh', ['-c', `${curl} --silent`]);
      expect(JSON.parse(stdout)).toMatchObject({ model: first.contract.model, choices: [{ finish_reason: 'stop' }] });
      const spent = await eventually(async () => {
        const { usage } = await ownKey(first.contract);
        expect(usage).toBeGreaterThan(0);
        return usage;
      });

      const second = run('quickstart');
      expect(await second.exited).toBe(1);
      expect(second.output()).toContain(`already (process ${first.child.pid})`);
      expect(existsSync(contractFile())).toBe(true);

      const verified = run('ledger', 'verify');
      expect(await verified.exited).toBe(0);
      expect(verified.output()).toContain('no differences');

      first.child.kill('SIGKILL');
      await first.exited;
      const restarted = await start();
      expect(restarted.contract.apiKey).toBe(first.contract.apiKey);
      expect(restarted.contract.managementKey).toBe(first.contract.managementKey);
      expect((await ownKey(restarted.contract)).usage).toBe(spent);
      const credits = await call<{ data: { total_credits: number } }>(restarted.contract.baseUrl, '/credits', { key: restarted.contract.managementKey });
      expect(credits.body.data.total_credits).toBe(100);

      restarted.child.kill('SIGINT');
      expect(await restarted.exited).toBe(0);
      expect(restarted.output()).toContain('Stopped.');
      expect(existsSync(contractFile())).toBe(false);
      expect(processesOf(directory)).toEqual([]);
    },
    3 * START_TIMEOUT_MS,
  );

  it('says that its port is taken, and stops what it had started', async () => {
    const blocker = createServer();
    await new Promise<void>((done) => blocker.listen(port, '127.0.0.1', done));
    const refused = run('quickstart');
    expect(await refused.exited).toBe(1);
    expect(refused.output()).toContain(`Port ${port} is in use. Choose another with SWITCHYARD_HTTP_PORT.`);
    expect(processesOf(directory)).toEqual([]);
    await new Promise((done) => blocker.close(done));
  }, 60_000);

  it('names every problem of the configuration at once', async () => {
    const environment = { PATH: process.env['PATH'], SWITCHYARD_LOG_LEVEL: 'loud', SWITCHYARD_DRAIN_DELAY_MS: 'soon', SWITCHYARD_HTTP_PORTS: '1' };
    const failure = await promisify(execFile)(process.execPath, [PROGRAM, 'serve', '--target=ingress', '--check-config'], { env: environment }).then(
      () => undefined,
      (error: unknown) => error as { code: number; stderr: string },
    );
    expect(failure?.code).toBe(1);
    for (const name of [
      'SWITCHYARD_LOG_LEVEL',
      'SWITCHYARD_DRAIN_DELAY_MS',
      'SWITCHYARD_BILLING_ADDRESS',
      'SWITCHYARD_ROUTER_ADDRESS',
      'SWITCHYARD_WORKER_ADDRESS',
      'SWITCHYARD_HTTP_PORTS',
    ]) {
      expect(failure?.stderr).toContain(name);
    }
  });
});

async function ownKey(contract: Contract): Promise<{ usage: number }> {
  const { body } = await call<{ data: { usage: number } }>(contract.baseUrl, '/key', { key: contract.apiKey });
  return body.data;
}

/** Processes whose command line names this folder (Postgres and what else lives in it), where the system tells. */
function processesOf(directory: string): string[] {
  if (!existsSync('/proc')) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => commandLine(name))
    .filter((text) => text.includes(directory));
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

function freePort(): Promise<number> {
  return new Promise((done) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => done(port));
    });
  });
}
