import { afterAll, beforeAll, describe } from '@jest/globals';
import { startFixture, type Fixture } from '@switchyard/test-platform';
import { chatSuite } from './chat.suite.js';

describe('five services over gRPC and Kafka', () => {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = await startFixture({ shape: 'split' });
  }, 300_000);
  afterAll(() => fixture.stop(), 60_000);

  chatSuite(() => fixture);
});
