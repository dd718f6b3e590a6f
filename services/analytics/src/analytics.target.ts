import { AnalyticsPort } from '@switchyard/proto';
import { defineTarget } from '@switchyard/runtime';
import { analyticsConfig } from './analytics.config.js';
import { AnalyticsModule } from './analytics.module.js';
import { CreateAnalytics1763700000000 } from './migrations/create-analytics.migration.js';
import { KeepEventText1764200000000 } from './migrations/keep-event-text.migration.js';
import { LightenAttempts1764800000000 } from './migrations/lighten-attempts.migration.js';

export const analyticsTarget = defineTarget({
  name: 'analytics',
  config: analyticsConfig,
  schema: { name: 'analytics', migrations: [CreateAnalytics1763700000000, KeepEventText1764200000000, LightenAttempts1764800000000] },
  provides: [AnalyticsPort],
  requires: [],
  requiresEventLog: true,
  module: (context) => AnalyticsModule.register(context),
});
