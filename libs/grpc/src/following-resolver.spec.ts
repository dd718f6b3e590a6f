import { afterEach, describe, expect, it } from '@jest/globals';
import { KeyPort } from '@switchyard/proto';
import { eventually, freePort } from '@switchyard/testing';
import { createPortClient, startPortServer, type PortServer } from './index.js';

const logger = { error: () => undefined };
const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A replica that answers with its number. Replicas share a port, as pods do. */
async function serveReplica(host: string, port: number, sequence: bigint): Promise<PortServer> {
  const implementation = { resolveKey: () => Promise.resolve({ key: undefined, sequence }) };
  const ports = [{ port: KeyPort, implementation }];
  const server = await startPortServer({ address: `${host}:${port}`, ports, nativeHandlers: [], logger, nestLogger: false });
  closers.push(() => server.close(0));
  return server;
}

function connect(addresses: string | readonly string[], resolve: () => Promise<readonly string[]>): KeyPort {
  const client = createPortClient(KeyPort, addresses, { follow: { resolve, resolveIntervalMs: 20 }, defaultTimeoutMs: 2_000 });
  closers.push(() => client.close());
  return client.port;
}

/** How many of 60 calls each replica answered. */
async function shares(port: KeyPort): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let call = 0; call < 60; call++) {
    const { sequence } = await port.resolveKey({ secretHash: '' });
    counts[String(sequence)] = (counts[String(sequence)] ?? 0) + 1;
  }
  return counts;
}

describe('a client of a name', () => {
  // Where a system has one loopback address, the others have to be added to it: `ifconfig lo0 alias 127.0.0.2`.
  const hosts = ['127.0.0.1', '127.0.0.2', '127.0.0.3'];

  it('spreads its calls over replicas that are added while it runs, and leaves those that are taken away', async () => {
    const port = await freePort();
    const replicas = [await serveReplica(hosts[0]!, port, 0n)];
    let addresses = hosts.slice(0, 1);
    const client = connect(`billing.test:${port}`, () => Promise.resolve(addresses));
    expect(await shares(client)).toEqual({ 0: 60 });
    for (const index of [1, 2]) replicas.push(await serveReplica(hosts[index]!, port, BigInt(index)));
    addresses = hosts;
    await eventually(async () => expect(await shares(client)).toEqual({ 0: 20, 1: 20, 2: 20 }));
    addresses = hosts.slice(2);
    await eventually(async () => expect(await shares(client)).toEqual({ 2: 60 }));
    for (const replica of replicas.slice(0, 2)) await replica.close(0);
    expect(await shares(client)).toEqual({ 2: 60 });
  });

  it('asks at once when a replica vanished, and fails no call of those that follow', async () => {
    const port = await freePort();
    const first = await serveReplica(hosts[0]!, port, 0n);
    let addresses = hosts.slice(0, 1);
    const lookups: number[] = [];
    const client = createPortClient(KeyPort, `billing.test:${port}`, {
      // Long, so that only the broken connection can be the reason.
      follow: { resolve: () => Promise.resolve(lookups.push(Date.now())).then(() => addresses), resolveIntervalMs: 60_000 },
    });
    closers.push(() => client.close());
    expect(await shares(client.port)).toEqual({ 0: 60 });
    await serveReplica(hosts[1]!, port, 1n);
    addresses = hosts.slice(1, 2);
    await first.close(0);
    await eventually(async () => expect(await shares(client.port)).toEqual({ 1: 60 }));
  });

  it('takes several names and addresses together', async () => {
    const port = await freePort();
    for (const index of [0, 1, 2]) await serveReplica(hosts[index]!, port, BigInt(index));
    const client = connect([`${hosts[0]!}:${port}`, `others.test:${port}`], () => Promise.resolve(hosts.slice(1)));
    await eventually(async () => expect(await shares(client)).toEqual({ 0: 20, 1: 20, 2: 20 }));
  });
});

describe('a name that does not resolve', () => {
  it('keeps its addresses', async () => {
    const port = await freePort();
    await serveReplica('127.0.0.1', port, 0n);
    let lookups = 0;
    const client = connect(`billing.test:${port}`, () => (lookups++ === 0 ? Promise.resolve(['127.0.0.1']) : Promise.reject(new Error('SERVFAIL'))));
    expect(await shares(client)).toEqual({ 0: 60 });
    await eventually(() => expect(lookups).toBeGreaterThan(3));
    expect(await shares(client)).toEqual({ 0: 60 });
  });

  it('fails calls at once while it never did, and serves them once it does', async () => {
    const port = await freePort();
    await serveReplica('127.0.0.1', port, 0n);
    let isKnown = false;
    const client = connect(`billing.test:${port}`, () => (isKnown ? Promise.resolve(['127.0.0.1']) : Promise.reject(new Error('ENOTFOUND'))));
    await expect(client.resolveKey({ secretHash: '' })).rejects.toMatchObject({ type: 'gateway_unavailable' });
    isKnown = true;
    await eventually(() => expect(client.resolveKey({ secretHash: '' })).resolves.toMatchObject({ sequence: 0n }));
  });
});
