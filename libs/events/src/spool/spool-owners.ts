import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '@switchyard/telemetry';
import { Backoff } from '../backoff.js';
import { OWNERS_FILE } from './spool-folders.js';
import { codeOf } from './spool-lock.js';
import type { SpoolOwner } from './spool.js';

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 2_000;

/** Whose records a folder holds; none where nobody wants to know. */
export function readOwners(folder: string): readonly string[] {
  try {
    const parsed: unknown = JSON.parse(readFileSync(join(folder, OWNERS_FILE), 'utf8'));
    return Array.isArray(parsed) ? parsed.filter((id) => typeof id === 'string') : [];
  } catch (error) {
    // Half a file is what a power cut left.
    if (codeOf(error) === 'ENOENT' || error instanceof SyntaxError) return [];
    throw error;
  }
}

export function writeOwners(folder: string, owners: readonly string[]): void {
  const path = join(folder, OWNERS_FILE);
  if (owners.length === 0) {
    rmSync(path, { force: true });
    return;
  }
  const draft = `${path}.draft`;
  writeFileSync(draft, JSON.stringify(owners), { mode: 0o600, flush: true });
  renameSync(draft, path);
}

/** Tells that everything of these owners is in the log, for as long as it takes. False when there was no more time; it is then told again by the next process. */
export async function tellOwners(ids: readonly string[], owner: SpoolOwner, logger: Logger, signal: AbortSignal): Promise<boolean> {
  const backoff = new Backoff(FIRST_PAUSE_MS, MAX_PAUSE_MS);
  for (const id of ids) {
    for (let isTold = false; !isTold;) {
      if (signal.aborted) return false;
      try {
        await owner.onPublished(id);
        isTold = true;
        backoff.reset();
      } catch (error) {
        if (backoff.failureCount === 0) logger.warn('Nobody could be told yet that a spool was read to its end.', { error });
        await backoff.pause(signal);
      }
    }
  }
  return true;
}
