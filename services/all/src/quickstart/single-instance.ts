import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SwitchyardError } from '@switchyard/errors';
import { isRunning, readPidFile } from './stale-process.js';

/**
 * One quick start per data folder. A file left by a process that is gone does not count.
 * @returns what gives the folder free again.
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
  writeFileSync(path, `${process.pid}\n`, { mode: 0o600 });
  return () => rmSync(path, { force: true });
}
