import { createServer } from 'node:net';

/** Below the ports that systems hand out for outgoing connections: a process that starts, or comes back, must find its port still free. */
const FIRST = 21_000;
const LAST = 29_000;

/** Hands out ports of this machine that are free now, each once. */
export class FreePorts {
  private next = FIRST + Math.floor(Math.random() * (LAST - FIRST));

  async take(): Promise<number> {
    for (let tries = 0; tries < LAST - FIRST; tries++) {
      const port = this.next++;
      if (this.next > LAST) this.next = FIRST;
      if (await isFree(port)) return port;
    }
    throw new Error(`No port between ${FIRST} and ${LAST} is free.`);
  }
}

/** One that is free now; far from what others were given, so that the ports after it are mostly free too. */
export function freePort(): Promise<number> {
  return new FreePorts().take();
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
