import { randomUUID } from 'node:crypto';
import { describe, jest } from '@jest/globals';
import { KafkaEventLog } from '@switchyard/events';
import { captureLogger, startTestKafka } from '@switchyard/testing';
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
