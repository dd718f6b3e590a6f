import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closedFolder, inSharedFolder, temporaryFolder, type Surroundings } from './surroundings.js';

let top: string;
let mask: number;
beforeEach(() => {
  mask = process.umask(0o022);
  top = realpathSync(mkdtempSync(join(tmpdir(), 'switchyard-surroundings-')));
  chmodSync(top, 0o755);
});
afterEach(() => {
  process.umask(mask);
  rmSync(top, { recursive: true });
});

const surroundings = (sharedParents: string[], closed: string[] = []): Surroundings => ({
  isRoot: true,
  sharedParents,
  closedFolder: (path) => closed.find((folder) => path === folder || path.startsWith(`${folder}/`)),
});

describe('closedFolder', () => {
  it('is the nearest folder that other users may not enter, above, or the path itself', () => {
    mkdirSync(join(top, 'private', 'open'), { recursive: true });
    chmodSync(join(top, 'private'), 0o750);
    expect(closedFolder(join(top, 'private', 'open', 'not', 'there', 'yet'))).toBe(join(top, 'private'));
    expect(closedFolder(join(top, 'private'))).toBe(join(top, 'private'));
    chmodSync(join(top, 'private'), 0o711);
    expect(closedFolder(join(top, 'private', 'open'))).not.toBe(join(top, 'private'));
  });

  it('follows a symbolic link to where the folder really is', () => {
    mkdirSync(join(top, 'private', 'data'), { recursive: true });
    chmodSync(join(top, 'private'), 0o700);
    symlinkSync(join(top, 'private', 'data'), join(top, 'data'));
    expect(closedFolder(join(top, 'data', 'postgres'))).toBe(join(top, 'private'));
  });
});

describe('inSharedFolder', () => {
  const folderOf = (sharedParents: string[], closed?: string[]): Promise<string> =>
    inSharedFolder('programs', (folder) => Promise.resolve(folder), surroundings(sharedParents, closed));

  it('takes the first parent that others may enter and may not change, and makes nothing in the rest', async () => {
    for (const name of ['closed', 'writable', 'good', 'next']) mkdirSync(join(top, name));
    chmodSync(join(top, 'writable'), 0o777);
    const parents = ['missing', 'closed', 'writable', 'good', 'next'].map((name) => join(top, name));
    expect(await folderOf(parents, [join(top, 'closed')])).toBe(join(top, 'good', 'switchyard', 'programs'));
    expect(statSync(join(top, 'good', 'switchyard', 'programs')).mode & 0o777).toBe(0o755);
    for (const name of ['closed', 'writable', 'next']) expect(existsSync(join(top, name, 'switchyard'))).toBe(false);
  });

  it('makes its folders open whatever mask is in force', async () => {
    process.umask(0o077);
    expect(statSync(await folderOf([top])).mode & 0o777).toBe(0o755);
  });

  it('does not use a folder that somebody else prepared', async () => {
    mkdirSync(join(top, 'elsewhere'));
    symlinkSync(join(top, 'elsewhere'), join(top, 'switchyard'));
    await expect(folderOf([top])).rejects.toThrow('belongs to somebody else');
    rmSync(join(top, 'switchyard'));
    mkdirSync(join(top, 'switchyard'));
    chmodSync(join(top, 'switchyard'), 0o777);
    await expect(folderOf([top])).rejects.toThrow('belongs to somebody else');
  });

  it('goes on to the next parent when the work fails, and tells every reason in the end', async () => {
    const parents = ['a', 'b'].map((name) => join(top, name));
    for (const parent of parents) mkdirSync(parent);
    const failIn = (place: string) => (folder: string) => (folder.startsWith(place) ? Promise.reject(new Error('disk full')) : Promise.resolve(folder));
    expect(await inSharedFolder('x', failIn(parents[0]!), surroundings(parents))).toBe(join(top, 'b', 'switchyard', 'x'));
    await expect(inSharedFolder('x', failIn(top), surroundings(parents))).rejects.toThrow(`${parents[0]}: disk full; ${parents[1]}: disk full`);
  });
});

describe('temporaryFolder', () => {
  it('is the usual one unless that is closed to the user that Postgres runs as', () => {
    const usual = realpathSync(tmpdir());
    expect(temporaryFolder(surroundings([top]))).toBe(usual);
    const closed: Surroundings = { isRoot: true, sharedParents: [top], closedFolder: (path) => (path === usual ? usual : undefined) };
    expect(temporaryFolder(closed)).toBe(top);
    expect(temporaryFolder({ ...closed, isRoot: false })).toBe(usual);
  });
});
