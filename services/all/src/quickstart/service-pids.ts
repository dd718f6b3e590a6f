import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { endStaleProcess, isRunning } from './stale-process.js';

/** Services of a killed quick start stop by themselves, but they may first try for a while to publish what is in their spools. */
const STALE_STOP_MS = 5000;

/** Notes which processes belong to the quick start in this folder. */
export function writeServicePids(dataDirectory: string, pids: readonly number[]): void {
  writeFileSync(pidFile(dataDirectory), JSON.stringify(pids));
}

export function removeServicePids(dataDirectory: string): void {
  rmSync(pidFile(dataDirectory), { force: true });
}

/** Ends the services that a killed quick start left: they hold its ports and spools. */
export async function endStaleServices(dataDirectory: string): Promise<void> {
  const stale = readServicePids(dataDirectory).filter((pid) => isRunning(pid, '--stop-with-parent'));
  await Promise.all(stale.map((pid) => endStaleProcess(pid, 'SIGTERM', STALE_STOP_MS)));
  removeServicePids(dataDirectory);
}

function readServicePids(dataDirectory: string): number[] {
  try {
    const pids: unknown = JSON.parse(readFileSync(pidFile(dataDirectory), 'utf8'));
    return Array.isArray(pids) ? pids.filter((pid) => Number.isInteger(pid) && pid > 1) : [];
  } catch {
    return [];
  }
}

function pidFile(dataDirectory: string): string {
  return join(dataDirectory, 'services.pids');
}
