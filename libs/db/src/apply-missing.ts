import { setTimeout as delay } from 'node:timers/promises';
import { DataSource, QueryFailedError, type Logger as TypeOrmLogger } from 'typeorm';
import { connectionConfig, type DatabaseAddress } from './database-connection.js';
import { EndingClient } from './ending-client.js';
import { MigrationError, type DatabaseSchema } from './migration.js';
import { serverOptions } from './pool.js';
import { isLockUnavailable } from './transaction.js';

/** A migration that fell silent between two statements. */
const IDLE_TIMEOUT_MS = 120_000;
/** Whoever uses a table waits behind a migration that waits for it. */
const TABLE_WAIT_MS = 2_000;
const PAUSE_MS = 3_000;

/** The caller logs what the report or the error says. */
const SILENT: TypeOrmLogger = { logQuery() {}, logQueryError() {}, logQuerySlow() {}, logSchemaBuild() {}, logMigration() {}, log() {} };

export interface ApplyOptions {
  /** Where the names of what was applied are kept, in the schema itself. */
  readonly tableName: string;
  /** For one statement of a migration, and in all for tables that others use. */
  readonly timeoutMs: number;
}

/** Applies what is missing, each migration in its own transaction, with TypeORM. Nobody else may do so meanwhile. @throws MigrationError */
export async function applyMissing(address: DatabaseAddress, schema: DatabaseSchema, { tableName, timeoutMs }: ApplyOptions): Promise<void> {
  const dataSource = new DataSource({
    type: 'postgres',
    schema: schema.name,
    applicationName: `switchyard migrate ${schema.name}`,
    poolSize: 1,
    migrations: [...schema.migrations],
    migrationsTableName: tableName,
    migrationsTransactionMode: 'each',
    installExtensions: false,
    logger: SILENT,
    extra: {
      ...connectionConfig(address),
      Client: EndingClient,
      options: serverOptions(schema.name),
      statement_timeout: timeoutMs,
      lock_timeout: TABLE_WAIT_MS,
      idle_in_transaction_session_timeout: IDLE_TIMEOUT_MS,
    },
  });
  await dataSource.initialize();
  try {
    await runWhenFree(dataSource, performance.now() + timeoutMs);
  } catch (error) {
    throw new MigrationError(`Migrating the schema ${schema.name} failed: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  } finally {
    await dataSource.destroy();
  }
}

/** Again and again from the migration that met a table in use, of which nothing is left. */
async function runWhenFree(dataSource: DataSource, untilMs: number): Promise<void> {
  for (;;) {
    try {
      await dataSource.runMigrations();
      return;
    } catch (error) {
      const isInUse = error instanceof QueryFailedError && isLockUnavailable(error.driverError);
      if (!isInUse || performance.now() + PAUSE_MS > untilMs) throw error;
    }
    await delay(PAUSE_MS);
  }
}
