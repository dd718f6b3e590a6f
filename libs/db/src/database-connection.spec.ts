import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually, startTestPostgres, TestAuthority, type TestCertificate, type TestPostgres } from '@switchyard/testing';
import { databaseUrlProblem, type DatabaseAddress } from './database-connection.js';
import { createClient, createPool } from './pool.js';
import { runMigrations } from './run-migrations.js';

describe('a connection to a Postgres with a certificate', () => {
  const authority = new TestAuthority();
  let folder: string;
  let postgres: TestPostgres;
  let caFile: string;
  let strangersFile: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'switchyard-database-tls-'));
    caFile = fileWith('ca.crt', authority.certificate);
    strangersFile = fileWith('strangers.crt', new TestAuthority().certificate);
    postgres = await startTestPostgres();
    await encrypt(postgres.url, authority.issue({ names: ['127.0.0.1'] }));
  }, 60_000);
  afterAll(async () => {
    await postgres.close();
    rmSync(folder, { recursive: true });
  });

  function fileWith(name: string, content: string): string {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  }

  function urlWith(parameters: Record<string, string>, host = '127.0.0.1'): string {
    const url = new URL(postgres.url);
    url.hostname = host;
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    return url.href;
  }

  /** Whether the server says that this connection is encrypted. */
  async function isEncrypted(address: DatabaseAddress): Promise<boolean> {
    const client = createClient(address);
    await client.connect();
    try {
      const { rows } = await client.query<{ ssl: boolean }>('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
      return rows[0]!.ssl;
    } finally {
      await client.end();
    }
  }

  it('is as its URL says: plain by default, encrypted, with the authority verified, with the name verified', async () => {
    expect(await isEncrypted(postgres.url)).toBe(false);
    expect(await isEncrypted(urlWith({ sslmode: 'disable' }))).toBe(false);
    expect(await isEncrypted(urlWith({ sslmode: 'require' }))).toBe(true);
    expect(await isEncrypted(urlWith({ sslmode: 'verify-ca', sslrootcert: caFile }))).toBe(true);
    expect(await isEncrypted(urlWith({ sslmode: 'verify-ca', sslrootcert: caFile }, 'localhost'))).toBe(true);
    expect(await isEncrypted(urlWith({ sslmode: 'verify-full', sslrootcert: caFile }))).toBe(true);
    expect(await isEncrypted({ url: postgres.url, caFile })).toBe(true);
  });

  it('is not made to a server that cannot prove itself', async () => {
    await expect(isEncrypted(urlWith({ sslmode: 'verify-full' }))).rejects.toThrow(/certificate|self-signed/);
    await expect(isEncrypted(urlWith({ sslmode: 'verify-full', sslrootcert: strangersFile }))).rejects.toThrow(/certificate/);
    await expect(isEncrypted(urlWith({ sslmode: 'require', sslrootcert: strangersFile }))).rejects.toThrow(/certificate/);
    await expect(isEncrypted({ url: urlWith({}, 'localhost'), caFile })).rejects.toThrow(/localhost/);
  });

  it('reads the authorities anew, and keeps them while their file is away', async () => {
    const path = fileWith('renewed.crt', new TestAuthority().certificate);
    const pool = createPool({ url: postgres.url, caFile: path });
    const answer = async (): Promise<unknown> => {
      const client = await pool.connect();
      client.release(true);
      return client;
    };
    await expect(answer()).rejects.toThrow(/certificate/);
    fileWith('renewed.crt', authority.certificate);
    await expect(answer()).resolves.toBeDefined();
    rmSync(path);
    await expect(answer()).resolves.toBeDefined();
    await pool.end();
  });

  it('serves migrations', async () => {
    await expect(runMigrations({ url: postgres.url, caFile }, { name: 'encrypted', migrations: [] })).resolves.toEqual({ applied: [] });
    await expect(runMigrations({ url: postgres.url, caFile: strangersFile }, { name: 'encrypted', migrations: [] })).rejects.toThrow(/certificate/);
  });
});

describe('a password in a file', () => {
  it('is read for every new connection, so that it may change while the process runs', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'switchyard-database-password-'));
    const postgres = await startTestPostgres();
    const admin = createPool(postgres.url);
    const role = `renewed_${Date.now()}`;
    const passwordFile = join(folder, 'password');
    const url = new URL(postgres.url);
    url.username = role;
    url.password = '';
    const pool = createPool({ url: url.href, passwordFile }, { max: 2 });
    const connectOnce = async (): Promise<void> => {
      const client = await pool.connect();
      client.release(true);
    };
    try {
      await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD 'first'`);
      await expect(connectOnce()).rejects.toThrow('ENOENT');
      writeFileSync(passwordFile, 'first\n');
      await connectOnce();
      await admin.query(`ALTER ROLE ${role} PASSWORD 'second'`);
      await expect(connectOnce()).rejects.toThrow(/password authentication failed/);
      writeFileSync(passwordFile, 'second\n');
      await connectOnce();
      await admin.query(`GRANT CREATE ON DATABASE ${new URL(postgres.url).pathname.slice(1)} TO ${role}`);
      await expect(runMigrations({ url: url.href, passwordFile }, { name: 'renewed', migrations: [] })).resolves.toEqual({ applied: [] });
    } finally {
      await pool.end();
      await admin.query(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`);
      await admin.end();
      await postgres.close();
      rmSync(folder, { recursive: true });
    }
  });
});

describe('the URL of a database', () => {
  it.each([
    ['mysql://host/db', 'must begin with postgres://'],
    ['postgres://user:p[a@host:port/db', 'is no URL: special characters of a password have to be written as %XX'],
    ['postgres://user:100%sure@host/db', 'is no URL: special characters of a password have to be written as %XX'],
    ['postgres://host/db?sslmode=prefer', 'must have one of disable, require, verify-ca, verify-full as sslmode, not prefer'],
    ['postgres://host/db?sslmode=verify-full&sslrootcert=/nowhere/ca.crt', 'names /nowhere/ca.crt as sslrootcert, which cannot be read: ENOENT'],
    ['postgres://host/db?sslmode=require&sslcert=/nowhere/me.crt', 'names /nowhere/me.crt as sslcert, which cannot be read: ENOENT'],
    ['postgres://host/db?sslmode=verify-full&sslrootcert=system', undefined],
    ['postgresql://user:p%5Ba@host/db?sslmode=verify-full', undefined],
  ])('%s: %s', (url, problem) => {
    expect(databaseUrlProblem(url)).toBe(problem);
  });

  it('may spell password, database and socket folder with special characters', async () => {
    const postgres = await startTestPostgres();
    const admin = createPool(postgres.url);
    const role = `spelled_${Date.now()}`;
    const password = 'p@ss:/w?rd#%';
    try {
      await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD '${password}'`);
      const url = new URL(postgres.url);
      url.username = role;
      url.password = encodeURIComponent(password);
      const pool = createPool(url.href);
      expect((await pool.query<{ name: string }>('SELECT current_user AS name')).rows).toEqual([{ name: role }]);
      await pool.end();
    } finally {
      await admin.query(`DROP ROLE ${role}`);
      await admin.end();
      await postgres.close();
    }
  });
});

/** Gives the running server a certificate; it goes on taking plain connections. The key has to be a file of its own user. */
async function encrypt(url: string, { certificate, key }: TestCertificate): Promise<void> {
  const pool = createPool(url);
  const write = (name: string, text: string): Promise<unknown> => {
    const lines = text
      .trim()
      .split('\n')
      .map((line) => `('${line}')`);
    return pool.query(`COPY (VALUES ${lines.join(',')}) TO PROGRAM 'umask 077; cat > ${name}'`);
  };
  await write('server.crt', certificate);
  await write('server.key', key);
  await pool.query('ALTER SYSTEM SET ssl = on');
  await pool.query('SELECT pg_reload_conf()');
  await eventually(async () => expect((await pool.query<{ ssl: string }>('SHOW ssl')).rows).toEqual([{ ssl: 'on' }]));
  await pool.end();
}
