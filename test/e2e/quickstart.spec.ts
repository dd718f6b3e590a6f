import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { call } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';
import { PROGRAM, QuickstartProgram, type QuickstartContract } from './quickstart-program.js';

const START_TIMEOUT_MS = 120_000;

/** The quick start as a new user starts it: nothing configured but where its data goes and its port. */
describe('the quick start', () => {
  let program: QuickstartProgram;
  beforeAll(async () => void (program = await QuickstartProgram.prepare()));
  afterAll(() => program.remove(), 90_000);

  it(
    'starts, answers the printed curl as pasted, survives a kill and a restart with its data, and leaves nothing behind',
    async () => {
      const first = await program.start(START_TIMEOUT_MS);
      expect(statSync(program.contractFile).mode & 0o777).toBe(0o600);
      expect(first.contract.baseUrl).toBe(`http://127.0.0.1:${program.port}/api/v1`);
      expect(Object.keys(first.contract.processes).sort()).toEqual(['analytics', 'billing', 'ingress', 'router', 'worker']);

      const curl = /^ {2}(curl .*)$/m.exec(first.output())![1]!;
      const { stdout } = await promisify(execFile)('sh', ['-c', `${curl} --silent`]);
      expect(JSON.parse(stdout)).toMatchObject({ model: first.contract.model, choices: [{ finish_reason: 'stop' }] });
      const spent = await eventually(async () => {
        const { usage } = await ownKey(first.contract);
        expect(usage).toBeGreaterThan(0);
        return usage;
      });

      const second = program.run('quickstart');
      expect(await second.exited).toBe(1);
      expect(second.output()).toContain(`already (process ${first.child.pid})`);
      expect(existsSync(program.contractFile)).toBe(true);

      const verified = program.run('ledger', 'verify');
      expect(await verified.exited).toBe(0);
      expect(verified.output()).toContain('no differences');

      first.child.kill('SIGKILL');
      await first.exited;
      const restarted = await program.start(START_TIMEOUT_MS);
      expect(restarted.contract.apiKey).toBe(first.contract.apiKey);
      expect(restarted.contract.managementKey).toBe(first.contract.managementKey);
      expect((await ownKey(restarted.contract)).usage).toBe(spent);
      const credits = await call<{ data: { total_credits: number } }>(restarted.contract.baseUrl, '/credits', { key: restarted.contract.managementKey });
      expect(credits.body.data.total_credits).toBe(100);

      restarted.child.kill('SIGINT');
      expect(await restarted.exited).toBe(0);
      expect(restarted.output()).toContain('Stopped.');
      expect(existsSync(program.contractFile)).toBe(false);
      expect(program.processes()).toEqual([]);
    },
    3 * START_TIMEOUT_MS,
  );

  it.each([
    ['it has said no more than that it starts', 'Starting Switchyard'],
    ['its services start', 'The database is running'],
  ])(
    'ends when it is asked to while %s, and leaves nothing behind',
    async (_case, sign) => {
      const started = program.run('quickstart');
      await eventually(() => expect(started.output()).toContain(sign), { timeoutMs: 30_000 });
      started.child.kill('SIGINT');
      expect(await started.exited).toBe(0);
      expect(started.output()).toContain('Stopped.');
      await eventually(() => expect(program.processes()).toEqual([]));
    },
    START_TIMEOUT_MS,
  );

  it(
    'stops in order although nobody reads any more what it says',
    async () => {
      const { child, exited } = await program.start(START_TIMEOUT_MS);
      child.stdout!.destroy();
      child.stderr!.destroy();
      child.kill('SIGINT');
      expect(await exited).toBe(0);
      expect(existsSync(program.contractFile)).toBe(false);
      expect(existsSync(join(program.directory, 'quickstart.pid'))).toBe(false);
    },
    START_TIMEOUT_MS,
  );

  it(
    'says that its database has ended, and can be stopped and started again then',
    async () => {
      const { child, exited, output } = await program.start(START_TIMEOUT_MS);
      process.kill(Number(readFileSync(join(program.directory, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0]), 'SIGKILL');
      await eventually(() => expect(output()).toContain('the database ended with exit code 1; stop, and start again'));
      child.kill('SIGINT');
      expect(await exited).toBe(0);
      const again = await program.start(START_TIMEOUT_MS);
      again.child.kill('SIGINT');
      await again.exited;
    },
    2 * START_TIMEOUT_MS,
  );

  // With these process ids a machine comes up again after its power was cut. The data is that of the starts above.
  it.each([['sleep'], ['postgres']])(
    'starts over the data of a killed database whose process id is that of another %s by now, and leaves that alone',
    async (argv0) => {
      const folder = join(program.directory, 'postgres');
      const { uid, gid } = statSync(folder);
      const other = spawn('sleep', ['600'], { argv0, uid, gid, cwd: '/' });
      try {
        writeFileSync(join(folder, 'postmaster.pid'), `${other.pid}\n${folder}\n`);
        const { child, exited } = await program.start(START_TIMEOUT_MS);
        expect(other.exitCode ?? other.signalCode).toBeNull();
        child.kill('SIGINT');
        await exited;
      } finally {
        other.kill('SIGKILL');
      }
    },
    START_TIMEOUT_MS,
  );

  it('has its data folder for itself, also where several begin at the same moment', async () => {
    const module = pathToFileURL(join(dirname(PROGRAM), 'quickstart/single-instance.js')).href;
    const source = `
      import { existsSync } from 'node:fs';
      import { claimDataDirectory } from '${module}';
      const [folder, start, end] = process.argv.slice(1);
      console.log('there');
      while (!existsSync(start));
      try { claimDataDirectory(folder); console.log('claimed'); } catch { console.log('refused'); }
      const waiting = setInterval(() => existsSync(end) && clearInterval(waiting), 10);`;
    for (let round = 0; round < 5; round++) {
      const [folder, start, end] = ['race', 'start', 'end'].map((name) => join(program.directory, `${name}-${round}`)) as [string, string, string];
      mkdirSync(folder);
      if (round % 2 === 0) writeFileSync(join(folder, 'quickstart.pid'), '4194304\n');
      const racers = Array.from({ length: 4 }, () =>
        spawn(process.execPath, ['--input-type=module', '-e', source, folder, start, end], { stdio: ['ignore', 'pipe', 'inherit'] }),
      );
      const said = racers.map(() => '');
      racers.forEach(({ stdout }, index) => stdout.on('data', (piece: Buffer) => (said[index] += piece.toString())));
      await eventually(() => expect(said).toEqual(racers.map(() => 'there\n')), { timeoutMs: 20_000 });
      writeFileSync(start, '');
      await eventually(() => expect(said.join('').match(/claimed|refused/g)).toHaveLength(racers.length));
      writeFileSync(end, '');
      expect(said.join('').match(/claimed/g)).toHaveLength(1);
    }
  }, 120_000);

  it('says that its port is taken, and stops what it had started', async () => {
    const blocker = createServer();
    await new Promise<void>((done) => blocker.listen(program.port, '127.0.0.1', done));
    const refused = program.run('quickstart');
    expect(await refused.exited).toBe(1);
    expect(refused.output()).toContain(`Port ${program.port} is in use. Choose another with SWITCHYARD_HTTP_PORT.`);
    expect(program.processes()).toEqual([]);
    await new Promise((done) => blocker.close(done));
  }, 60_000);

  it(
    'is ready at the address that it was told to listen on, and nowhere else',
    async () => {
      const address = process.platform === 'linux' ? '127.0.0.2' : '::1';
      const elsewhere = await QuickstartProgram.prepare({ SWITCHYARD_HTTP_HOST: address });
      const { child, exited, contract } = await elsewhere.start(START_TIMEOUT_MS);
      expect(contract.baseUrl).toBe(`http://${address.includes(':') ? `[${address}]` : address}:${elsewhere.port}/api/v1`);
      expect(await ownKey(contract)).toMatchObject({ usage: 0 });
      await expect(fetch(`http://127.0.0.1:${elsewhere.port}/readyz`)).rejects.toThrow('fetch failed');
      child.kill('SIGINT');
      expect(await exited).toBe(0);
      await elsewhere.remove();
    },
    START_TIMEOUT_MS,
  );

  it('tells of settings that are wrong, those of single services too, before anything is started', async () => {
    const misled = await QuickstartProgram.prepare({ SWITCHYARD_LOG_LEVEL: 'loud', SWITCHYARD_LEASE_RESERVE_MS: 'soon', OTEL_TRACES_SAMPLER: 'some' });
    const refused = misled.run('quickstart');
    expect(await refused.exited).toBe(1);
    expect(refused.output()).toMatch(/^The configuration has 3 problems:\n {2}SWITCHYARD_LOG_LEVEL ="loud"/);
    expect(refused.output()).toMatch(/\n {2}SWITCHYARD_LEASE_RESERVE_MS ="soon" must be a duration/);
    await misled.remove();
  }, 60_000);

  it.each([
    ['has problems', 'version: 1\nendpoints:\n  - { model: writer }\n', 'line 3: endpoints[0].model: write author/slug in lower case'],
    ['is not there', undefined, 'ENOENT'],
  ])(
    'tells in sentences that its catalogue file %s, and stops what it had started',
    async (_case, content, sentence) => {
      const file = join(program.directory, 'catalog.yaml');
      rmSync(file, { force: true });
      if (content !== undefined) writeFileSync(file, content);
      const misled = await QuickstartProgram.prepare({ SWITCHYARD_CATALOG_FILE: file });
      const refused = misled.run('quickstart');
      expect(await refused.exited).toBe(1);
      expect(refused.output()).toContain('The catalogue file');
      expect(refused.output()).toContain(sentence);
      expect(refused.output()).not.toMatch(/^ +at /m);
      expect(misled.processes()).toEqual([]);
      await misled.remove();
    },
    START_TIMEOUT_MS,
  );

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

async function ownKey(contract: QuickstartContract): Promise<{ usage: number }> {
  const { body } = await call<{ data: { usage: number } }>(contract.baseUrl, '/key', { key: contract.apiKey });
  return body.data;
}
