import { mkdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { ConfigError } from '@switchyard/config';
import type { Clock, RandomSource } from '@switchyard/core';
import { createPool, runMigrations, type DatabaseSchema } from '@switchyard/db';
import { EVENT_LOG_SCHEMA, PostgresEventLog, type EventLog } from '@switchyard/events';
import { PrometheusMetrics, registerProcessMetrics, type Logger, type Metrics } from '@switchyard/telemetry';
import type { Pool } from 'pg';
import type { PlatformConfig } from './platform.config.js';
import { retryWhileStarting } from './retry-while-starting.js';
import { systemClock, systemRandom } from './system-ports.js';

/** What the targets of one process share: database pools, the event log, clocks, metrics. All of it is made when first asked for and closed together. */
export class PlatformResources {
  readonly clock: Clock;
  readonly random: RandomSource = systemRandom();
  readonly metrics: Metrics = new PrometheusMetrics();
  readonly instanceId: string;
  private readonly processMetrics = registerProcessMetrics(this.metrics);
  private readonly pools = new Map<string, Pool>();
  private log: EventLog | undefined;

  constructor(
    readonly config: PlatformConfig,
    readonly logger: Logger,
  ) {
    this.clock = systemClock(config.clockOffsetMs);
    this.instanceId = `${hostname()}-${process.pid}`;
  }

  get eventLog(): EventLog {
    return (this.log ??= this.createEventLog());
  }

  pool(target: string, schema: DatabaseSchema | undefined): Pool {
    if (schema === undefined) throw new Error(`The target ${target} owns no schema, so it has no database`);
    let pool = this.pools.get(target);
    if (!pool) {
      const options = { schema: schema.name, max: this.config.databasePoolSize, applicationName: `switchyard ${target}`, logger: this.logger };
      pool = createPool(this.databaseUrl(`the target ${target} keeps its data there`), options);
      this.pools.set(target, pool);
    }
    return pool;
  }

  /** A folder of the target's own, created. */
  directory(target: string): string {
    const folder = join(resolve(this.config.dataDirectory), target);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return folder;
  }

  /** Brings schemas up to date, the event log's too when it lives in Postgres. Waits for a database that is still starting. */
  async migrate(schemas: readonly DatabaseSchema[]): Promise<void> {
    const all = this.config.kafkaBrokers.length > 0 ? schemas : [EVENT_LOG_SCHEMA, ...schemas];
    for (const schema of all) {
      const url = this.databaseUrl(`the schema ${schema.name} lives there`);
      const { applied } = await retryWhileStarting(() => runMigrations(url, schema), { timeoutMs: this.config.startTimeoutMs, logger: this.logger });
      if (applied.length > 0) this.logger.info('Migrated a schema', { schema: schema.name, names: applied });
    }
  }

  async close(): Promise<void> {
    this.processMetrics.close();
    await this.log?.close();
    await Promise.all([...this.pools.values()].map((pool) => pool.end()));
  }

  private createEventLog(): EventLog {
    const { kafkaBrokers } = this.config;
    if (kafkaBrokers.length > 0) throw new Error('Kafka is not available yet');
    return new PostgresEventLog({
      url: this.databaseUrl('without KAFKA_BROKERS the event log lives there'),
      logger: this.logger.child({ component: 'event-log' }),
    });
  }

  private databaseUrl(reason: string): string {
    const { databaseUrl } = this.config;
    if (databaseUrl === undefined) throw new ConfigError([{ env: 'SWITCHYARD_DATABASE_URL', message: `is required: ${reason}` }]);
    return databaseUrl;
  }
}
