import { setTimeout as delay } from 'node:timers/promises';
import { createPool, MigrationError, readSchemaVersion, runMigrations, type DatabaseConnection, type DatabaseSchema } from '@switchyard/db';
import { isStorageAway } from '@switchyard/grpc';
import type { Logger } from '@switchyard/telemetry';
import type { ReadinessCheck, ReadinessState } from './target.js';

export interface SchemaGateOptions {
  readonly schemas: readonly DatabaseSchema[];
  readonly database: DatabaseConnection;
  /** Brings the schemas up to date itself instead of waiting for somebody who does. */
  readonly migrates: boolean;
  readonly logger: Logger;
}

const PAUSE_MS = 500;
const PASSED: ReadinessState = { ready: true };

/**
 * Where a starting service waits until its database is there and its schemas are at least as new as the program. It waits for as long as it takes: a
 * process that ended would only be started again.
 */
export class SchemaGate {
  private readonly states = new Map<string, ReadinessState>();
  private complaint: string | undefined;

  constructor(private readonly options: SchemaGateOptions) {
    for (const { name } of options.schemas) this.states.set(name, { ready: false, detail: `the schema ${name} was not looked at yet` });
  }

  get checks(): readonly ReadinessCheck[] {
    return this.options.schemas.map(({ name }) => ({ name, check: () => this.states.get(name)! }));
  }

  /** @throws MigrationError, which no waiting mends; what the signal was aborted with */
  async pass(signal: AbortSignal): Promise<void> {
    for (const schema of this.options.schemas) {
      for (let reason = await this.tryPass(schema, signal); reason !== undefined; reason = await this.tryPass(schema, signal)) {
        this.complain(schema, reason);
        signal.throwIfAborted();
        await delay(PAUSE_MS, undefined, { signal });
      }
      this.states.set(schema.name, PASSED);
    }
  }

  /** Why the schema cannot be used yet. */
  private async tryPass(schema: DatabaseSchema, signal: AbortSignal): Promise<string | undefined> {
    try {
      return await this.lookAt(schema, signal);
    } catch (error) {
      if (error instanceof MigrationError && !isDatabaseAway(error)) throw error;
      return `the schema ${schema.name} cannot be looked at: ${reasonOf(error)}`;
    }
  }

  private async lookAt(schema: DatabaseSchema, signal: AbortSignal): Promise<string | undefined> {
    const pool = createPool(this.options.database, { max: 1, applicationName: `switchyard start ${schema.name}` });
    try {
      const { isCurrent, missing } = await readSchemaVersion(pool, schema);
      if (isCurrent) return undefined;
      const lack = `the schema ${schema.name} lacks ${missing.join(', ')}`;
      if (!this.options.migrates) return `${lack}: it waits for the command migrate`;
      this.states.set(schema.name, { ready: false, detail: `${lack}: it is being migrated` });
    } finally {
      await pool.end();
    }
    const { applied } = await runMigrations(this.options.database, schema, { signal });
    if (applied.length > 0) this.options.logger.info('Migrated a schema', { schema: schema.name, names: applied });
    return undefined;
  }

  private complain({ name }: DatabaseSchema, detail: string): void {
    this.states.set(name, { ready: false, detail });
    if (this.complaint === detail) return;
    this.complaint = detail;
    this.options.logger.warn('Waiting for the database', { schema: name, reason: detail });
  }
}

/** Also in the middle of a migration. */
export function isDatabaseAway(error: unknown): boolean {
  return isStorageAway(error instanceof MigrationError ? error.cause : error);
}

export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return [...new Set(error.errors.map(reasonOf))].join('; ');
  return error instanceof Error ? error.message : String(error);
}
