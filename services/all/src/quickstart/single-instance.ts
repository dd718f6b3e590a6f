import { linkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SwitchyardError } from '@switchyard/errors';
import { makeFolder } from '@switchyard/runtime';
import { isRunning, readPidFile } from './stale-process.js';

/**
 * One quick start per data folder, which is made where it is missing. A file left by a process that is gone does not count.
 * @returns what gives the folder free again.
 * @throws SwitchyardError `conflict`, or `precondition_failed` when the folder cannot be written
 */
export function claimDataDirectory(dataDirectory: string): () => void {
  const path = join(dataDirectory, 'quickstart.pid');
  try {
    makeFolder(dataDirectory, 0o711);
    while (!takePlace(path)) setAsideStale(path, dataDirectory);
  } catch (error) {
    if (error instanceof SwitchyardError) throw error;
    const reason = (error as Error).message;
    throw new SwitchyardError('precondition_failed', `The data folder cannot be used: ${reason}. Choose another with SWITCHYARD_DATA_DIR.`, { cause: error });
  }
  return () => rmSync(path, { force: true });
}

/** Written aside and linked into place: of several that begin at once only one succeeds, and whoever looks sees all of it. */
function takePlace(path: string): boolean {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${process.pid}\n`, { mode: 0o600 });
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft);
  }
}

/** @throws SwitchyardError `conflict` when whoever has the place lives */
function setAsideStale(path: string, dataDirectory: string): void {
  refuseIfRunning(path, dataDirectory);
  const aside = `${path}.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  // Another that found it stale may have taken the place meanwhile, and gets it back.
  try {
    refuseIfRunning(aside, dataDirectory);
  } catch (error) {
    renameSync(aside, path);
    throw error;
  }
  rmSync(aside);
}

function refuseIfRunning(path: string, dataDirectory: string): void {
  const owner = readPidFile(path);
  if (owner === undefined || !isRunning(owner, 'quickstart')) return;
  throw new SwitchyardError(
    'conflict',
    `Switchyard runs in ${dataDirectory} already (process ${owner}). Stop it first, or choose another SWITCHYARD_DATA_DIR.`,
  );
}
