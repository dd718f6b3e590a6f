import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SwitchyardError } from '@switchyard/errors';

/**
 * One quick start per data folder. A file left by a process that is gone does not count.
 * @returns what gives the folder free again.
 */
export function claimDataDirectory(dataDirectory: string): () => void {
  const path = join(dataDirectory, 'quickstart.pid');
  const owner = readOwner(path);
  if (owner !== undefined && isQuickstart(owner)) {
    throw new SwitchyardError(
      'conflict',
      `Switchyard runs in ${dataDirectory} already (process ${owner}). Stop it first, or choose another SWITCHYARD_DATA_DIR.`,
    );
  }
  writeFileSync(path, `${process.pid}\n`, { mode: 0o600 });
  return () => rmSync(path, { force: true });
}

function readOwner(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, 'utf8'));
    return Number.isInteger(pid) && pid > 1 && pid !== process.pid ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Process ids are used again: where the system tells command lines, only a quick start counts. */
function isQuickstart(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('quickstart');
  } catch {
    return process.platform !== 'linux';
  }
}
