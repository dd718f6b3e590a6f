import { afterAll, beforeAll, describe } from '@jest/globals';
import { startFixture, type Fixture } from '@switchyard/test-platform';
import { aiSdkSuite } from './ai-sdk.suite.js';
import { openaiClientSuite } from './openai-client.suite.js';
import { openrouterClientSuite } from './openrouter-client.suite.js';

describe('official clients, everything in one process', () => {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = await startFixture({ shape: 'all' });
  }, 180_000);
  afterAll(() => fixture.stop(), 60_000);

  openaiClientSuite(() => fixture);
  openrouterClientSuite(() => fixture);
  aiSdkSuite(() => fixture);
});
