import { counterDefinition, gaugeDefinition, type MetricDefinition, type Metrics } from '@switchyard/telemetry';

const EVENTS = counterDefinition({
  name: 'switchyard_analytics_events_total',
  help: 'Usage events that analytics has handled; those that came twice count twice.',
});
const DEAD_LETTERS = counterDefinition({
  name: 'switchyard_analytics_dead_letters_total',
  help: 'Events that analytics can never store and that were kept as dead letters.',
});
const STATISTICS_AGE = gaugeDefinition({
  name: 'switchyard_statistics_age_seconds',
  help: 'Since when the statistics that routing follows were not computed anew; -1 before the first time.',
  unit: 'seconds',
});

/** Every metric of analytics beside its consumer's lag. */
export const ANALYTICS_METRICS: readonly MetricDefinition[] = [EVENTS, DEAD_LETTERS, STATISTICS_AGE];

/** What is asked of the parts of analytics at every scrape. */
interface AnalyticsState {
  readonly feed: { ageMs(): number | undefined };
  readonly consumer: { readonly handledCount: number; readonly deadLetterCount: number };
}

export function registerAnalyticsState(metrics: Metrics, { feed, consumer }: AnalyticsState): void {
  const events = metrics.counter(EVENTS).labels();
  const deadLetters = metrics.counter(DEAD_LETTERS).labels();
  const age = metrics.gauge(STATISTICS_AGE).labels();
  metrics.onScrape(() => {
    events.raiseTo(consumer.handledCount);
    deadLetters.raiseTo(consumer.deadLetterCount);
    const ageMs = feed.ageMs();
    age.set(ageMs === undefined ? -1 : ageMs / 1_000);
  });
}
