import type { Kafka } from 'kafkajs';
import type { EventLog, EventRecord, SubscribeOptions, Subscription } from '../event-log.js';
import { KafkaAdmin, newKafkaClient, type KafkaConnectionOptions } from './kafka-client.js';
import { KafkaPublisher } from './kafka-publisher.js';
import { KafkaSubscription } from './kafka-subscription.js';

export interface KafkaEventLogOptions extends KafkaConnectionOptions {
  /** Partitions of topics that we create; default 12. Existing topics stay as they are. */
  readonly partitionCount?: number;
  /** Replicas of topics that we create; default: the broker's own default. */
  readonly replicationFactor?: number;
  /** In-sync replicas that must take a record of topics that we create; default: the broker's own default. */
  readonly minInsyncReplicas?: number;
  /** How long topics that we create keep events; default 7 days. */
  readonly retentionMs?: number;
  /** In front of all topic names, for brokers that several installations share. */
  readonly topicPrefix?: string;
}

const BROKER_DEFAULT = -1;
const DEFAULT_RETENTION_MS = 7 * 24 * 3_600_000;

/** The event log in Apache Kafka. It connects when it is first used, and again for ever. */
export class KafkaEventLog implements EventLog {
  private readonly client: Kafka;
  private readonly admin: KafkaAdmin;
  private readonly publisher: KafkaPublisher;
  private readonly topicPrefix: string;
  private readonly topics = new Map<string, Promise<void>>();
  private readonly subscriptions = new Map<KafkaSubscription, SubscribeOptions>();
  private readonly closing = new AbortController();

  constructor(private readonly options: KafkaEventLogOptions) {
    this.topicPrefix = options.topicPrefix ?? '';
    this.client = newKafkaClient(options);
    this.admin = new KafkaAdmin(this.client);
    this.publisher = new KafkaPublisher(this.client, this.topicPrefix);
  }

  async publish(records: readonly EventRecord[]): Promise<void> {
    if (this.closing.signal.aborted) throw new Error('The event log is closed.');
    if (records.length === 0) return;
    await Promise.all([...new Set(records.map((record) => record.topic))].map((topic) => this.ensureTopic(topic)));
    await this.publisher.publish(records);
  }

  async subscribe(subscribe: SubscribeOptions): Promise<Subscription> {
    if (this.closing.signal.aborted) throw new Error('The event log is closed.');
    const subscription = new KafkaSubscription({
      client: this.client,
      subscribe,
      topicPrefix: this.topicPrefix,
      logger: this.options.logger,
      prepare: () => this.prepareGroup(subscribe),
    });
    this.subscriptions.set(subscription, subscribe);
    await subscription.start();
    return { close: () => subscription.close() };
  }

  async lag(group: string): Promise<bigint> {
    return this.admin.use(async (admin) => {
      const known = [...this.subscriptions.values()].filter((options) => options.group === group).flatMap((options) => options.topics);
      await admin.listTopics();
      const committed = await admin.fetchOffsets({ groupId: group });
      const topics = new Set([...known.map((topic) => this.topicPrefix + topic), ...committed.map(({ topic }) => topic)]);
      let lag = 0n;
      for (const topic of topics) {
        const offsets = await admin.fetchOffsets({ groupId: group, topics: [topic] });
        const done = new Map(offsets.flatMap(({ partitions }) => partitions.map(({ partition, offset }) => [partition, BigInt(offset)] as const)));
        for (const { partition, low, high } of await admin.fetchTopicOffsets(topic)) {
          const next = done.get(partition) ?? -1n;
          lag += BigInt(high) - (next > BigInt(low) ? next : BigInt(low));
        }
      }
      return lag;
    });
  }

  async close(): Promise<void> {
    this.closing.abort();
    await Promise.all([...this.subscriptions.keys()].map((subscription) => subscription.close()));
    await this.publisher.close();
    await this.admin.close();
  }

  private async prepareGroup({ group, topics }: SubscribeOptions): Promise<void> {
    await Promise.all(topics.map((topic) => this.ensureTopic(topic)));
    // While the coordinator loads, a consumer would crash at once.
    await this.admin.useUntilReady(async (admin) => {
      await admin.listTopics();
      return admin.fetchOffsets({ groupId: group });
    }, this.closing.signal);
  }

  private ensureTopic(topic: string): Promise<void> {
    let ensured = this.topics.get(topic);
    if (ensured === undefined) {
      ensured = this.createIfMissing(this.topicPrefix + topic);
      this.topics.set(topic, ensured);
      ensured.catch(() => this.topics.delete(topic));
    }
    return ensured;
  }

  private async createIfMissing(topic: string): Promise<void> {
    const { partitionCount = 12, replicationFactor = BROKER_DEFAULT, minInsyncReplicas, retentionMs = DEFAULT_RETENTION_MS } = this.options;
    await this.admin.useUntilReady(async (admin) => {
      // Asked first: an installation's own account often may not create topics, and then finds them made.
      if ((await admin.listTopics()).includes(topic)) return;
      const configEntries = [{ name: 'retention.ms', value: String(retentionMs) }];
      if (minInsyncReplicas !== undefined) configEntries.push({ name: 'min.insync.replicas', value: String(minInsyncReplicas) });
      await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: partitionCount, replicationFactor, configEntries }] });
    }, this.closing.signal);
  }
}
