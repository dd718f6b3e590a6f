import type { Kafka, Producer } from 'kafkajs';
import type { EventRecord } from '../event-log.js';
import { partitionOfKey } from './partition-of-key.js';

const ALL_IN_SYNC_REPLICAS = -1;
const BROKER_TIMEOUT_MS = 10_000;

/**
 * An idempotent producer that takes one request after the other: kafkajs numbers its batches correctly only so. After any failure it begins anew, because the
 * broker may have forgotten the old producer, or counts differently.
 */
export class KafkaPublisher {
  private producer: Promise<Producer> | undefined;
  private last: Promise<void> = Promise.resolve();
  private isClosed = false;

  constructor(
    private readonly client: Kafka,
    private readonly topicPrefix: string,
  ) {}

  publish(records: readonly EventRecord[]): Promise<void> {
    const sent = this.last.then(() => this.send(records));
    this.last = sent.catch(() => undefined);
    return sent;
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.last;
    await this.discard();
  }

  private async send(records: readonly EventRecord[]): Promise<void> {
    if (this.isClosed) throw new Error('The event log is closed.');
    const connected = (this.producer ??= this.connect());
    try {
      const producer = await connected;
      await producer.sendBatch({ acks: ALL_IN_SYNC_REPLICAS, timeout: BROKER_TIMEOUT_MS, topicMessages: this.byTopic(records) });
    } catch (error) {
      await this.discard();
      throw error;
    }
  }

  private byTopic(records: readonly EventRecord[]): { topic: string; messages: { key: string; value: string; headers: Record<string, string> }[] }[] {
    const topics = new Map<string, { key: string; value: string; headers: Record<string, string> }[]>();
    for (const { topic, key, value, headers } of records) {
      let messages = topics.get(topic);
      if (messages === undefined) topics.set(topic, (messages = []));
      messages.push({ key, value, headers });
    }
    return [...topics].map(([topic, messages]) => ({ topic: this.topicPrefix + topic, messages }));
  }

  private async connect(): Promise<Producer> {
    const producer = this.client.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner:
        () =>
        ({ partitionMetadata, message }) =>
          partitionOfKey(message.key as string, partitionMetadata.length),
      retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 3 },
    });
    await producer.connect();
    return producer;
  }

  private async discard(): Promise<void> {
    const { producer } = this;
    this.producer = undefined;
    await producer?.then((connected) => connected.disconnect()).catch(() => undefined);
  }
}
