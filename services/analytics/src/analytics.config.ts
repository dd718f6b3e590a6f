import { defineConfig, field, integer, intervalMs, retentionMs, type ConfigOf } from '@switchyard/config';
import { DAY_MS } from '@switchyard/core';

export const analyticsConfig = defineConfig({
  consumerBatchSize: field({
    env: 'SWITCHYARD_ANALYTICS_BATCH_SIZE',
    schema: integer({ min: 1, max: 10_000 }),
    default: 1_000,
    description: 'Most usage events that are written in one transaction.',
  }),
  statisticsIntervalMs: field({
    env: 'SWITCHYARD_ANALYTICS_STATISTICS_INTERVAL',
    schema: intervalMs(),
    default: 2_000,
    description: 'How often endpoint statistics are computed and streamed to the router.',
  }),
  generationRetentionMs: field({
    env: 'SWITCHYARD_ANALYTICS_GENERATION_RETENTION',
    schema: retentionMs(),
    default: 400 * DAY_MS,
    defaultText: '400d',
    description: 'How long the record of each request is kept, a day at least. Whole months are dropped; activity by day is kept for good.',
  }),
  attemptRetentionMs: field({
    env: 'SWITCHYARD_ANALYTICS_ATTEMPT_RETENTION',
    schema: retentionMs(),
    default: 400 * DAY_MS,
    defaultText: '400d',
    description: 'How long the attempts behind each request are kept, a day at least. Whole months are dropped.',
  }),
});
export type AnalyticsConfig = ConfigOf<typeof analyticsConfig>;
