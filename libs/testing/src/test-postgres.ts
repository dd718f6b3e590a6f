import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { findPostgresProgram, temporaryFolder } from '@switchyard/db';
import pg from 'pg';
import { superviseServer } from './supervised-server.js';

export interface TestPostgres {
  /** Connection URL of a fresh, empty database. */
  readonly url: string;
  /** Drops the database, and with it whoever is still connected. */
  close(): Promise<void>;
}

const SUPERVISOR = fileURLToPath(new URL('../supervisors/postgres.mjs', import.meta.url));
const START_WITHIN_MS = 60_000;

/** A fresh database on a real Postgres. The server starts with the first call in a process and ends with the process. */
export async function startTestPostgres(): Promise<TestPostgres> {
  const adminUrl = await serverUrl();
  const name = `test_${randomBytes(8).toString('hex')}`;
  await runAsAdmin(adminUrl, `CREATE DATABASE ${name}`);
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return { url: url.href, close: () => runAsAdmin(adminUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
}

async function serverUrl(): Promise<string> {
  const { moduleUrl } = await findPostgresProgram();
  const scriptArguments = [moduleUrl, temporaryFolder()];
  const started: unknown = JSON.parse(await superviseServer({ kind: 'postgres', script: SUPERVISOR, scriptArguments, startWithinMs: START_WITHIN_MS }));
  if (typeof started !== 'object' || started === null || !('url' in started) || typeof started.url !== 'string')
    throw new Error('The test Postgres told no URL.');
  return started.url;
}

async function runAsAdmin(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
