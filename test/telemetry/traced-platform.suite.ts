import { afterAll, beforeAll, describe } from '@jest/globals';
import { startFixture, type Fixture, type Shape } from '@switchyard/test-platform';
import { callLinksSuite } from './call-links.suite.js';
import { canaryProviders, canarySuite } from './canary.suite.js';
import { CONTENT_ALLOWED, contentCaptureSuite } from './content-capture.suite.js';
import { startOtlpReceiver, type OtlpReceiver } from './otlp-receiver.js';
import type { QuotingUpstream } from './quoting-upstream.js';
import { requestTreesSuite, TRACED_SOON } from './request-trees.suite.js';

/** Everything that is promised of traces, over one platform whose collector is a receiver of ours. */
export function tracedPlatformSuite(shape: Shape): void {
  describe(`a traced platform (${shape})`, () => {
    let fixture: Fixture;
    let receiver: OtlpReceiver;
    let quoting: QuotingUpstream;
    beforeAll(async () => {
      receiver = await startOtlpReceiver();
      const canary = await canaryProviders();
      quoting = canary.upstream;
      const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, ...TRACED_SOON, ...CONTENT_ALLOWED, ...canary.options.environment };
      fixture = await startFixture({ shape, ...canary.options, environment });
    }, 300_000);
    afterAll(async () => {
      await fixture.stop();
      await receiver.close();
      await quoting.close();
    }, 120_000);

    requestTreesSuite(
      () => fixture,
      () => receiver,
      shape === 'all' ? { system: 'postgresql', calls: 'local' } : { system: 'kafka', calls: 'remote' },
    );
    callLinksSuite(
      () => fixture,
      () => receiver,
      shape === 'all' ? 'local' : 'remote',
    );
    canarySuite(
      () => fixture,
      () => receiver,
    );
    contentCaptureSuite(
      () => fixture,
      () => receiver,
    );
  });
}
