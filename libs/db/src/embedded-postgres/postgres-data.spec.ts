import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { placePostgresData } from './postgres-data.js';
import type { Surroundings } from './surroundings.js';

let top: string;
let mask: number;
let closed: string;
let home: string;
let asRoot: Surroundings;

beforeEach(() => {
  mask = process.umask(0o022);
  top = realpathSync(mkdtempSync(join(tmpdir(), 'switchyard-postgres-data-')));
  chmodSync(top, 0o755);
  closed = join(top, 'closed');
  home = join(closed, 'data');
  mkdirSync(home, { recursive: true });
  mkdirSync(join(top, 'shared'));
  asRoot = {
    isRoot: true,
    sharedParents: [join(top, 'shared')],
    closedFolder: (path) => (path.startsWith(closed) ? closed : undefined),
  };
});
afterEach(() => {
  process.umask(mask);
  rmSync(top, { recursive: true });
});

function makeCluster(folder: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'PG_VERSION'), '18\n');
}

describe('placePostgresData', () => {
  it('is the data folder itself where Postgres may enter it, and for users who are not root', async () => {
    expect(await placePostgresData(home, { ...asRoot, isRoot: false })).toEqual({ folder: join(home, 'postgres') });
    mkdirSync(join(top, 'open'));
    expect(await placePostgresData(join(top, 'open'), asRoot)).toEqual({ folder: join(top, 'open', 'postgres') });
    expect(existsSync(join(top, 'shared', 'switchyard'))).toBe(false);
  });

  it('does not take the place of a folder that is somebody else’s, and does that of an empty one', async () => {
    const notRoot = { ...asRoot, isRoot: false };
    mkdirSync(join(home, 'postgres'));
    expect(await placePostgresData(home, notRoot)).toEqual({ folder: join(home, 'postgres') });
    writeFileSync(join(home, 'postgres', 'init.sql'), 'CREATE TABLE precious ();\n');
    await expect(placePostgresData(home, notRoot)).rejects.toThrow(/postgres is in the way: .* Set SWITCHYARD_DATA_DIR to another folder/);
    makeCluster(join(home, 'postgres'));
    expect(await placePostgresData(home, notRoot)).toEqual({ folder: join(home, 'postgres') });
  });

  it('is a shared folder otherwise, which the data folder names and the next start finds', async () => {
    const first = await placePostgresData(home, asRoot);
    expect(first.closedFolder).toBe(closed);
    expect(first.folder.startsWith(join(top, 'shared', 'switchyard', 'data'))).toBe(true);
    expect(readFileSync(join(home, 'postgres.location'), 'utf8')).toBe(`${first.folder}\n`);
    makeCluster(first.folder);
    expect(await placePostgresData(home, asRoot)).toEqual(first);
    expect(existsSync(join(first.folder, 'PG_VERSION'))).toBe(true);
  });

  it('stays there when the data folder is opened later', async () => {
    const { folder } = await placePostgresData(home, asRoot);
    makeCluster(folder);
    expect((await placePostgresData(home, { ...asRoot, closedFolder: () => undefined })).folder).toBe(folder);
  });

  it('has a cluster moved that was made while the data folder was open, until that is done', async () => {
    makeCluster(join(home, 'postgres'));
    const { folder, movedFrom } = await placePostgresData(home, asRoot);
    expect(movedFrom).toBe(join(home, 'postgres'));
    expect(await placePostgresData(home, asRoot)).toMatchObject({ folder, movedFrom });
    renameSync(join(home, 'postgres'), folder);
    expect(await placePostgresData(home, asRoot)).toEqual({ folder, closedFolder: closed });
  });

  it('starts empty after the data folder was deleted', async () => {
    const { folder } = await placePostgresData(home, asRoot);
    makeCluster(folder);
    rmSync(home, { recursive: true });
    mkdirSync(home);
    expect((await placePostgresData(home, asRoot)).folder).toBe(folder);
    expect(existsSync(folder)).toBe(false);
  });

  it('keeps the cluster of a data folder that was moved, also from a new one in its old place', async () => {
    const { folder } = await placePostgresData(home, asRoot);
    makeCluster(folder);
    const moved = join(closed, 'moved');
    renameSync(home, moved);
    expect((await placePostgresData(moved, asRoot)).folder).toBe(folder);
    mkdirSync(home);
    expect((await placePostgresData(home, asRoot)).folder).not.toBe(folder);
    expect(existsSync(join(folder, 'PG_VERSION'))).toBe(true);
  });

  it('refuses to share a cluster with the data folder it was copied from', async () => {
    makeCluster((await placePostgresData(home, asRoot)).folder);
    cpSync(home, join(closed, 'copy'), { recursive: true });
    await expect(placePostgresData(join(closed, 'copy'), asRoot)).rejects.toThrow(`names the database of ${home}`);
  });

  it('says what to do when there is no place', async () => {
    await expect(placePostgresData(home, { ...asRoot, sharedParents: [join(top, 'missing')] })).rejects.toThrow('SWITCHYARD_DATABASE_URL');
  });
});
