import { Module, type BeforeApplicationShutdown, type DynamicModule, type OnApplicationBootstrap } from '@nestjs/common';
import { ConsumerLagWatch } from '@switchyard/events';
import { AnalyticsPort } from '@switchyard/proto';
import { READINESS_CHECKS, type ReadinessCheck, type TargetContext } from '@switchyard/runtime';
import { ActivityStore } from './activity.store.js';
import type { AnalyticsConfig } from './analytics.config.js';
import { registerAnalyticsState } from './analytics-metrics.js';
import { AnalyticsService } from './analytics.service.js';
import { EndpointStatisticsStore } from './endpoint-statistics.store.js';
import { GenerationStore } from './generation.store.js';
import { PartitionStore } from './partition.store.js';
import { RetentionJob } from './retention.job.js';
import { StatisticsFeed } from './statistics-feed.js';
import { CONSUMER_GROUP, CONSUMER_TOPICS, UsageEventConsumer } from './usage-event.consumer.js';

/** Starts and stops what runs by itself: partitions first, for the consumer writes into them. */
class AnalyticsLifecycle implements OnApplicationBootstrap, BeforeApplicationShutdown {
  constructor(
    private readonly retention: RetentionJob,
    private readonly feed: StatisticsFeed,
    private readonly consumer: UsageEventConsumer,
    private readonly lag: ConsumerLagWatch,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    try {
      await this.start();
    } catch (error) {
      // A start that failed because the database went away begins again: nothing of this one may go on beside it.
      await this.stop();
      throw error;
    }
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.stop();
  }

  private async start(): Promise<void> {
    await this.retention.start();
    await this.feed.start();
    await this.consumer.start();
    this.lag.start();
  }

  private async stop(): Promise<void> {
    this.lag.stop();
    await this.consumer.stop();
    await this.feed.stop();
    await this.retention.stop();
  }
}

const STATISTICS_STALE_AFTER_INTERVALS = 5;

@Module({})
export class AnalyticsModule {
  static register(context: TargetContext<AnalyticsConfig>): DynamicModule {
    const { config, clock, logger } = context;
    const pool = context.pool();
    const generations = new GenerationStore(pool);
    const activity = new ActivityStore(pool);
    const statistics = new EndpointStatisticsStore(pool);
    const feed = new StatisticsFeed({ store: statistics, clock, logger, intervalMs: config.statisticsIntervalMs });
    const consumer = new UsageEventConsumer({
      eventLog: context.eventLog,
      pool,
      generations,
      activity,
      statistics,
      logger,
      maxBatchSize: config.consumerBatchSize,
    });
    const lag = new ConsumerLagWatch({ eventLog: context.eventLog, group: CONSUMER_GROUP, topics: CONSUMER_TOPICS, metrics: context.metrics, clock, logger });
    registerAnalyticsState(context.metrics, { feed, consumer });
    const retention = new RetentionJob({ partitions: new PartitionStore(pool), statistics, clock, logger, ...config });
    const staleAfterMs = STATISTICS_STALE_AFTER_INTERVALS * config.statisticsIntervalMs;
    return {
      module: AnalyticsModule,
      providers: [
        { provide: AnalyticsPort.token, useValue: new AnalyticsService({ generations, activity, feed, clock }) },
        { provide: READINESS_CHECKS, useValue: [statisticsCheck(feed, staleAfterMs)] satisfies ReadinessCheck[] },
        { provide: AnalyticsLifecycle, useValue: new AnalyticsLifecycle(retention, feed, consumer, lag) },
      ],
      exports: [AnalyticsPort.token, READINESS_CHECKS],
    };
  }
}

/** Queries still work with old statistics, so their age only degrades. */
function statisticsCheck(feed: StatisticsFeed, staleAfterMs: number): ReadinessCheck {
  return {
    name: 'endpoint-statistics',
    check: () => {
      const ageMs = feed.ageMs();
      if (ageMs === undefined) return { ready: false, detail: 'not computed yet' };
      return ageMs > staleAfterMs ? { ready: true, degraded: true, detail: `computed ${Math.round(ageMs / 1000)} s ago` } : { ready: true };
    },
  };
}
