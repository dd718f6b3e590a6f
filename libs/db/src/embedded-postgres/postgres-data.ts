import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { inSharedFolder, isOwnFolder, realPath, thisMachine, type Surroundings } from './surroundings.js';

export interface PostgresData {
  /** Where the cluster is or is to be. */
  readonly folder: string;
  /** Set when that is elsewhere: the folder that is, or was, closed to the user `postgres`. */
  readonly closedFolder?: string;
  /** A cluster that was made when all users might still enter its folder; to be moved to `folder` if there is none yet. */
  readonly movedFrom?: string;
}

const CLUSTER = 'postgres';
/** In the data folder; says where its cluster is. */
const LOCATION = 'postgres.location';
/** Beside a cluster that is elsewhere; says whose it is. */
const OWNER = 'data-folder';

/**
 * Where the cluster of a data folder is: in it, or, for root and where the user `postgres` may not enter it, in a shared folder that `postgres.location` in
 * the data folder names.
 * @param dataDirectory exists.
 * @throws Error when there is no place, when the usual one holds something else, or when the data folder is a copy of another that still uses its cluster.
 */
export async function placePostgresData(dataDirectory: string, surroundings: Surroundings = thisMachine): Promise<PostgresData> {
  const home = realPath(dataDirectory);
  const usual = join(home, CLUSTER);
  const closed = surroundings.isRoot ? surroundings.closedFolder(home) : undefined;
  const elsewhere = { closedFolder: closed ?? home, ...(isCluster(usual) && { movedFrom: usual }) };
  const named = await namedPlace(home);
  if (named !== undefined) return { folder: named, ...elsewhere };
  if (closed === undefined) return { folder: requireOurs(usual) };
  try {
    return { folder: await inSharedFolder('data', (shared) => occupy(shared, home), surroundings), ...elsewhere };
  } catch (error) {
    throw new Error(
      `Postgres does not run as root, its own user may not enter ${closed}, and there is no other place for its data (${(error as Error).message}). ` +
        'Start as another user, or set SWITCHYARD_DATA_DIR to a folder that all users may enter, or set SWITCHYARD_DATABASE_URL.',
      { cause: error },
    );
  }
}

function isCluster(folder: string): boolean {
  return existsSync(join(folder, 'PG_VERSION'));
}

/** A folder of this name that is somebody else's must not give way to a cluster. */
function requireOurs(folder: string): string {
  if (isCluster(folder) || !existsSync(folder) || (statSync(folder).isDirectory() && readdirSync(folder).length === 0)) return folder;
  throw new Error(`${folder} is in the way: it is no database of Switchyard. Set SWITCHYARD_DATA_DIR to another folder, or move what is in it.`);
}

/** The place that the data folder names, if that is still there. A data folder that was moved takes its cluster along. */
async function namedPlace(home: string): Promise<string | undefined> {
  const folder = readLine(join(home, LOCATION));
  if (folder === undefined || !isOwnFolder(dirname(folder))) return undefined;
  const user = userOf(dirname(folder));
  if (user !== undefined && user !== home) {
    throw new Error(
      `${join(home, LOCATION)} names the database of ${user}, from which it seems to be copied. Remove that file to start with an empty database.`,
    );
  }
  await writeWhole(join(dirname(folder), OWNER), home);
  return folder;
}

async function occupy(shared: string, home: string): Promise<string> {
  const usual = join(shared, idOf(home));
  const place = userOf(usual) === undefined ? usual : `${usual}-${randomBytes(4).toString('hex')}`;
  const folder = join(place, CLUSTER);
  // What is in it belonged to a data folder of this name that was deleted.
  await rm(place, { recursive: true, force: true });
  await mkdir(place);
  await chmod(place, 0o711);
  await writeWhole(join(place, OWNER), home);
  await writeWhole(join(home, LOCATION), folder);
  return folder;
}

/** The data folder that uses a place now. */
function userOf(place: string): string | undefined {
  const owner = readLine(join(place, OWNER));
  return owner !== undefined && readLine(join(owner, LOCATION)) === join(place, CLUSTER) ? owner : undefined;
}

/** The same folder name on another file system, such as one that is not mounted at the moment, is another data folder. */
function idOf(home: string): string {
  return createHash('sha256')
    .update(`${statSync(home).dev}\n${home}`)
    .digest('hex')
    .slice(0, 16);
}

function readLine(path: string): string | undefined {
  const line = existsSync(path) ? readFileSync(path, 'utf8').trim() : '';
  return line === '' ? undefined : line;
}

async function writeWhole(path: string, line: string): Promise<void> {
  await writeFile(`${path}.partial`, `${line}\n`);
  await rename(`${path}.partial`, path);
}
