import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Below the ports that systems hand out for outgoing connections: a process that starts, or comes back, must find its port still free. */
const FIRST = 21_000;
const LAST = 29_000;

/** Who was handed which port: suites run beside each other, and what one keeps for a process that is to come back is free for a while. */
const CLAIMS = join(tmpdir(), 'switchyard-test-ports');

/** Hands out ports of this machine that are free now and kept for no other running test, each once. */
export class FreePorts {
  private next = FIRST + Math.floor(Math.random() * (LAST - FIRST));

  take(): Promise<number> {
    return this.takeRun(1);
  }

  /** So many, one after the other, as the ingresses of one platform have them: the first of them. */
  async takeRun(count: number): Promise<number> {
    for (let length = 0, tries = 0; tries < LAST - FIRST; tries++) {
      const port = this.next++;
      if (this.next > LAST) this.next = FIRST;
      length = claim(port) && (await isFree(port)) ? length + 1 : 0;
      if (length === count) return port - count + 1;
      if (port === LAST) length = 0;
    }
    throw new Error(`No ${count} ports in a row between ${FIRST} and ${LAST} are free.`);
  }
}

export function freePort(): Promise<number> {
  return new FreePorts().take();
}

/** The first of so many, one after the other. */
export function freePortRun(count: number): Promise<number> {
  return new FreePorts().takeRun(count);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** False when a process that lives was handed the port. */
function claim(port: number): boolean {
  const file = join(CLAIMS, String(port));
  mkdirSync(CLAIMS, { recursive: true });
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch {
    if (lives(ownerOf(file))) return false;
    rmSync(file, { force: true });
    return claim(port);
  }
}

/** Undefined while it is being written, or was just removed. */
function ownerOf(file: string): number | undefined {
  try {
    return Number(readFileSync(file, 'utf8')) || undefined;
  } catch {
    return undefined;
  }
}

function lives(processId: number | undefined): boolean {
  if (processId === undefined) return true;
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
