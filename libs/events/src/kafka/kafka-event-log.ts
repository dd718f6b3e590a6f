import { SwitchyardError } from '@switchyard/errors';
import kafkajs, { type Admin, type Kafka } from 'kafkajs';
import { endWithin, pauseFor } from '../backoff.js';
import type { ConsumedRecord, EventLog, EventRecord, PartitionProgress, SubscribeOptions, Subscription } from '../event-log.js';
import { KafkaAdmin, newKafkaClient, type KafkaConnectionOptions } from './kafka-client.js';
import { KafkaPublisher } from './kafka-publisher.js';
import { KafkaSubscription } from './kafka-subscription.js';

export interface KafkaEventLogOptions extends KafkaConnectionOptions {
  /** Partitions of topics that we create; default 12. Existing topics stay as they are. */
  readonly partitionCount?: number;
  /** Replicas of topics that we create; default: the broker's own default. */
  readonly replicationFactor?: number;
  /** In front of the names of all topics and consumer groups, for brokers that several installations share. */
  readonly topicPrefix?: string;
}

const BROKER_DEFAULT = -1;
/** Of topics that we create. */
const RETENTION_MS = 7 * 24 * 3_600_000;
const KEPT_SINCE_GROUP = 'switchyard.kept-since';
/** A broker that swallows everything is not waited for: what was published has been acknowledged. */
const CLOSE_WITHIN_MS = 5_000;
const FIRST_RECORDS_WITHIN_MS = 60_000;

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
    const topics = [...new Set(records.map((record) => record.topic))];
    await Promise.all(topics.map((topic) => this.ensureTopic(topic)));
    try {
      await this.publisher.publish(records);
    } catch (error) {
      if (isTopicMissing(error)) for (const topic of topics) this.topics.delete(topic);
      throw error;
    }
  }

  async subscribe(subscribe: SubscribeOptions): Promise<Subscription> {
    if (this.closing.signal.aborted) throw new Error('The event log is closed.');
    const subscription = new KafkaSubscription({
      client: this.client,
      subscribe,
      topicPrefix: this.topicPrefix,
      logger: this.options.logger,
      prepare: (signal) => this.prepareGroup(subscribe, signal),
    });
    this.subscriptions.set(subscription, subscribe);
    await subscription.start();
    return { close: () => subscription.close() };
  }

  async lag(group: string): Promise<bigint> {
    const groupId = this.topicPrefix + group;
    return this.admin.use(async (admin) => {
      const known = [...this.subscriptions.values()].filter((options) => options.group === group).flatMap((options) => options.topics);
      await admin.listTopics();
      const committed = await admin.fetchOffsets({ groupId });
      const topics = new Set([...known.map((topic) => this.topicPrefix + topic), ...committed.map(({ topic }) => topic)]);
      let lag = 0n;
      for (const topic of topics) {
        const offsets = await admin.fetchOffsets({ groupId, topics: [topic] });
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
    const groupId = this.topicPrefix + group;
    return this.admin.use(async (admin) => {
      const existing = new Set(await admin.listTopics());
      const partitions = topics
        .filter((topic) => existing.has(this.topicPrefix + topic))
        .map(async (topic) => {
          const name = this.topicPrefix + topic;
          const [committed, offsets] = await Promise.all([admin.fetchOffsets({ groupId, topics: [name] }), admin.fetchTopicOffsets(name)]);
          const done = new Map(committed.flatMap((each) => each.partitions.map(({ partition, offset }) => [partition, BigInt(offset)] as const)));
          return offsets.map(({ partition, low, high }) => progressOf(topic, partition, { low: BigInt(low), high: BigInt(high), done: done.get(partition) }));
        });
      return (await Promise.all(partitions)).flat();
    });
  }

  /**
   * The topics' own retention counts, which need not be the one that we create topics with, and so does the first record that is left: records may have been
   * deleted before the retention became what it is.
   */
  async keptSinceMs(topics: readonly string[]): Promise<number> {
    const trimmed = (await this.progress(KEPT_SINCE_GROUP, topics)).filter(({ firstOffset }) => firstOffset > 0n);
    if (trimmed.length === 0) return 0;
    const nowMs = Date.now();
    // Where nothing is left nobody can say what there was.
    if (trimmed.some(({ firstOffset, endOffset }) => firstOffset === endOffset)) return nowMs;
    const names = [...new Set(trimmed.map(({ topic }) => topic))];
    const retentions = await this.admin.use((admin) => Promise.all(names.map((name) => retentionMsOf(admin, this.topicPrefix + name))));
    return Math.max(nowMs - Math.min(nowMs, ...retentions), ...(await this.firstTimesMs(names, trimmed)));
  }

  async forgetGroup(group: string): Promise<void> {
    const groupId = this.topicPrefix + group;
    await this.admin.use(async (admin) => {
      // The coordinator has to be known before it can be asked.
      await admin.fetchOffsets({ groupId });
      const { groups } = await admin.describeGroups([groupId]);
      const state = groups[0]?.state ?? 'Dead';
      if (state === 'Dead') return;
      if (state !== 'Empty') throw new SwitchyardError('precondition_failed', `The group ${group} has consumers; stop them first.`);
      await admin.deleteGroups([groupId]);
    });
  }

  async close(): Promise<void> {
    this.closing.abort();
    await Promise.all([...this.subscriptions.keys()].map((subscription) => subscription.close()));
    await endWithin(Promise.all([this.publisher.close(), this.admin.close()]), CLOSE_WITHIN_MS);
  }

  /** When the first records that are left in these partitions were published. The broker's own search by time counts deleted records in, so they are read. */
  private async firstTimesMs(topics: readonly string[], partitions: readonly PartitionProgress[]): Promise<number[]> {
    const times = new Map<string, number>();
    const patience = new AbortController();
    const nameOf = ({ topic, partition }: { readonly topic: string; readonly partition: number }): string => `${topic} ${partition}`;
    await this.forgetGroup(KEPT_SINCE_GROUP);
    const handler = async (batch: readonly ConsumedRecord[]): Promise<void> => {
      for (const record of batch) if (!times.has(nameOf(record))) times.set(nameOf(record), record.timeMs);
      if (partitions.every((each) => times.has(nameOf(each)))) patience.abort();
    };
    const subscription = await this.subscribe({ group: KEPT_SINCE_GROUP, topics, maxBatchSize: 1_000, handler });
    try {
      await pauseFor(FIRST_RECORDS_WITHIN_MS, patience.signal);
    } finally {
      await subscription.close();
    }
    return partitions.map((each) => times.get(nameOf(each)) ?? Date.now());
  }

  private async prepareGroup({ group, topics }: SubscribeOptions, signal: AbortSignal): Promise<void> {
    const groupId = this.topicPrefix + group;
    // Also where they were there before: the broker may have lost them, with its disk.
    for (const topic of topics) this.topics.delete(topic);
    await Promise.all(topics.map((topic) => this.ensureTopic(topic)));
    // While the coordinator loads, a consumer would crash at once.
    await this.admin.useUntilReady(async (admin) => {
      await admin.listTopics();
      return admin.fetchOffsets({ groupId });
    }, signal);
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
    const { partitionCount = 12, replicationFactor = BROKER_DEFAULT } = this.options;
    await this.admin.useUntilReady(async (admin) => {
      // Asked first: an installation's own account often may not create topics, and then finds them made.
      if ((await admin.listTopics()).includes(topic)) return;
      const configEntries = [{ name: 'retention.ms', value: String(RETENTION_MS) }];
      await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: partitionCount, replicationFactor, configEntries }] });
    }, this.closing.signal);
  }
}

/** Under what kafkajs says of its own tries. */
function isTopicMissing(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return ('type' in error && error.type === 'UNKNOWN_TOPIC_OR_PARTITION') || isTopicMissing(error.cause);
}

function progressOf(topic: string, partition: number, { low, high, done = -1n }: { low: bigint; high: bigint; done: bigint | undefined }): PartitionProgress {
  return { topic, partition, firstOffset: low, nextOffset: done > low ? done : low, endOffset: high };
}

/** How far back a topic's settings let it go; without end where they do not say. */
async function retentionMsOf(admin: Admin, name: string): Promise<number> {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name, configNames: ['retention.ms', 'retention.bytes'] }],
  });
  const settings = new Map(resources.flatMap(({ configEntries }) => configEntries.map((entry) => [entry.configName, Number(entry.configValue)] as const)));
  const [retentionMs = 0, retentionBytes = -1] = [settings.get('retention.ms'), settings.get('retention.bytes')];
  // Bounded by bytes too, nobody can say how far back it goes.
  if (retentionBytes >= 0) return 0;
  return retentionMs < 0 ? Number.POSITIVE_INFINITY : retentionMs;
}
