import { crc32 } from 'node:zlib';
import { createClient, createPool } from '@switchyard/db';
import type { Logger } from '@switchyard/telemetry';
import type { Pool } from 'pg';
import type { EventLog, EventRecord, SubscribeOptions, Subscription } from '../event-log.js';
import { EVENT_LOG_SCHEMA } from './event-log.schema.js';
import { EventLogStore, type TopicInfo } from './event-log.store.js';
import { PostgresGroupMember } from './postgres-group-member.js';
import { PostgresSubscription } from './postgres-subscription.js';

export interface PostgresEventLogOptions {
  /** A database to which `EVENT_LOG_SCHEMA` was applied. Sessions are kept (LISTEN, session locks), so no transaction-pooling proxy in between. */
  readonly url: string;
  readonly logger: Logger;
  /** Partitions that a topic has at least; default 8. */
  readonly partitionCount?: number;
  /** Consumed events are kept this long, for a rebuild; default 7 days. */
  readonly retentionMs?: number;
  /** How long a consumer sleeps when nobody wakes it; default 500. */
  readonly pollIntervalMs?: number;
  /** Default 1 000. */
  readonly rebalanceIntervalMs?: number;
  /** A consumer that is silent for longer loses its partitions; default 10 000. */
  readonly memberTimeoutMs?: number;
  readonly applicationName?: string;
}

const TRIM_INTERVAL_MS = 60_000;
const TRIM_AT_MOST = 10_000;
const STATEMENT_TIMEOUT_MS = 10_000;
const DEFAULT_RETENTION_MS = 7 * 24 * 3_600_000;

/** The event log of a Switchyard without Kafka: small, and with the same promises. */
export class PostgresEventLog implements EventLog {
  private readonly pool: Pool;
  private readonly store: EventLogStore;
  private readonly topics = new Map<string, Promise<TopicInfo>>();
  private readonly subscriptions = new Set<PostgresSubscription>();
  private readonly trimTimer: NodeJS.Timeout;
  private isClosed = false;

  constructor(private readonly options: PostgresEventLogOptions) {
    this.pool = createPool(options.url, { ...this.connection(), max: 4 });
    this.store = new EventLogStore(this.pool);
    this.trimTimer = setInterval(() => void this.trim(), TRIM_INTERVAL_MS);
    this.trimTimer.unref();
  }

  async publish(records: readonly EventRecord[]): Promise<void> {
    if (records.length === 0) return;
    const counts = new Map<string, number>();
    for (const { topic } of records) if (!counts.has(topic)) counts.set(topic, (await this.topic(topic)).partitionCount);
    await this.store.append(
      records,
      records.map((record) => crc32(record.key) % counts.get(record.topic)!),
    );
  }

  async subscribe(subscribe: SubscribeOptions): Promise<Subscription> {
    const { logger, pollIntervalMs = 500, rebalanceIntervalMs = 1_000 } = this.options;
    const subscription = new PostgresSubscription({
      subscribe,
      store: this.store,
      logger,
      pollIntervalMs,
      rebalanceIntervalMs,
      newMember: (onWake) => this.newMember(subscribe, onWake),
    });
    await subscription.start();
    this.subscriptions.add(subscription);
    return subscription;
  }

  async lag(group: string): Promise<bigint> {
    return this.store.lag(group);
  }

  /** Deletes what all groups consumed and what is older than the retention; done by itself every minute. Answers how many. */
  async trim(): Promise<bigint> {
    try {
      return await this.store.trim(this.options.retentionMs ?? DEFAULT_RETENTION_MS, TRIM_AT_MOST);
    } catch (error) {
      if (!this.isClosed) this.options.logger.warn('Old events could not be trimmed.', { error });
      return 0n;
    }
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    clearInterval(this.trimTimer);
    await Promise.all([...this.subscriptions].map((subscription) => subscription.close()));
    await this.pool.end();
  }

  private async newMember(subscribe: SubscribeOptions, onWake: () => void): Promise<{ member: PostgresGroupMember; topicNames: ReadonlyMap<number, string> }> {
    const { memberTimeoutMs = 10_000 } = this.options;
    const topicNames = new Map<number, string>();
    for (const name of subscribe.topics) topicNames.set((await this.topic(name)).id, name);
    const member = new PostgresGroupMember({
      store: this.store,
      session: createClient(this.options.url, this.connection()),
      group: subscribe.group,
      topicIds: [...topicNames.keys()],
      heartbeatIntervalMs: Math.floor(memberTimeoutMs / 5),
      memberTimeoutMs,
      onWake,
    });
    return { member, topicNames };
  }

  private topic(name: string): Promise<TopicInfo> {
    let topic = this.topics.get(name);
    if (topic === undefined) {
      topic = this.store.ensureTopic(name, this.options.partitionCount ?? 8);
      this.topics.set(name, topic);
      topic.catch(() => this.topics.delete(name));
    }
    return topic;
  }

  private connection(): { schema: string; statementTimeoutMs: number; applicationName: string; logger: Logger } {
    const { applicationName = 'switchyard event log', logger } = this.options;
    return { schema: EVENT_LOG_SCHEMA.name, statementTimeoutMs: STATEMENT_TIMEOUT_MS, applicationName, logger };
  }
}
