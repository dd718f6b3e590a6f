import pg from 'pg';
import type { DatabaseAddress } from './database-connection.js';
import { EndingClient } from './ending-client.js';
import type { Queryable } from './batch-insert.js';
import { MigrationError, type DatabaseSchema } from './migration.js';
import { createClient, requireSchemaName } from './pool.js';
import { isStatementCancelled } from './transaction.js';

export interface MigrationReport {
  /** Names of what this call applied, in order. */
  readonly applied: readonly string[];
}

export interface MigrationOptions {
  /** For another process that migrates; default as long as a migration may take. */
  readonly lockWaitMs?: number;
  /** Ends that wait. A migration that has begun goes on. */
  readonly signal?: AbortSignal;
}

export interface SchemaVersion {
  /** All migrations that this program knows are applied (newer ones of a later program may be too). */
  readonly isCurrent: boolean;
  readonly missing: readonly string[];
}

const MIGRATION_TABLE = 'schema_migration';
const MIGRATION_TIMEOUT_MS = 600_000;

/**
 * Creates the schema and applies what is missing, each migration in its own transaction. Replicas may race: one works, the others wait (for as long as a
 * migration may take) and then find nothing to do. A table that somebody reads for long is waited for a little at a time, so that the service goes on meanwhile. Migrations
 * of a later program, which this one does not know, are left alone.
 * @throws MigrationError; Error when another process keeps migrating
 */
export async function runMigrations(
  address: DatabaseAddress,
  schema: DatabaseSchema,
  { lockWaitMs = MIGRATION_TIMEOUT_MS, signal }: MigrationOptions = {},
): Promise<MigrationReport> {
  const name = requireSchemaName(schema.name);
  const lock = createClient(address, { applicationName: `switchyard migrate ${name}`, statementTimeoutMs: lockWaitMs });
  // A server that goes away ends it between two statements: the migration under way tells, and without a listener the process would end.
  lock.on('error', () => undefined);
  await lock.connect();
  try {
    await takeTurn(lock, name, signal);
    const before = new Set(await appliedNames(lock, name));
    if (before.size === 0) await requireEveryCharacter(lock);
    await lock.query(`CREATE SCHEMA IF NOT EXISTS ${name}`);
    if (missingFrom(before, schema).length === 0) return { applied: [] };
    // TypeORM is large, and most starts find nothing to do.
    const { applyMissing } = await import('./apply-missing.js');
    await applyMissing(address, schema, { tableName: MIGRATION_TABLE, timeoutMs: MIGRATION_TIMEOUT_MS });
    return { applied: (await appliedNames(lock, name)).filter((migration) => !before.has(migration)) };
  } finally {
    await lock.end();
  }
}

/** @throws Error when somebody else does not finish */
async function takeTurn(lock: pg.Client, schemaName: string, signal?: AbortSignal): Promise<void> {
  const giveUp = (): void => {
    if (lock instanceof EndingClient) lock.cut();
  };
  signal?.addEventListener('abort', giveUp);
  try {
    await lock.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [`switchyard migrations of ${schemaName}`]);
  } catch (error) {
    if (!isStatementCancelled(error)) throw error;
    throw new Error(`another process has been migrating the schema ${schemaName} all the while`, { cause: error });
  } finally {
    signal?.removeEventListener('abort', giveUp);
  }
}

/** Clients write in every script there is, and an event that a database cannot keep is never charged. @throws MigrationError */
async function requireEveryCharacter(client: Queryable): Promise<void> {
  const { rows } = await client.query<{ encoding: string }>(`SELECT current_setting('server_encoding') AS encoding`);
  const { encoding } = rows[0]!;
  // The latter takes all bytes as they come.
  if (encoding === 'UTF8' || encoding === 'SQL_ASCII') return;
  throw new MigrationError(`The database has the encoding ${encoding}, which lacks most characters; make one with ENCODING 'UTF8' and name that`);
}

/** What readiness asks: is the schema as new as this program? */
export async function readSchemaVersion(pool: pg.Pool, schema: DatabaseSchema): Promise<SchemaVersion> {
  const names = await appliedNames(pool, requireSchemaName(schema.name));
  const missing = missingFrom(new Set(names), schema);
  return { isCurrent: missing.length === 0, missing };
}

function missingFrom(applied: ReadonlySet<string>, schema: DatabaseSchema): string[] {
  return schema.migrations.map(migrationName).filter((name) => !applied.has(name));
}

async function appliedNames(client: Queryable, schemaName: string): Promise<string[]> {
  try {
    const { rows } = await client.query<{ name: string }>(`SELECT name FROM ${schemaName}.${MIGRATION_TABLE} ORDER BY "timestamp"`);
    return rows.map((row) => row.name);
  } catch (error) {
    if (error instanceof pg.DatabaseError && (error.code === '42P01' || error.code === '3F000')) return [];
    throw error;
  }
}

function migrationName(migration: DatabaseSchema['migrations'][number]): string {
  return new migration().name ?? migration.name;
}
