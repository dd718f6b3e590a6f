import { createServer, type AddressInfo } from 'node:net';

const HOST = '127.0.0.1';

/**
 * Below the ports that systems hand out for outgoing connections: a service that binds its port seconds after it was chosen must find it still free.
 */
const FIRST = 10_000;
const LAST = 20_999;

/** One after the other from anywhere, so that two platforms that start at once hardly meet. */
let next = FIRST + Math.floor(Math.random() * (LAST - FIRST + 1));

/** A port that is free on loopback right now; this process is given each once. */
export function freePort(): Promise<number> {
  return freePortRun(1);
}

/** The first of so many such ports, one after the other. */
export async function freePortRun(count: number): Promise<number> {
  for (let length = 0, tries = FIRST; tries <= LAST; tries++) {
    const port = next;
    next = port === LAST ? FIRST : port + 1;
    length = (await isPortFree(port)) ? length + 1 : 0;
    if (length === count) return port - count + 1;
    if (port === LAST) length = 0;
  }
  throw new Error(`No ${count} ports in a row between ${FIRST} and ${LAST} are free`);
}

export async function isPortFree(port: number): Promise<boolean> {
  return (await tryPort(port)) !== undefined;
}

function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, HOST, () => {
      const bound = (server.address() as AddressInfo).port;
      server.close(() => resolve(bound));
    });
  });
}
