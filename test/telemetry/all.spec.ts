import { afterAll, beforeAll, describe } from '@jest/globals';
import { startFixture, type Fixture } from '@switchyard/test-platform';
import { startOtlpReceiver, type OtlpReceiver } from './otlp-receiver.js';
import { requestTreesSuite, TRACED_SOON } from './request-trees.suite.js';

describe('everything in one process', () => {
  let fixture: Fixture;
  let receiver: OtlpReceiver;
  beforeAll(async () => {
    receiver = await startOtlpReceiver();
    fixture = await startFixture({ shape: 'all', environment: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, ...TRACED_SOON } });
  }, 180_000);
  afterAll(async () => {
    await fixture.stop();
    await receiver.close();
  }, 60_000);

  requestTreesSuite(
    () => fixture,
    () => receiver,
    'postgresql',
  );
});
