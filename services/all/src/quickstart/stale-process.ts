import { readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const PAUSE_MS = 50;

/** The process id in the first line of a file; undefined when there is none. */
export function readPidFile(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, 'utf8').split('\n')[0]);
    return Number.isInteger(pid) && pid > 1 && pid !== process.pid ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a process lives and its command line has this part. Process ids are used again, so where the system tells command lines nothing else counts. */
export function isRunning(pid: number, commandPart: string): boolean {
  if (!isAlive(pid)) return false;
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(commandPart);
  } catch {
    return process.platform !== 'linux';
  }
}

/** Whether a process has this folder as its working directory. Where the system does not tell, it has. */
export function isWorkingIn(pid: number, folder: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(folder);
  } catch {
    return process.platform !== 'linux';
  }
}

/** Ends what a killed predecessor left running: politely, and by force after the time. */
export async function endStaleProcess(pid: number, signal: NodeJS.Signals, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  send(pid, signal);
  while (isAlive(pid)) {
    if (performance.now() > deadline) send(pid, 'SIGKILL');
    await delay(PAUSE_MS);
  }
}

export function isAlive(pid: number): boolean {
  return send(pid, 0);
}

function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    // EPERM: it lives, and is not ours to touch.
    return signal === 0 && (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
