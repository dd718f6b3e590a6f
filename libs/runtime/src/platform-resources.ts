import { createRequire } from 'node:module';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import type { Clock, RandomSource } from '@switchyard/core';
import { createPool, readSchemaVersion, runMigrations, type DatabaseSchema } from '@switchyard/db';
import { SwitchyardError } from '@switchyard/errors';
import { EVENT_LOG_SCHEMA, KafkaEventLog, PostgresEventLog, type EventLog } from '@switchyard/events';
import { PrometheusMetrics, registerProcessMetrics, startTracing, type Logger, type Metrics, type Tracing, type TracingConfig } from '@switchyard/telemetry';
import type { Pool } from 'pg';
import { databaseConnection, kafkaOptions } from './connection-settings.js';
import { makeFolder } from './make-folder.js';
import type { PlatformConfig } from './platform.config.js';
import { retryWhileAway } from './retry-while-away.js';
import { SchemaGate } from './schema-gate.js';
import { systemClock, systemRandom } from './system-ports.js';

const OWN_PACKAGE = createRequire(import.meta.url)('../package.json') as { readonly version: string };

/** What the targets of one process share: database pools, the event log, clocks, metrics. All of it is made when first asked for and closed together. */
export class PlatformResources {
  readonly clock: Clock;
  readonly random: RandomSource = systemRandom();
  readonly metrics: Metrics = new PrometheusMetrics();
  readonly instanceId: string;
  private readonly processMetrics = registerProcessMetrics(this.metrics);
  private readonly pools = new Map<string, Pool>();
  private log: EventLog | undefined;
  private tracingOrNone: Tracing | undefined;

  constructor(
    readonly config: PlatformConfig,
    readonly logger: Logger,
  ) {
    this.clock = systemClock(config.clockOffsetMs);
    this.instanceId = `${hostname()}-${process.pid}`;
  }

  /** Undefined where nothing is traced. */
  get tracing(): Tracing | undefined {
    return this.tracingOrNone;
  }

  async startTracing(config: TracingConfig): Promise<void> {
    const { clock, random, logger, metrics, instanceId } = this;
    this.tracingOrNone = await startTracing({ config, clock, random, logger, metrics, instanceId, version: OWN_PACKAGE.version });
  }

  get eventLog(): EventLog {
    return (this.log ??= this.createEventLog());
  }

  pool(target: string, schema: DatabaseSchema | undefined): Pool {
    if (schema === undefined) throw new Error(`The target ${target} owns no schema, so it has no database`);
    let pool = this.pools.get(target);
    if (!pool) {
      const options = { schema: schema.name, max: this.config.databasePoolSize, applicationName: `switchyard ${target}`, logger: this.logger };
      pool = createPool(databaseConnection(this.config, `the target ${target} keeps its data there`), options);
      this.pools.set(target, pool);
    }
    return pool;
  }

  /** A folder of the target's own, created. */
  directory(target: string): string {
    const folder = join(resolve(this.config.dataDirectory), target);
    makeFolder(folder, 0o700);
    return folder;
  }

  /** Brings schemas up to date, the event log's too when it lives in Postgres. Waits for a database that is away, for a bounded time. */
  async migrate(schemas: readonly DatabaseSchema[]): Promise<void> {
    for (const schema of [...this.eventLogSchemas, ...schemas]) {
      const database = databaseConnection(this.config, `the schema ${schema.name} lives there`);
      const { applied } = await retryWhileAway(() => runMigrations(database, schema), { timeoutMs: this.config.startTimeoutMs, logger: this.logger });
      if (applied.length > 0) this.logger.info('Migrated a schema', { schema: schema.name, names: applied });
    }
  }

  /** The event log's own, where it lives in Postgres. */
  get eventLogSchemas(): readonly DatabaseSchema[] {
    return this.config.kafkaBrokers.length > 0 ? [] : [EVENT_LOG_SCHEMA];
  }

  /** For commands, which do not wait. @throws SwitchyardError `precondition_failed` when a schema is older than this program */
  async requireSchemas(schemas: readonly DatabaseSchema[]): Promise<void> {
    for (const schema of schemas) {
      const pool = createPool(databaseConnection(this.config, `the schema ${schema.name} lives there`), { max: 1 });
      const { isCurrent, missing } = await readSchemaVersion(pool, schema).finally(() => pool.end());
      if (!isCurrent) throw new SwitchyardError('precondition_failed', `The schema ${schema.name} lacks ${missing.join(', ')}; run the command migrate first.`);
    }
  }

  /** Where a service waits for its schemas; undefined when it needs none. */
  schemaGate(schemas: readonly DatabaseSchema[]): SchemaGate | undefined {
    const { databaseUrl, migrateOnStart: migrates } = this.config;
    const needed = schemas.length > 0 || databaseUrl !== undefined ? [...this.eventLogSchemas, ...schemas] : [];
    const [first] = needed;
    if (first === undefined) return undefined;
    const database = databaseConnection(this.config, `the schema ${first.name} lives there`);
    return new SchemaGate({ schemas: needed, database, migrates, logger: this.logger });
  }

  async close(): Promise<void> {
    this.processMetrics.close();
    await this.log?.close();
    await Promise.all([...this.pools.values()].map((pool) => pool.end()));
    await this.tracingOrNone?.close();
  }

  private createEventLog(): EventLog {
    const logger = this.logger.child({ component: 'event-log' });
    if (this.config.kafkaBrokers.length > 0) return new KafkaEventLog(kafkaOptions(this.config, this.instanceId, logger));
    return new PostgresEventLog({ url: databaseConnection(this.config, 'without KAFKA_BROKERS the event log lives there'), logger });
  }
}
