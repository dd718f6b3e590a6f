import { createServer } from 'node:net';
import { SwitchyardError } from '@switchyard/errors';

const LOOPBACK = '127.0.0.1';

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
  return (await portRefusal(port, LOOPBACK)) === undefined;
}

/** Why a port cannot be had right now; undefined when it can. */
function portRefusal(port: number, host: string): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen(port, host, () => server.close(() => resolve(undefined)));
  });
}

const LAST_PORT = 65_535;

/** The system's words for an address that no interface has, and for a name without address. */
const NO_SUCH_ADDRESS: ReadonlySet<string | undefined> = new Set(['EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN']);

/** The port that was asked for, if it and those that follow can be had at this address. @throws SwitchyardError that says why not */
export async function requirePorts(first: number, count: number, host: string): Promise<number> {
  const choose = 'Choose another with SWITCHYARD_HTTP_PORT.';
  if (first + count - 1 > LAST_PORT) {
    throw new SwitchyardError('precondition_failed', `There are no ${count} ports from ${first} on: ${LAST_PORT} is the last. ${choose}`);
  }
  for (let port = first; port < first + count; port++) {
    const refusal = await portRefusal(port, host);
    if (NO_SUCH_ADDRESS.has(refusal?.code))
      throw new SwitchyardError('precondition_failed', `${host} is no address of this machine. Choose another with SWITCHYARD_HTTP_HOST.`);
    if (refusal?.code === 'EADDRINUSE') throw new SwitchyardError('conflict', `Port ${port} is in use. ${choose}`);
    if (refusal) throw new SwitchyardError('precondition_failed', `Port ${port} cannot be had: ${refusal.message}. ${choose}`);
  }
  return first;
}
