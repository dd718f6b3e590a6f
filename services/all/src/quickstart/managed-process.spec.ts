import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@switchyard/testing';
import { ManagedProcess } from './managed-process.js';

describe('a managed process', () => {
  let folder: string;
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'switchyard-process-'))));
  afterAll(() => rmSync(folder, { recursive: true }));

  function start(source: string, input?: string, nodeArguments: readonly string[] = []): ManagedProcess {
    const script = join(folder, `${Math.random().toString(36).slice(2)}.mjs`);
    writeFileSync(script, source);
    const logFile = join(folder, 'logs', 'child.log');
    return new ManagedProcess({
      name: 'child',
      script,
      scriptArguments: [],
      nodeArguments,
      environment: {},
      logFile,
      answersWithLine: true,
      ...(input === undefined ? {} : { input }),
    });
  }

  it('takes its input and answers with its first line', async () => {
    const child = start(`process.stdin.once('data', (data) => console.log('got ' + data)); process.stdin.on('close', () => process.exit(0));`, 'a secret');
    await expect(child.firstLine(10_000)).resolves.toBe('got a secret');
    await child.stop(10_000);
    await expect(child.exited).resolves.toBe('exit code 0');
  });

  it('is run by Node with the arguments that are for Node', async () => {
    const child = start(`console.log(process.execArgv.join());`, undefined, ['--max-semi-space-size=3']);
    await expect(child.firstLine(10_000)).resolves.toBe('--max-semi-space-size=3');
    await child.exited;
  });

  it('is asked to stop by the end of its input, and may end its work first', async () => {
    const child = start(`process.stdin.resume().on('close', () => { console.error('drained'); process.exit(7); }); console.log('up');`);
    await child.firstLine(10_000);
    await child.stop(10_000);
    await expect(child.exited).resolves.toBe('exit code 7');
    expect(readFileSync(join(folder, 'logs', 'child.log'), 'utf8')).toContain('drained');
  });

  it('is ended by force when it does not stop', async () => {
    const child = start(`setInterval(() => undefined, 1000); console.log('up');`);
    await child.firstLine(10_000);
    await child.stop(20);
    await expect(child.exited).resolves.toBe('signal SIGKILL');
  });

  it('takes its own children with it when it is ended by force', async () => {
    const child = start(
      `import { spawn } from 'node:child_process'; const grandchild = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']); console.log(grandchild.pid); setInterval(() => {}, 1000);`,
    );
    const grandchild = Number(await child.firstLine(10_000));
    child.kill();
    await eventually(() => expect(() => process.kill(grandchild, 0)).toThrow('ESRCH'));
  });

  it('hears the last line of one that ends with it', async () => {
    const child = start(`process.stdout.write('the problem\\n', () => process.exit(1));`);
    await expect(child.firstLine(10_000)).resolves.toBe('the problem');
  });

  it('says where its log is when it ends before it is ready', async () => {
    const child = start(`process.exit(3);`);
    await expect(child.firstLine(10_000)).rejects.toThrow(/child ended with exit code 3; its log is .*child\.log/);
  });

  it('quotes what it wrote last, and nothing of who wrote there before', async () => {
    const before = start(`console.error('an older problem'); process.exit(1);`);
    await before.exited;
    const child = start(`console.error('listen EADDRINUSE'); process.exit(1);`);
    const failure = await child.firstLine(10_000).catch((error: Error) => error.message);
    expect(failure).toMatch(/child\.log, which ends with\nlisten EADDRINUSE$/);
  });

  it('tells of an end that nobody asked for, and of no other', async () => {
    const heard: string[] = [];
    const crashing = start(`process.exit(3);`);
    crashing.onUnexpectedExit((how) => heard.push(how));
    await eventually(() => expect(heard).toEqual(['exit code 3']));
    const stopped = start(`process.stdin.resume().on('close', () => process.exit(0));`);
    stopped.onUnexpectedExit((how) => heard.push(how));
    await stopped.stop(10_000);
    await stopped.exited;
    expect(heard).toHaveLength(1);
  });
});
