import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { KeyPort, worker } from '@switchyard/proto';
import { eventually, TestAuthority, type TestCertificate } from '@switchyard/testing';
import { createPortClient, SessionPool, SessionServer, startPortServer, TlsFileError, TlsIdentity, type PortServer } from './index.js';
import { RecordingListener, ScriptedTransport } from './sessions/scripted-transport.fake.js';

const logger = { info: () => undefined, warn: () => undefined, error: () => undefined };
const SERVICE = 'billing.switchyard.test';
const keys = { resolveKey: () => Promise.resolve({ key: undefined, sequence: 7n }) };

let folder: string;
let authority: TestAuthority;
const closers: (() => unknown)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'switchyard-tls-'));
  authority = new TestAuthority();
});

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  rmSync(folder, { recursive: true });
});

/** Files of one process, in a folder of its own. */
function filesOf(owner: string, certificate: TestCertificate, ca: string): { certificateFile: string; keyFile: string; caFile: string } {
  const own = join(folder, owner);
  mkdirSync(own, { recursive: true });
  const files = { certificateFile: join(own, 'tls.crt'), keyFile: join(own, 'tls.key'), caFile: join(own, 'ca.crt') };
  writeFileSync(files.certificateFile, certificate.certificate);
  writeFileSync(files.keyFile, certificate.key, { mode: 0o600 });
  writeFileSync(files.caFile, ca);
  return files;
}

function identityOf(owner: string, certificate: TestCertificate, options: { ca?: string; serverName?: string | undefined } = {}): TlsIdentity {
  const { ca = authority.certificate, serverName } = options;
  const identity = new TlsIdentity({ ...filesOf(owner, certificate, ca), serverName, reloadMs: 20, logger });
  closers.push(() => identity.close());
  return identity;
}

async function serveKeys(tls: TlsIdentity | undefined): Promise<PortServer> {
  const ports = [{ port: KeyPort, implementation: keys }];
  const server = await startPortServer({ address: '127.0.0.1:0', ports, nativeHandlers: [], logger, nestLogger: false, tls });
  closers.push(() => server.close(0));
  return server;
}

function connect(server: PortServer, tls: TlsIdentity | undefined): KeyPort {
  const client = createPortClient(KeyPort, server.address, { tls, defaultTimeoutMs: 3_000 });
  closers.push(() => client.close());
  return client.port;
}

const ANSWERED = { sequence: 7n };
const REFUSED = { type: 'gateway_unavailable' };

describe('services with certificates', () => {
  it('call each other by address and verify the name they were told', async () => {
    const server = await serveKeys(identityOf('server', authority.issue({ names: [SERVICE] })));
    const client = connect(server, identityOf('client', authority.issue(), { serverName: SERVICE }));
    await expect(client.resolveKey({ secretHash: '' })).resolves.toMatchObject(ANSWERED);
  });

  it('verify the host that they dial when they were told no name', async () => {
    const server = await serveKeys(identityOf('server', authority.issue({ names: ['localhost'] })));
    const { port } = new URL(`tcp://${server.address}`);
    const client = createPortClient(KeyPort, `localhost:${port}`, { tls: identityOf('client', authority.issue()) });
    closers.push(() => client.close());
    await expect(client.port.resolveKey({ secretHash: '' })).resolves.toMatchObject(ANSWERED);
  });

  it('verify each of several hosts by its own name, and none by another', async () => {
    const serve = (host: string): Promise<PortServer> => serveKeys(identityOf(host, authority.issue({ names: [host] })));
    const connectTo = (servers: Readonly<Record<string, PortServer>>): KeyPort => {
      const names = Object.entries(servers).map(([host, { address }]) => `${host}:${new URL(`tcp://${address}`).port}`);
      const follow = { resolve: () => Promise.resolve(['127.0.0.1']) };
      const client = createPortClient(KeyPort, names, { tls: identityOf('client', authority.issue()), follow, defaultTimeoutMs: 3_000 });
      closers.push(() => client.close());
      return client.port;
    };
    const [first, second, other] = [await serve('one.test'), await serve('two.test'), await serve('other.test')];
    const client = connectTo({ 'one.test': first, 'two.test': second });
    await expect(client.resolveKey({ secretHash: '' })).resolves.toMatchObject(ANSWERED);
    await first.close(0);
    await eventually(() => expect(client.resolveKey({ secretHash: '' })).resolves.toMatchObject(ANSWERED));
    await expect(connectTo({ 'one.test': other, 'two.test': other }).resolveKey({ secretHash: '' })).rejects.toMatchObject(REFUSED);
  });

  it('answer nobody without a certificate, with one of a stranger, or in plain text', async () => {
    const server = await serveKeys(identityOf('server', authority.issue({ names: [SERVICE] })));
    await expect(connect(server, undefined).resolveKey({ secretHash: '' })).rejects.toMatchObject(REFUSED);
    const stranger = identityOf('stranger', new TestAuthority('Test authority').issue({ names: [SERVICE] }), { serverName: SERVICE });
    await expect(connect(server, stranger).resolveKey({ secretHash: '' })).rejects.toMatchObject(REFUSED);
    const expired = identityOf('expired', authority.issue({ expiresAt: new Date(Date.now() - 60_000) }), { serverName: SERVICE });
    await expect(connect(server, expired).resolveKey({ secretHash: '' })).rejects.toMatchObject(REFUSED);
  });

  it('trust no server of another name, of another authority, or in plain text', async () => {
    const client = () => identityOf('client', authority.issue(), { serverName: SERVICE });
    const misnamed = await serveKeys(identityOf('misnamed', authority.issue({ names: ['router.switchyard.test'] })));
    await expect(connect(misnamed, client()).resolveKey({ secretHash: '' })).rejects.toMatchObject(REFUSED);
    const foreign = new TestAuthority('Test authority');
    const impostor = await serveKeys(identityOf('impostor', foreign.issue({ names: [SERVICE] }), { ca: foreign.certificate }));
    await expect(connect(impostor, client()).resolveKey({ secretHash: '' })).rejects.toMatchObject(REFUSED);
    await expect(connect(await serveKeys(undefined), client()).resolveKey({ secretHash: '' })).rejects.toMatchObject(REFUSED);
  });

  it('carry sessions of attempts', async () => {
    const runner = new ScriptedTransport();
    const sessions = new SessionServer({ transport: runner, logger });
    const tls = identityOf('worker', authority.issue({ names: ['workers.test'] }));
    const nativeHandlers = [sessions.nativeGrpcService()];
    const server = await startPortServer({ address: '127.0.0.1:0', ports: [], nativeHandlers, logger, nestLogger: false, tls });
    closers.push(() => server.close(0));
    const { port } = new URL(`tcp://${server.address}`);
    const resolve = () => Promise.resolve(['127.0.0.1']);
    const open = async (identity: TlsIdentity | undefined): Promise<SessionPool> => {
      const pool = new SessionPool({ addresses: [`workers.test:${port}`], resolve, logger, tls: identity });
      closers.push(() => pool.close());
      await pool.open();
      return pool;
    };
    const stranger = await open(undefined);
    const pool = await open(identityOf('ingress', authority.issue()));
    await eventually(() => expect(pool.isReady).toBe(true));
    const listener = new RecordingListener();
    pool.start(worker.StartFrame.create({ generationId: 'a', initialGrantBytes: 65_536n }), listener);
    await eventually(() => expect(runner.attempts.has('a')).toBe(true));
    runner.get('a').produce([Buffer.from('secret words')]);
    await eventually(() => expect(listener.text).toBe('secret words'));
    expect(stranger.isReady).toBe(false);
  });
});

describe('files that are renewed', () => {
  it('serve new connections without a restart, and cut no open one', async () => {
    const old = authority.issue({ names: [SERVICE] });
    const serverIdentity = identityOf('server', old);
    const server = await serveKeys(serverIdentity);
    const before = connect(server, identityOf('before', authority.issue(), { serverName: SERVICE }));
    await expect(before.resolveKey({ secretHash: '' })).resolves.toMatchObject(ANSWERED);
    const next = new TestAuthority('Next authority');
    const later = new Date(Math.floor((Date.now() + 7_200_000) / 1000) * 1000);
    filesOf('server', next.issue({ names: [SERVICE], expiresAt: later }), authority.certificate + next.certificate);
    await eventually(() => expect(serverIdentity.validity.expiryTimeMs).toBe(later.getTime()));
    const after = connect(server, identityOf('after', next.issue(), { ca: next.certificate, serverName: SERVICE }));
    // The authorities are a file of their own, which may be read a moment later.
    await eventually(() => expect(after.resolveKey({ secretHash: '' })).resolves.toMatchObject(ANSWERED));
    await expect(before.resolveKey({ secretHash: '' })).resolves.toMatchObject(ANSWERED);
  });

  it('renew a client, too, whose next connection shows them', async () => {
    const next = new TestAuthority('Next authority');
    const server = await serveKeys(identityOf('server', next.issue({ names: [SERVICE] }), { ca: next.certificate }));
    const identity = identityOf('client', authority.issue(), { serverName: SERVICE });
    const client = connect(server, identity);
    await expect(client.resolveKey({ secretHash: '' })).rejects.toMatchObject(REFUSED);
    filesOf('client', next.issue(), next.certificate);
    await eventually(() => expect(client.resolveKey({ secretHash: '' })).resolves.toMatchObject(ANSWERED), { timeoutMs: 15_000 });
  });

  it('leave what was read in force while they do not belong together', async () => {
    const warnings: unknown[] = [];
    const files = filesOf('server', authority.issue({ names: [SERVICE] }), authority.certificate);
    const identity = new TlsIdentity({ ...files, reloadMs: 10, logger: { ...logger, warn: (_message, fields) => void warnings.push(fields?.['reason']) } });
    closers.push(() => identity.close());
    const server = await serveKeys(identity);
    writeFileSync(files.keyFile, authority.issue().key);
    await eventually(() => expect(warnings).toEqual([expect.stringMatching(/tls\.key does not belong to .*tls\.crt/)]));
    const client = connect(server, identityOf('client', authority.issue(), { serverName: SERVICE }));
    await expect(client.resolveKey({ secretHash: '' })).resolves.toMatchObject(ANSWERED);
  });
});

describe('files that cannot be used', () => {
  it.each([
    ['certificateFile', /no certificate/],
    ['keyFile', /does not belong to/],
    ['caFile', /no certificate/],
  ] as const)('are told by name: %s', (name, sentence) => {
    const files = filesOf('server', authority.issue(), authority.certificate);
    writeFileSync(files[name], 'nothing');
    const open = (): TlsIdentity => new TlsIdentity({ ...files, reloadMs: 1000, logger });
    expect(open).toThrow(TlsFileError);
    expect(open).toThrow(sentence);
    expect(open).toThrow(files[name]);
    rmSync(files[name]);
    expect(open).toThrow(`${files[name]} cannot be read: ENOENT`);
  });
});
