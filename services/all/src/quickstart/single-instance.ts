import { rmSync, writeFileSync } from 'node:fs';
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
  const owner = readPidFile(path);
  if (owner !== undefined && isRunning(owner, 'quickstart')) {
    throw new SwitchyardError(
      'conflict',
      `Switchyard runs in ${dataDirectory} already (process ${owner}). Stop it first, or choose another SWITCHYARD_DATA_DIR.`,
    );
  }
  try {
    makeFolder(dataDirectory, 0o711);
    writeFileSync(path, `${process.pid}\n`, { mode: 0o600 });
  } catch (error) {
    const reason = (error as Error).message;
    throw new SwitchyardError('precondition_failed', `The data folder cannot be used: ${reason}. Choose another with SWITCHYARD_DATA_DIR.`, { cause: error });
  }
  return () => rmSync(path, { force: true });
}
