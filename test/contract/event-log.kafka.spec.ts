import { randomUUID } from 'node:crypto';
import { describe, expect, it, jest } from '@jest/globals';
import { KafkaEventLog } from '@switchyard/events';
import { captureLogger, eventually, startTestKafka } from '@switchyard/testing';
import { Kafka, logLevel } from 'kafkajs';
import { describeEventLog } from './event-log.contract.js';

// A killed broker takes half a minute to give its groups back.
jest.setTimeout(120_000);

describe('event log in Kafka', () => {
  describeEventLog(async () => {
    const kafka = await startTestKafka();
    return {
      topic: `contract-${randomUUID()}`,
      open: () =>
        new KafkaEventLog({ brokers: kafka.brokers, clientId: 'contract', logger: captureLogger(), partitionCount: 4, topicPrefix: kafka.topicPrefix }),
      interrupt: async () => kafka.restart?.(),
      close: async () => {},
    };
  });
});

describe('topics in Kafka', () => {
  it('are consumed by each installation of its own, where several share a broker', async () => {
    const { brokers, topicPrefix } = await startTestKafka();
    const topic = `shared-${randomUUID()}`;
    const seen = new Map<string, string[]>([
      ['one.', []],
      ['two.', []],
    ]);
    const logs = [...seen].map(([name, values]) => ({
      name,
      values,
      log: new KafkaEventLog({ brokers, clientId: 'contract', logger: captureLogger(), partitionCount: 2, topicPrefix: topicPrefix + name }),
    }));
    try {
      for (const { name, log } of logs)
        await log.publish(Array.from({ length: 6 }, (_, index) => ({ topic, key: `key-${index}`, value: `${name}${index}`, headers: {} })));
      for (const { values, log } of logs)
        await log.subscribe({
          group: 'group',
          topics: [topic],
          maxBatchSize: 10,
          handler: async (batch) => void values.push(...batch.map(({ value }) => value)),
        });
      for (const { name, values, log } of logs) {
        await eventually(() => expect([...values].sort()).toEqual(Array.from({ length: 6 }, (_, index) => `${name}${index}`)), { timeoutMs: 60_000 });
        await eventually(async () => expect(await log.lag('group')).toBe(0n), { timeoutMs: 60_000 });
      }
    } finally {
      await Promise.all(logs.map(({ log }) => log.close()));
    }
  });

  it('are taken to be whole only since the first record that is left, whatever their settings say', async () => {
    const { brokers, topicPrefix } = await startTestKafka();
    const admin = new Kafka({ clientId: 'contract-trim', brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
    const log = new KafkaEventLog({ brokers, clientId: 'contract', logger: captureLogger(), topicPrefix, partitionCount: 2 });
    const name = `trimmed-${randomUUID()}`;
    const publish = () => log.publish(Array.from({ length: 20 }, (_, index) => ({ topic: name, key: `key-${index}`, value: 'value', headers: {} })));
    try {
      await admin.connect();
      await publish();
      const first = await admin.fetchTopicOffsets(topicPrefix + name);
      const betweenMs = Date.now();
      await publish();
      const afterMs = Date.now();
      expect(await log.keptSinceMs([name])).toBe(0);

      await admin.deleteTopicRecords({ topic: topicPrefix + name, partitions: first.slice(0, 1).map(({ partition, high }) => ({ partition, offset: high })) });
      const sinceMs = await log.keptSinceMs([name]);
      expect(sinceMs).toBeGreaterThanOrEqual(betweenMs);
      expect(sinceMs).toBeLessThanOrEqual(afterMs);

      const { partition, high } = (await admin.fetchTopicOffsets(topicPrefix + name))[1]!;
      await admin.deleteTopicRecords({ topic: topicPrefix + name, partitions: [{ partition, offset: high }] });
      const emptiedMs = Date.now();
      expect(await log.keptSinceMs([name])).toBeGreaterThanOrEqual(emptiedMs);
    } finally {
      await Promise.all([admin.disconnect(), log.close()]);
    }
  });

  it('are made anew where a broker lost them, and what is published and consumed goes on', async () => {
    const { brokers, topicPrefix } = await startTestKafka();
    const admin = new Kafka({ clientId: 'contract-lost', brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
    const log = new KafkaEventLog({ brokers, clientId: 'contract', logger: captureLogger(), topicPrefix, partitionCount: 2 });
    const topic = `lost-${randomUUID()}`;
    const values: string[] = [];
    const publish = (value: string) => log.publish([{ topic, key: 'key', value, headers: {} }]);
    try {
      await admin.connect();
      await publish('before');
      await log.subscribe({
        group: 'group',
        topics: [topic],
        maxBatchSize: 10,
        handler: async (batch) => void values.push(...batch.map(({ value }) => value)),
      });
      await eventually(() => expect(values).toEqual(['before']), { timeoutMs: 60_000 });
      await admin.deleteTopics({ topics: [topicPrefix + topic] });
      await eventually(() => publish('after'), { timeoutMs: 60_000 });
      await eventually(() => expect(values).toContain('after'), { timeoutMs: 60_000 });
    } finally {
      await Promise.all([admin.disconnect(), log.close()]);
    }
  });
});
