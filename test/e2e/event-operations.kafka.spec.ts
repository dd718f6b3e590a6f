import { describe } from '@jest/globals';
import { KafkaEventLog } from '@switchyard/events';
import { captureLogger, startTestKafka, startTestPostgres } from '@switchyard/testing';
import { eventOperationsSuite } from './event-operations.suite.js';

describe('events in Kafka', () => {
  eventOperationsSuite(async () => {
    const [postgres, kafka] = [await startTestPostgres(), await startTestKafka()];
    const { brokers, topicPrefix } = kafka;
    const eventLog = new KafkaEventLog({ brokers, clientId: 'event-operations', logger: captureLogger(), topicPrefix });
    return {
      environment: { SWITCHYARD_DATABASE_URL: postgres.url, KAFKA_BROKERS: brokers.join(','), SWITCHYARD_KAFKA_TOPIC_PREFIX: topicPrefix },
      databaseUrl: postgres.url,
      eventLog,
      close: async () => {
        await eventLog.close();
        await postgres.close();
      },
    };
  });
});
