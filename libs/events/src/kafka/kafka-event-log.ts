import { SwitchyardError } from '@switchyard/errors';
import kafkajs, { type Admin, type Kafka } from 'kafkajs';
import type { EventLog, EventRecord, PartitionProgress, SubscribeOptions, Subscription } from '../event-log.js';
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

  async progress(group: string, topics: readonly string[]): Promise<readonly PartitionProgress[]> {
    return this.admin.use(async (admin) => {
      const existing = new Set(await admin.listTopics());
      const partitions = topics
        .filter((topic) => existing.has(this.topicPrefix + topic))
        .map(async (topic) => {
          const name = this.topicPrefix + topic;
          const [committed, offsets] = await Promise.all([admin.fetchOffsets({ groupId: group, topics: [name] }), admin.fetchTopicOffsets(name)]);
          const done = new Map(committed.flatMap((each) => each.partitions.map(({ partition, offset }) => [partition, BigInt(offset)] as const)));
          return offsets.map(({ partition, low, high }) => progressOf(topic, partition, { low: BigInt(low), high: BigInt(high), done: done.get(partition) }));
        });
      return (await Promise.all(partitions)).flat();
    });
  }

  /** The topics' own retention counts, which need not be the one that we create topics with. */
  async keptSinceMs(topics: readonly string[]): Promise<number> {
    return this.admin.use(async (admin) => {
      const existing = new Set(await admin.listTopics());
      const since = topics.map((topic) => this.topicPrefix + topic).filter((name) => existing.has(name));
      return Math.max(0, ...(await Promise.all(since.map((name) => topicKeptSinceMs(admin, name)))));
    });
  }

  async forgetGroup(group: string): Promise<void> {
    await this.admin.use(async (admin) => {
      // The coordinator has to be known before it can be asked.
      await admin.fetchOffsets({ groupId: group });
      const { groups } = await admin.describeGroups([group]);
      const state = groups[0]?.state ?? 'Dead';
      if (state === 'Dead') return;
      if (state !== 'Empty') throw new SwitchyardError('precondition_failed', `The group ${group} has consumers; stop them first.`);
      await admin.deleteGroups([group]);
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

function progressOf(topic: string, partition: number, { low, high, done = -1n }: { low: bigint; high: bigint; done: bigint | undefined }): PartitionProgress {
  return { topic, partition, firstOffset: low, nextOffset: done > low ? done : low, endOffset: high };
}

async function topicKeptSinceMs(admin: Admin, name: string): Promise<number> {
  const offsets = await admin.fetchTopicOffsets(name);
  if (offsets.every(({ low }) => BigInt(low) === 0n)) return 0;
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name, configNames: ['retention.ms', 'retention.bytes'] }],
  });
  const settings = new Map(resources.flatMap(({ configEntries }) => configEntries.map((entry) => [entry.configName, Number(entry.configValue)] as const)));
  const [retentionMs = 0, retentionBytes = -1] = [settings.get('retention.ms'), settings.get('retention.bytes')];
  // Bounded by bytes too, nobody can say how far back it goes.
  if (retentionBytes >= 0) return Date.now();
  return retentionMs < 0 ? 0 : Date.now() - retentionMs;
}
