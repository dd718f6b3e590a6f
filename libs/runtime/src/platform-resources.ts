import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { ConfigError } from '@switchyard/config';
import type { Clock, RandomSource } from '@switchyard/core';
import { createPool, runMigrations, type DatabaseSchema } from '@switchyard/db';
import { EVENT_LOG_SCHEMA, KafkaEventLog, PostgresEventLog, type EventLog, type KafkaEventLogOptions } from '@switchyard/events';
import { PrometheusMetrics, registerProcessMetrics, startTracing, type Logger, type Metrics, type Tracing, type TracingConfig } from '@switchyard/telemetry';
import type { Pool } from 'pg';
import type { PlatformConfig } from './platform.config.js';
import { retryWhileStarting } from './retry-while-starting.js';
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
    await this.tracingOrNone?.close();
  }

  private createEventLog(): EventLog {
    const logger = this.logger.child({ component: 'event-log' });
    if (this.config.kafkaBrokers.length > 0) return new KafkaEventLog(kafkaOptions(this.config, this.instanceId, logger));
    return new PostgresEventLog({ url: this.databaseUrl('without KAFKA_BROKERS the event log lives there'), logger });
  }

  private databaseUrl(reason: string): string {
    const { databaseUrl } = this.config;
    if (databaseUrl === undefined) throw new ConfigError([{ env: 'SWITCHYARD_DATABASE_URL', message: `is required: ${reason}` }]);
    return databaseUrl;
  }
}

function kafkaOptions(config: PlatformConfig, instanceId: string, logger: Logger): KafkaEventLogOptions {
  const { kafkaReplicationFactor, kafkaSaslMechanism: mechanism, kafkaUsername: username, kafkaPassword: password } = config;
  return {
    brokers: config.kafkaBrokers,
    clientId: `switchyard-${instanceId}`,
    logger,
    topicPrefix: config.kafkaTopicPrefix,
    partitionCount: config.kafkaPartitions,
    ssl: config.kafkaTls,
    ...(kafkaReplicationFactor === undefined ? {} : { replicationFactor: kafkaReplicationFactor }),
    ...(mechanism === undefined ? {} : { sasl: saslOptions(mechanism, username, password) }),
  };
}

/** One literal per mechanism: the client's type is a union of them. */
function saslOptions(
  mechanism: NonNullable<PlatformConfig['kafkaSaslMechanism']>,
  username: string,
  password: string,
): NonNullable<KafkaEventLogOptions['sasl']> {
  if (mechanism === 'plain') return { mechanism, username, password };
  return mechanism === 'scram-sha-256' ? { mechanism, username, password } : { mechanism, username, password };
}
