import { afterAll, beforeAll, describe } from '@jest/globals';
import { startFixture, type Fixture } from '@switchyard/test-platform';
import { chatSuite } from './chat.suite.js';
import { financeSuite } from './finance.suite.js';
import { logSuite } from './log.suite.js';
import { moneySuite } from './money.suite.js';
import { operationsSuite } from './operations.suite.js';

describe('everything in one process', () => {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = await startFixture({ shape: 'all' });
  }, 180_000);
  afterAll(() => fixture.stop(), 60_000);

  chatSuite(() => fixture);
  moneySuite(() => fixture);
  financeSuite(() => fixture);
  logSuite(() => fixture);
  operationsSuite(() => fixture);
});
