import { describe, expect, it } from '@jest/globals';
import type { Kafka, ProducerBatch, ProducerConfig } from 'kafkajs';
import { KafkaPublisher } from './kafka-publisher.js';

/** What the broker is asked for; one broker alone cannot show what it means. */
class AskedBroker {
  readonly producers: ProducerConfig[] = [];
  readonly batches: ProducerBatch[] = [];
  refusals = 0;

  readonly client = {
    producer: (config: ProducerConfig) => {
      this.producers.push(config);
      return {
        connect: async () => {},
        disconnect: async () => {},
        sendBatch: async (batch: ProducerBatch) => {
          this.batches.push(batch);
          if (this.refusals-- > 0) throw new Error('not enough replicas');
        },
      };
    },
  } as unknown as Kafka;
}

const EVENT = { topic: 'done', key: 'gen-1', value: '{}', headers: {} };

describe('what is published to Kafka', () => {
  it('is acknowledged by all replicas in sync, and counted once by the broker', async () => {
    const broker = new AskedBroker();
    await new KafkaPublisher(broker.client, 'test.').publish([EVENT]);
    expect(broker.batches).toMatchObject([{ acks: -1, topicMessages: [{ topic: 'test.done' }] }]);
    expect(broker.producers).toMatchObject([{ idempotent: true, maxInFlightRequests: 1 }]);
  });

  it('is not published when they are too few, and goes with a new producer next', async () => {
    const broker = new AskedBroker();
    broker.refusals = 1;
    const publisher = new KafkaPublisher(broker.client, '');
    await expect(publisher.publish([EVENT])).rejects.toThrow('not enough replicas');
    await publisher.publish([EVENT]);
    expect([broker.batches.length, broker.producers.length]).toEqual([2, 2]);
  });
});
