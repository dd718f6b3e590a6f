import { afterAll, beforeAll, describe } from '@jest/globals';
import { startFixture, type Fixture } from '@switchyard/test-platform';
import { canaryProviders, canarySuite } from './canary.suite.js';
import { startOtlpReceiver, type OtlpReceiver } from './otlp-receiver.js';
import type { QuotingUpstream } from './quoting-upstream.js';
import { requestTreesSuite, TRACED_SOON } from './request-trees.suite.js';

describe('everything in one process', () => {
  let fixture: Fixture;
  let receiver: OtlpReceiver;
  let quoting: QuotingUpstream;
  beforeAll(async () => {
    receiver = await startOtlpReceiver();
    const canary = await canaryProviders();
    quoting = canary.upstream;
    const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, ...TRACED_SOON, ...canary.options.environment };
    fixture = await startFixture({ shape: 'all', ...canary.options, environment });
  }, 180_000);
  afterAll(async () => {
    await fixture.stop();
    await receiver.close();
    await quoting.close();
  }, 60_000);

  requestTreesSuite(
    () => fixture,
    () => receiver,
    'postgresql',
  );
  canarySuite(
    () => fixture,
    () => receiver,
  );
});
