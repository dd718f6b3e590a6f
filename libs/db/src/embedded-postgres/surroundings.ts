import { existsSync, lstatSync, mkdirSync, chmodSync, realpathSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';

/**
 * What decides where Postgres can be run from. It refuses to run as root; started by root it runs as the user `postgres`, who must get to its program and to
 * its data.
 */
export interface Surroundings {
  readonly isRoot: boolean;
  /** Where a folder of ours may be made when ours are closed to the user `postgres`; the first that will do. */
  readonly sharedParents: readonly string[];
  /** The nearest folder on the way to a path, itself included, that other users may not enter; undefined when all may. */
  closedFolder(path: string): string | undefined;
}

/** What other users need to enter a folder. */
const ENTER = 0o001;
const WRITTEN_BY_OTHERS = 0o022;
const STICKY = 0o1000;

export const thisMachine: Surroundings = {
  isRoot: process.getuid?.() === 0,
  sharedParents: ['/var/lib', '/var/tmp', '/tmp'],
  closedFolder,
};

/** The nearest folder on the way to a path, itself included, that other users may not enter. What does not exist yet is not asked. */
export function closedFolder(path: string): string | undefined {
  for (let current = realPath(path); ; current = dirname(current)) {
    const entry = statSync(current, { throwIfNoEntry: false });
    if (entry?.isDirectory() === true && (entry.mode & ENTER) === 0) return current;
    if (current === dirname(current)) return undefined;
  }
}

/** The path without symbolic links, whose own way may be closed; of a path that does not exist yet, as far as it does. */
export function realPath(path: string): string {
  if (existsSync(path) || path === dirname(path)) return realpathSync(path);
  return join(realPath(dirname(path)), basename(path));
}

/** The system's folder for temporary files, or one that the user `postgres` may enter. */
export function temporaryFolder(surroundings: Surroundings = thisMachine): string {
  const usual = realPath(tmpdir());
  if (!surroundings.isRoot || surroundings.closedFolder(usual) === undefined) return usual;
  const open = surroundings.sharedParents.toReversed().find((folder) => existsSync(folder) && surroundings.closedFolder(folder) === undefined);
  return open ?? usual;
}

/**
 * Does something in a folder below one of the shared parents, that all may enter and only we may change: programs are run from it as root, and in `/tmp`
 * anybody may have been there first.
 * @param name relative, without `..`.
 * @throws Error saying why none of the parents would do.
 */
export async function inSharedFolder<Result>(name: string, work: (folder: string) => Promise<Result>, surroundings: Surroundings): Promise<Result> {
  const reasons: string[] = [];
  for (const parent of surroundings.sharedParents) {
    try {
      checkParent(parent, surroundings);
      const folder = join('switchyard', name)
        .split('/')
        .reduce((outer, inner) => ownFolder(join(outer, inner)), parent);
      return await work(folder);
    } catch (error) {
      reasons.push(`${parent}: ${(error as Error).message}`);
    }
  }
  throw new Error(reasons.join('; '));
}

/** Whether only we may change what is in a folder. */
export function isOwnFolder(path: string): boolean {
  const entry = lstatSync(path, { throwIfNoEntry: false });
  return entry?.isDirectory() === true && (process.getuid === undefined || entry.uid === process.getuid()) && (entry.mode & WRITTEN_BY_OTHERS) === 0;
}

function checkParent(path: string, surroundings: Surroundings): void {
  const { mode, uid } = statSync(path);
  const closed = surroundings.closedFolder(path);
  if (closed !== undefined) throw new Error(`${closed} is closed to other users`);
  const isSafe = (mode & WRITTEN_BY_OTHERS) === 0 || (mode & STICKY) !== 0;
  if (!isSafe || ![0, process.getuid?.()].includes(uid)) throw new Error('others may change it');
}

function ownFolder(path: string): string {
  try {
    mkdirSync(path);
    // Whatever the mask for new files is.
    chmodSync(path, 0o755);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  if (!isOwnFolder(path) || (statSync(path).mode & ENTER) === 0) throw new Error(`${path} belongs to somebody else`);
  return path;
}
