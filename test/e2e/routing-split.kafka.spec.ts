import { afterAll, beforeAll, describe } from '@jest/globals';
import type { Fixture } from '@switchyard/test-platform';
import { routingFallbackSuite } from './routing-fallback.suite.js';
import { startRoutingFixture } from './routing-fixture.js';
import { routingPolicySuite } from './routing-policy.suite.js';

describe('routing, five services over gRPC and Kafka', () => {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = await startRoutingFixture('split');
  }, 300_000);
  afterAll(() => fixture.stop(), 60_000);

  routingFallbackSuite(() => fixture);
  routingPolicySuite(() => fixture);
});
