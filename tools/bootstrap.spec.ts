import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');

function start(...programArguments: string[]) {
  const child = spawn(process.execPath, ['tools/bootstrap.mjs', '--no-build', 'tools/fixtures/signal-echo.mjs', ...programArguments], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child.stdout.setEncoding('utf8');
  return child;
}

describe('bootstrap', () => {
  it('runs the program on a Node that the platform supports and ends with its exit code', async () => {
    const child = start('exit', '7');
    const version = once(child.stdout, 'data');
    expect(await once(child, 'exit')).toEqual([7, null]);
    const [major, minor] = String((await version)[0])
      .slice(1)
      .split('.')
      .map(Number);
    expect((major ?? 0) * 1000 + (minor ?? 0)).toBeGreaterThanOrEqual(24_009);
  });

  it("gives Node the options that stand before the program's name, and the program those behind it", () => {
    const options = ['--no-build', '--max-semi-space-size=3', 'tools/fixtures/show-arguments.mjs', '--own'];
    const { stdout } = spawnSync(process.execPath, ['tools/bootstrap.mjs', ...options], { cwd: root, encoding: 'utf8' });
    expect(JSON.parse(stdout)).toEqual({ node: ['--max-semi-space-size=3'], program: ['--own'] });
  });

  it('passes a request to end on, waits for the program to drain, and ends as it does', async () => {
    const child = start('serve', '5');
    expect((await once(child.stdout, 'data'))[0]).toBe('ready\n');
    const draining = once(child.stdout, 'data');
    child.kill('SIGTERM');
    expect((await draining)[0]).toBe('draining\n');
    expect(await once(child, 'exit')).toEqual([5, null]);
  });
});

/** A clone with two packages, one of them a binary for machines such as this one, and an npm that installs what it is told to. */
describe('bootstrap of a clone', () => {
  const packages = {
    'node_modules/plain': { version: '1.0.0' },
    'node_modules/binary': { version: '2.0.0', optional: true, os: [process.platform], cpu: [process.arch] },
    'node_modules/foreign': { version: '3.0.0', optional: true, os: ['aix'], cpu: [process.arch] },
  };
  let clone: string;
  beforeEach(() => {
    clone = mkdtempSync(join(tmpdir(), 'switchyard-clone-'));
    cpSync(join(root, 'tools/bootstrap.mjs'), join(clone, 'tools/bootstrap.mjs'));
    write('package-lock.json', JSON.stringify({ packages }));
    write('program.mjs', "console.log('it runs');");
    npmInstalls('plain', 'binary');
  });
  afterEach(() => rmSync(clone, { recursive: true }));

  function write(file: string, content: string): void {
    mkdirSync(dirname(join(clone, file)), { recursive: true });
    writeFileSync(join(clone, file), content);
  }

  function install(...names: ('plain' | 'binary')[]): void {
    for (const name of names) write(`node_modules/${name}/package.json`, JSON.stringify({ version: packages[`node_modules/${name}`].version }));
  }

  function npmInstalls(...names: string[]): void {
    const made = names.map((name) => `mkdir -p node_modules/${name}; cp ready/${name}.json node_modules/${name}/package.json`);
    write('bin/npm', ['#!/bin/sh', 'rm -rf node_modules; mkdir node_modules', ...made, 'echo {} > node_modules/.package-lock.json', ''].join('\n'));
    chmodSync(join(clone, 'bin/npm'), 0o755);
    for (const name of ['plain', 'binary'] as const) write(`ready/${name}.json`, JSON.stringify({ version: packages[`node_modules/${name}`].version }));
  }

  function start(): { status: number | null; said: string } {
    const { npm_execpath: _npm, ...environment } = process.env;
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(clone, 'tools/bootstrap.mjs'), '--no-build', 'program.mjs'], {
      encoding: 'utf8',
      env: { ...environment, PATH: `${join(clone, 'bin')}:${process.env['PATH']}` },
    });
    return { status, said: stdout + stderr };
  }

  it('installs packages once', () => {
    expect(start()).toMatchObject({ status: 0, said: expect.stringContaining('Installing packages (once') });
    expect(start()).toEqual({ status: 0, said: 'it runs\n' });
  });

  it('takes packages that npm has installed before', () => {
    install('plain', 'binary');
    write('node_modules/.package-lock.json', '{}');
    expect(start()).toEqual({ status: 0, said: 'it runs\n' });
  });

  it('installs again what npm was killed over, although each package is there', () => {
    install('plain', 'binary');
    expect(start()).toMatchObject({ status: 0, said: expect.stringContaining('Installed packages') });
  });

  it('names a package for this machine that npm passed over, and tries again with the next start', () => {
    npmInstalls('plain');
    expect(start()).toMatchObject({ status: 1, said: expect.stringContaining('npm did not install binary, which this machine needs.') });
    npmInstalls('plain', 'binary');
    expect(start()).toMatchObject({ status: 0, said: expect.stringContaining('it runs') });
  });
});
