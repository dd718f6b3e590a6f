import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { findPostgresProgram, temporaryFolder } from '@switchyard/db';
import { eventually, freePort } from '@switchyard/testing';
import pg from 'pg';

const SUPERVISOR = join(import.meta.dirname, 'supervisors/archiving-postgres.mjs');
const WAIT = { timeoutMs: 60_000, intervalMs: 100 };

interface RunningServer {
  readonly child: ChildProcess;
  readonly url: string;
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** A Postgres as operators keep it: its log goes to an archive, from which, and a base backup, another server is made that ends at a moment of the past. */
export class ArchivingPostgres {
  private readonly folder = mkdtempSync(join(temporaryFolder(), 'switchyard-archiving-'));
  private server: RunningServer | undefined;
  private owner: Pick<RunningServer, 'uid' | 'gid'> | undefined;
  private restoreCount = 0;

  constructor() {
    // Started by root, Postgres becomes another user, who must be able to enter.
    chmodSync(this.folder, 0o755);
  }

  get url(): string {
    if (!this.server) throw new Error('No server runs.');
    return this.server.url;
  }

  async start(): Promise<void> {
    const { moduleUrl } = await findPostgresProgram();
    const order = {
      moduleUrl,
      temporaryFolder: temporaryFolder(),
      dataFolder: this.dataFolder,
      archiveFolder: join(this.folder, 'archive'),
      port: await freePort(),
    };
    const child = spawn(process.execPath, [SUPERVISOR, JSON.stringify(order)], { stdio: ['pipe', 'pipe', 'pipe'] });
    let log = '';
    child.stderr.on('data', (piece: Buffer) => (log = (log + piece.toString()).slice(-8_000)));
    const line = new Promise<string>((resolve) => createInterface({ input: child.stdout }).once('line', resolve));
    const answer = await Promise.race([line, once(child, 'exit').then(() => undefined)]);
    if (answer === undefined) throw new Error(`Postgres did not start:\n${log}`);
    this.server = { child, ...(JSON.parse(answer) as Omit<RunningServer, 'child'>) };
  }

  /** Copies the running server's folder, as `pg_basebackup` does. */
  async backUp(): Promise<void> {
    const { uid, gid } = this.server!;
    const client = await this.connect();
    try {
      await client.query(`SELECT pg_backup_start('base', true)`);
      cpSync(this.dataFolder, this.backupFolder, { recursive: true, filter: (path) => !/\/(postmaster\.(pid|opts)|pg_wal\/.+)$/.test(path) });
      const { rows } = await client.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop(false)');
      writeFileSync(join(this.backupFolder, 'backup_label'), rows[0]!.labelfile);
      this.owner = { uid, gid };
    } finally {
      await client.end();
    }
  }

  /** What the server's clock says now; when it resolves, all that was committed until then is in the archive. */
  async archiveUntilNow(): Promise<string> {
    const client = await this.connect();
    try {
      const { rows } = await client.query<{ now: string; segment: string }>(
        'SELECT clock_timestamp()::text AS now, pg_walfile_name(pg_current_wal_insert_lsn()) AS segment',
      );
      const { now, segment } = rows[0]!;
      // A commit after the target, which tells recovery that it is there.
      await client.query('SELECT txid_current()');
      await client.query('SELECT pg_switch_wal()');
      await eventually(() => {
        if (!existsSync(join(this.folder, 'archive', segment))) throw new Error('not archived yet');
      }, WAIT);
      return now;
    } finally {
      await client.end();
    }
  }

  /** Kills it and deletes its folder. */
  async lose(): Promise<void> {
    const { child, pid } = this.server!;
    process.kill(pid, 'SIGQUIT');
    await eventually(() => {
      if (isAlive(pid)) throw new Error('Postgres still runs');
    }, WAIT);
    await end(child);
    rmSync(this.dataFolder, { recursive: true });
    this.server = undefined;
  }

  /** A new server out of the backup and the archive, as of that moment. */
  async restore(time: string): Promise<void> {
    this.restoreCount++;
    cpSync(this.backupFolder, this.dataFolder, { recursive: true });
    writeFileSync(join(this.dataFolder, 'recovery.signal'), '');
    const settings = [`restore_command = 'cp ${join(this.folder, 'archive')}/%f %p'`, `recovery_target_time = '${time}'`, `recovery_target_action = 'promote'`];
    writeFileSync(join(this.dataFolder, 'postgresql.auto.conf'), `${settings.join('\n')}\n`);
    const { uid, gid } = this.owner!;
    chmodSync(this.dataFolder, 0o700);
    execFileSync('chown', ['-R', `${uid}:${gid}`, this.dataFolder]);
    await this.start();
    const client = await this.connect();
    try {
      await eventually(async () => {
        const { rows } = await client.query<{ recovering: boolean }>('SELECT pg_is_in_recovery() AS recovering');
        if (rows[0]!.recovering) throw new Error('still recovering');
      }, WAIT);
    } finally {
      await client.end();
    }
  }

  async close(): Promise<void> {
    if (this.server) await end(this.server.child);
    rmSync(this.folder, { recursive: true, force: true });
  }

  private get dataFolder(): string {
    return join(this.folder, `data-${this.restoreCount}`);
  }

  private get backupFolder(): string {
    return join(this.folder, 'backup');
  }

  private async connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.url });
    await client.connect();
    return client;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.stdin?.end();
  await ended;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
