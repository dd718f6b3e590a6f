import { linkSync, readFileSync, readlinkSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { utimes } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const LOCK_FILE = 'lock';
const BEAT_MS = 500;
/** A holder elsewhere whose lock stays as it is for this long is dead. Looked at on our own clock, as its may differ. */
const SILENCE_MS = 5_000;
const LOOK_MS = 100;

/** Who holds a folder. A process id alone says little: a restarted container has the same one. */
interface LockHolder {
  readonly pid: number;
  /** Tells apart two processes that had the same id; empty where the system does not say. */
  readonly startedAt: string;
  /** Where the process id means something: another container has processes of its own. Undefined in locks of versions that did not say. */
  readonly place?: string;
  readonly token: string;
}

export interface SpoolLock {
  /** Tells processes elsewhere, which cannot see this one, that it lives. */
  beginToBeat(): void;
  release(): void;
}

/** Takes the folder for this process, also from one that is dead. Undefined while a living process has it. */
export async function tryLockFolder(folder: string): Promise<SpoolLock | undefined> {
  const path = join(folder, LOCK_FILE);
  const own: LockHolder = { pid: process.pid, startedAt: processStart(process.pid), place: ownPlace(), token: randomUUID() };
  if (!(await removeStaleLock(path))) return undefined;
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
  let beat: NodeJS.Timeout | undefined;
  return {
    beginToBeat: () => {
      beat = setInterval(() => void touch(path), BEAT_MS).unref();
    },
    release: () => {
      clearInterval(beat);
      releaseOwn(path, own);
    },
  };
}

async function touch(path: string): Promise<void> {
  const now = new Date();
  // A disk that refuses is told of where records are written.
  await utimes(path, now, now).catch(() => undefined);
}

/** True when nothing is in the way any more. */
async function removeStaleLock(path: string): Promise<boolean> {
  const holder = readHolder(path);
  if (holder === undefined) return true;
  if (holder !== 'unreadable' && (await isAlive(path, holder))) return false;
  // Renaming moves exactly one file: of two that found it stale, the second must not take the first one's new lock away.
  const aside = `${path}.stale.${randomUUID()}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return true;
    throw error;
  }
  const moved = readHolder(aside);
  if (moved !== undefined && moved !== 'unreadable' && (holder === 'unreadable' || moved.token !== holder.token)) {
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

async function isAlive(path: string, holder: LockHolder): Promise<boolean> {
  if (holder.place !== undefined && holder.place !== ownPlace()) return isBeating(path);
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false;
  }
  return processStart(holder.pid) === holder.startedAt;
}

async function isBeating(path: string): Promise<boolean> {
  const first = changeTimeMs(path);
  for (let waitedMs = 0; waitedMs < SILENCE_MS; waitedMs += LOOK_MS) {
    await delay(LOOK_MS);
    const last = changeTimeMs(path);
    if (last !== first) return last !== undefined;
  }
  return false;
}

/** Undefined when the lock is gone. */
function changeTimeMs(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs;
}

/** Boot id and namespace of process ids, from Linux's proc file system; empty elsewhere. */
function ownPlace(): string {
  try {
    return `${bootId()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return '';
  }
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** Boot id and start time in clock ticks, from Linux's proc file system; empty elsewhere. */
function processStart(pid: number): string {
  try {
    const afterName = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1) ?? '';
    return `${bootId()} ${afterName.split(' ')[19] ?? ''}`;
  } catch {
    return '';
  }
}

export function codeOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
