import { randomUUID } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { createClient, createPool, type DatabaseAddress } from '@switchyard/db';
import { SwitchyardError } from '@switchyard/errors';
import type { Logger } from '@switchyard/telemetry';
import type { Pool } from 'pg';
import type { ConsumedRecord, EventLog, EventRecord, PartitionProgress, SubscribeOptions, Subscription } from '../event-log.js';
import { EVENT_LOG_SCHEMA } from './event-log.schema.js';
import { EventLogStore, type PartitionBatch, type TopicInfo } from './event-log.store.js';
import { PostgresGroupMember } from './postgres-group-member.js';
import { PostgresSubscription } from './postgres-subscription.js';
import { RecentRecords } from './recent-records.js';

export interface PostgresEventLogOptions {
  /** A database to which `EVENT_LOG_SCHEMA` was applied. Sessions are kept (LISTEN, session locks), so no transaction-pooling proxy in between. */
  readonly url: DatabaseAddress;
  readonly logger: Logger;
  /** Partitions that a topic has at least; default 8. */
  readonly partitionCount?: number;
  /** Consumed events are kept this long, for a rebuild; default 7 days. */
  readonly retentionMs?: number;
  /** How long a consumer goes without asking the database when nobody tells it of new records; default 500. */
  readonly pollIntervalMs?: number;
  /** Default 1 000. */
  readonly rebalanceIntervalMs?: number;
  /** A consumer that is silent for longer loses its partitions; default 10 000. */
  readonly memberTimeoutMs?: number;
  readonly applicationName?: string;
}

/** Told of something new: `isForeign` unless it is what this process published. */
type OnWake = (isForeign: boolean) => void;

interface TopicBatch extends PartitionBatch {
  readonly topic: string;
  readonly records: EventRecord[];
}

const TRIM_INTERVAL_MS = 60_000;
/** Of a partition in one step, which keeps it from its publishers. */
const TRIM_AT_MOST = 10_000;
/** What is still too old then waits a minute: 1,600 records a second and partition are kept up with. */
const TRIM_STEPS = 10;
const STATEMENT_TIMEOUT_MS = 10_000;
const DEFAULT_MEMBER_TIMEOUT_MS = 10_000;
const DEFAULT_RETENTION_MS = 7 * 24 * 3_600_000;

/** The event log of a Switchyard without Kafka: small, and with the same promises. */
export class PostgresEventLog implements EventLog {
  private readonly pool: Pool;
  private readonly store: EventLogStore;
  private readonly topics = new Map<string, Promise<TopicInfo>>();
  private readonly knownTopics = new Map<string, TopicInfo>();
  private readonly subscriptions = new Set<PostgresSubscription>();
  private readonly recent = new RecentRecords();
  /** Tells our own records from those of other processes. */
  private readonly appender = randomUUID();
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
    const batches = await this.byPartition(records);
    const firstPositions = await this.store.append(batches, this.appender);
    const timeMs = Date.now();
    for (const [index, batch] of batches.entries()) this.remember(batch, firstPositions[index]!, timeMs);
    this.recent.ring();
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
      openReader: (topicIds, onAdd) => this.recent.openReader(topicIds, onAdd),
    });
    await subscription.start();
    this.subscriptions.add(subscription);
    return subscription;
  }

  async lag(group: string): Promise<bigint> {
    return this.store.lag(group);
  }

  async progress(group: string, topics: readonly string[]): Promise<readonly PartitionProgress[]> {
    return this.store.progress(group, topics);
  }

  async keptSinceMs(topics: readonly string[]): Promise<number> {
    return (await this.store.isTrimmed(topics)) ? Date.now() - (this.options.retentionMs ?? DEFAULT_RETENTION_MS) : 0;
  }

  async forgetGroup(group: string): Promise<void> {
    if (!(await this.store.forgetGroup(group, this.options.memberTimeoutMs ?? DEFAULT_MEMBER_TIMEOUT_MS)))
      throw new SwitchyardError('precondition_failed', `The group ${group} has consumers; stop them first.`);
  }

  /** Deletes what all groups consumed and what is older than the retention; done by itself every minute. Answers how many. */
  async trim(): Promise<bigint> {
    let trimmed = 0n;
    try {
      for (let step = 0; step < TRIM_STEPS && !this.isClosed; step++) {
        const count = await this.store.trim(this.options.retentionMs ?? DEFAULT_RETENTION_MS, TRIM_AT_MOST);
        trimmed += count;
        if (count < TRIM_AT_MOST) break;
      }
    } catch (error) {
      if (!this.isClosed) this.options.logger.warn('Old events could not be trimmed.', { error });
    }
    return trimmed;
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    clearInterval(this.trimTimer);
    await Promise.all([...this.subscriptions].map((subscription) => subscription.close()));
    await this.pool.end();
  }

  /** Partitions in the order in which everybody locks them. */
  private async byPartition(records: readonly EventRecord[]): Promise<TopicBatch[]> {
    const batches: TopicBatch[] = [];
    /** By partition. */
    const ofTopic = new Map<string, TopicBatch[]>();
    for (const record of records) {
      const { topic } = record;
      const { id, partitionCount } = this.knownTopics.get(topic) ?? (await this.topic(topic));
      const partition = crc32(record.key) % partitionCount;
      let ofPartition = ofTopic.get(topic);
      if (ofPartition === undefined) ofTopic.set(topic, (ofPartition = []));
      const batch = ofPartition[partition];
      if (batch === undefined) batches.push((ofPartition[partition] = { topicId: id, topic, partition, records: [record] }));
      else batch.records.push(record);
    }
    return batches.sort((left, right) => left.topicId - right.topicId || left.partition - right.partition);
  }

  private remember({ topicId, topic, partition, records }: TopicBatch, firstPosition: bigint, timeMs: number): void {
    if (!this.recent.isRead(topicId)) return;
    const consumed = records.map(({ key, value, headers, message }, index): ConsumedRecord => {
      const record = { topic, key, value, headers, partition, offset: firstPosition + BigInt(index), timeMs };
      return message === undefined ? record : { ...record, message };
    });
    this.recent.add(topicId, partition, firstPosition, consumed);
  }

  private async newMember(subscribe: SubscribeOptions, onWake: OnWake): Promise<{ member: PostgresGroupMember; topicNames: ReadonlyMap<number, string> }> {
    const { memberTimeoutMs = DEFAULT_MEMBER_TIMEOUT_MS } = this.options;
    const topicNames = new Map<number, string>();
    for (const name of subscribe.topics) topicNames.set((await this.topic(name)).id, name);
    const member = new PostgresGroupMember({
      store: this.store,
      session: createClient(this.options.url, this.connection()),
      group: subscribe.group,
      topicIds: [...topicNames.keys()],
      heartbeatIntervalMs: Math.floor(memberTimeoutMs / 5),
      memberTimeoutMs,
      onWake: (appender) => onWake(appender !== this.appender),
    });
    return { member, topicNames };
  }

  private topic(name: string): Promise<TopicInfo> {
    let topic = this.topics.get(name);
    if (topic === undefined) {
      topic = this.store.ensureTopic(name, this.options.partitionCount ?? 8);
      this.topics.set(name, topic);
      topic.then(
        (info) => this.knownTopics.set(name, info),
        () => this.topics.delete(name),
      );
    }
    return topic;
  }

  private connection(): { schema: string; statementTimeoutMs: number; applicationName: string; logger: Logger } {
    const { applicationName = 'switchyard event log', logger } = this.options;
    return { schema: EVENT_LOG_SCHEMA.name, statementTimeoutMs: STATEMENT_TIMEOUT_MS, applicationName, logger };
  }
}
