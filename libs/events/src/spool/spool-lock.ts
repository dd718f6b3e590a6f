import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';

const LOCK_FILE = 'lock';

/** Who holds a folder. A process id alone says little: a restarted container has the same one. */
interface LockHolder {
  readonly pid: number;
  /** Tells apart two processes that had the same id; empty where the system does not say. */
  readonly startedAt: string;
  readonly token: string;
}

export interface SpoolLock {
  release(): void;
}

/** Takes the folder for this process, also from one that is dead. Undefined while a living process has it. */
export function tryLockFolder(folder: string): SpoolLock | undefined {
  const path = join(folder, LOCK_FILE);
  const own: LockHolder = { pid: process.pid, startedAt: processStart(process.pid), token: randomUUID() };
  if (!removeStaleLock(path)) return undefined;
  // Written aside and linked into place: whoever reads the lock sees all of it, and only one of several racers succeeds.
  const draft = `${path}.${own.token}`;
  writeFileSync(draft, JSON.stringify(own));
  try {
    linkSync(draft, path);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return undefined;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  return { release: () => releaseOwn(path, own) };
}

/** True when nothing is in the way any more. */
function removeStaleLock(path: string): boolean {
  const holder = readHolder(path);
  if (holder === undefined) return true;
  if (holder !== 'unreadable' && isAlive(holder)) return false;
  // Renaming moves exactly one file: of two that found it stale, the second must not take the first one's new lock away.
  const aside = `${path}.stale.${randomUUID()}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return true;
    throw error;
  }
  const moved = readHolder(aside);
  if (moved !== undefined && moved !== 'unreadable' && isAlive(moved)) {
    linkSync(aside, path);
    rmSync(aside, { force: true });
    return false;
  }
  rmSync(aside, { force: true });
  return true;
}

function releaseOwn(path: string, own: LockHolder): void {
  const holder = readHolder(path);
  if (holder !== undefined && holder !== 'unreadable' && holder.token === own.token) rmSync(path, { force: true });
}

function readHolder(path: string): LockHolder | 'unreadable' | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && 'pid' in parsed && typeof parsed.pid === 'number')
      return { startedAt: '', token: '', ...parsed } as LockHolder;
  } catch {
    // A lock that a power cut left half written belongs to nobody who lives.
  }
  return 'unreadable';
}

function isAlive(holder: LockHolder): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false;
  }
  return processStart(holder.pid) === holder.startedAt;
}

/** Boot id and start time in clock ticks, from Linux's proc file system; empty elsewhere. */
function processStart(pid: number): string {
  try {
    const afterName = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1) ?? '';
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${afterName.split(' ')[19] ?? ''}`;
  } catch {
    return '';
  }
}

export function codeOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
