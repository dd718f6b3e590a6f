import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { AnalyticsPort } from '@switchyard/proto';
import type { EndpointStatisticsRecord } from '@switchyard/routing';
import { captureLogger, eventually, manualClock } from '@switchyard/testing';
import { StatisticsWatch } from './statistics-watch.js';
import { TablePublisher } from './table-publisher.js';

const WINDOW = { successCount: 4n, failureCount: 6n, rateLimitedCount: 0n, firstTokenMs: undefined, throughput: undefined };
const FAILING: EndpointStatisticsRecord = {
  endpointId: 'a/b@p',
  last5m: WINDOW,
  last30m: WINDOW,
  last1d: WINDOW,
  recentFailureCount: 6n,
  recentRequestCount: 10n,
};

describe('statistics that analytics tells the router', () => {
  let publisher: TablePublisher;
  let watch: StatisticsWatch;
  let isAway: boolean;
  let leave: () => void;

  /** Tells of one failing endpoint until analytics leaves. */
  const port: Pick<AnalyticsPort, 'watchEndpointStatistics'> = {
    async *watchEndpointStatistics(_request, options) {
      if (isAway) throw new Error('away');
      const { promise, resolve } = Promise.withResolvers<void>();
      leave = resolve;
      options?.signal?.addEventListener('abort', () => resolve());
      yield { timeMs: 0n, endpoints: [FAILING] };
      await promise;
    },
  };

  beforeEach(() => {
    isAway = false;
    publisher = new TablePublisher({ clock: manualClock(), heartbeatMs: 500, maxQueuedMessages: 100 });
    publisher.setCredentialedProviders(new Set());
    publisher.setCatalog({ models: [], endpoints: [], providers: [] });
    watch = new StatisticsWatch({
      port,
      logger: captureLogger(),
      reconnectMs: 1,
      lostAfterMs: 20,
      onStatistics: (entries) => publisher.setStatistics(entries),
      onLost: () => publisher.forgetRecentFailures(),
    });
    watch.start();
  });

  afterEach(async () => {
    await watch.stop();
    publisher.stop();
  });

  const published = (): EndpointStatisticsRecord | undefined => {
    publisher.beat();
    return publisher.table.statistics.get('a/b@p');
  };

  it('hold what failed just before it went away against nobody for longer than half a minute, and keep the rest', async () => {
    await eventually(() => expect(published()).toEqual(FAILING));
    isAway = true;
    leave();
    await eventually(() => expect(published()).toEqual({ ...FAILING, recentFailureCount: 0n, recentRequestCount: 0n }));
    isAway = false;
    await eventually(() => expect(published()).toEqual(FAILING));
  });
});
