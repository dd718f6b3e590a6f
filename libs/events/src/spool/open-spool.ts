import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@switchyard/telemetry';
import { FileSpool } from './file-spool.js';
import { RecoveredSpool } from './recovered-spool.js';
import { ADOPTED, listAdopted, looksLikeSpool, removeIfEmpty } from './spool-folders.js';
import { codeOf, tryLockFolder, type SpoolLock } from './spool-lock.js';
import { writeOwners } from './spool-owners.js';
import type { Spool, SpoolOptions } from './spool.js';

const LOCK_TRIES = 20;
const LOCK_PAUSE_MS = 100;

/**
 * Locks the folder, adopts what dead processes left in it and in the folders beside it, and begins to publish: first what is old. Throws when a living
 * process has the folder (waits two seconds and more for one that is going) or when it cannot be written.
 */
export async function openSpool(options: SpoolOptions): Promise<Spool> {
  const lock = await lockFolder(options.folder);
  try {
    await adoptAbandonedSpools(options.folder, options.logger);
    const own = new RecoveredSpool(options.folder, options.logger);
    const adopted = listAdopted(options.folder).map((folder) => new RecoveredSpool(folder, options.logger));
    if (options.owner !== undefined) writeOwners(options.folder, [...own.owners, options.owner.id]);
    const spool = new FileSpool(options, () => {
      lock.release();
      removeIfEmpty(options.folder);
    });
    spool.start(own.highestNumber + 1, [own, ...adopted]);
    return spool;
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function lockFolder(folder: string): Promise<SpoolLock> {
  for (let attempt = 1; attempt <= LOCK_TRIES; attempt++) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    try {
      const lock = await tryLockFolder(folder);
      lock?.beginToBeat();
      if (lock !== undefined) return lock;
    } catch (error) {
      // Another process has just adopted the folder, and it is made anew.
      if (codeOf(error) !== 'ENOENT') throw error;
    }
    await delay(LOCK_PAUSE_MS);
  }
  throw new Error(`The spool folder ${folder} belongs to another living process.`);
}

/** Moves sibling folders whose process is dead below our own folder, whole: a generation's records must not be torn apart. */
async function adoptAbandonedSpools(folder: string, logger: Logger): Promise<void> {
  const siblings = readdirSync(dirname(folder), { withFileTypes: true }).filter((entry) => entry.isDirectory() && entry.name !== basename(folder));
  // All at once: whether a process elsewhere is dead shows after seconds.
  await Promise.all(siblings.map(({ name }) => adoptIfAbandoned(name, folder, logger)));
}

async function adoptIfAbandoned(name: string, folder: string, logger: Logger): Promise<void> {
  const sibling = join(dirname(folder), name);
  try {
    if (!looksLikeSpool(sibling) || (await tryLockFolder(sibling)) === undefined) return;
    renameSync(sibling, join(folder, `${ADOPTED}${name}-${Date.now()}`));
    logger.warn('A spool that a dead process left was adopted.', { folder: name });
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}
