import { describe } from '@jest/globals';
import { DAY_MS } from '@switchyard/core';
import { TOPICS } from '@switchyard/events';
import { startTestKafka, startTestPostgres } from '@switchyard/testing';
import { Kafka, logLevel } from 'kafkajs';
import { trimmedEventLogSuite } from './trimmed-event-log.suite.js';

describe('analytics that is rebuilt from a log in Kafka that was trimmed', () => {
  trimmedEventLogSuite(async () => {
    const [postgres, { brokers, topicPrefix }] = [await startTestPostgres(), await startTestKafka()];
    const client = new Kafka({ clientId: 'trimmed-event-log', brokers: [...brokers], logLevel: logLevel.NOTHING });
    const [admin, producer] = [client.admin(), client.producer()];
    await Promise.all([admin.connect(), producer.connect()]);
    const topic = topicPrefix + TOPICS.generationCompleted;
    // Kept for longer than the records will be: so it is where the time was made longer after records had gone.
    const configEntries = [{ name: 'retention.ms', value: String(365 * DAY_MS) }];
    await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 1, configEntries }] });
    return {
      environment: { SWITCHYARD_DATABASE_URL: postgres.url, KAFKA_BROKERS: brokers.join(','), SWITCHYARD_KAFKA_TOPIC_PREFIX: topicPrefix },
      databaseUrl: postgres.url,
      publishAt: async ({ key, value, headers }, timeMs) =>
        void (await producer.send({ topic, messages: [{ key, value, headers, timestamp: String(timeMs) }] })),
      trim: async () => admin.deleteTopicRecords({ topic, partitions: await admin.fetchTopicOffsetsByTimestamp(topic, Date.now() - 7 * DAY_MS) }),
      close: async () => {
        await Promise.all([admin.disconnect(), producer.disconnect()]);
        await postgres.close();
      },
    };
  });
});
