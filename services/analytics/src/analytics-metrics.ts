import { counterDefinition, gaugeDefinition, type MetricDefinition, type Metrics } from '@switchyard/telemetry';

const EVENTS = counterDefinition({
  name: 'switchyard_analytics_events_total',
  help: 'Usage events that analytics has handled; those that came twice count twice.',
});
const STATISTICS_AGE = gaugeDefinition({
  name: 'switchyard_statistics_age_seconds',
  help: 'Since when the statistics that routing follows were not computed anew; -1 before the first time.',
  unit: 'seconds',
});

/** Every metric of analytics beside its consumer's lag. */
export const ANALYTICS_METRICS: readonly MetricDefinition[] = [EVENTS, STATISTICS_AGE];

/** What is asked of the parts of analytics at every scrape. */
interface AnalyticsState {
  readonly feed: { ageMs(): number | undefined };
  readonly consumer: { readonly handledCount: number };
}

export function registerAnalyticsState(metrics: Metrics, { feed, consumer }: AnalyticsState): void {
  const events = metrics.counter(EVENTS).labels();
  const age = metrics.gauge(STATISTICS_AGE).labels();
  metrics.onScrape(() => {
    events.raiseTo(consumer.handledCount);
    const ageMs = feed.ageMs();
    age.set(ageMs === undefined ? -1 : ageMs / 1_000);
  });
}
