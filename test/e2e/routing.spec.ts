import { afterAll, beforeAll, describe } from '@jest/globals';
import type { Fixture } from '@switchyard/test-platform';
import { routingFallbackSuite } from './routing-fallback.suite.js';
import { routingFiguresSuite } from './routing-figures.suite.js';
import { startRoutingFixture } from './routing-fixture.js';
import { routingPolicySuite } from './routing-policy.suite.js';
import { routingSuite } from './routing.suite.js';

describe('routing, over a catalogue of its own', () => {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = await startRoutingFixture('all');
  }, 180_000);
  afterAll(() => fixture.stop(), 60_000);

  routingSuite(() => fixture);
  routingFallbackSuite(() => fixture);
  routingFiguresSuite(() => fixture);
  routingPolicySuite(() => fixture);
});
