import { counterDefinition, gaugeDefinition, type Counter, type MetricDefinition, type MetricOptions, type Metrics } from '@switchyard/telemetry';
import type { UsageEventMetrics } from './usage-event.consumer.js';

const EVENTS = counterDefinition({ name: 'switchyard_billing_events_total', help: 'Usage events posted, each counted once.' });
const POSTED = counterDefinition({
  name: 'switchyard_billing_posted_usd_total',
  help: 'Charges posted to the ledger. For dashboards: books are kept in integers, elsewhere.',
  unit: 'usd',
});
const CORRECTIONS = counterDefinition({
  name: 'switchyard_billing_cost_corrections_total',
  help: 'Estimated costs corrected by the worker that ran the attempt.',
});
const LATE = counterDefinition({ name: 'switchyard_billing_late_charges_total', help: 'Charges that came after their lease was closed or abandoned.' });
const UNDERESTIMATED = counterDefinition({
  name: 'switchyard_billing_underestimated_charges_total',
  help: 'Charges above what was reserved for them.',
});
const DEAD_LETTERS = counterDefinition({
  name: 'switchyard_billing_dead_letters_total',
  help: 'Events that can never be posted and were kept as dead letters.',
});
const SHORTAGES = counterDefinition({
  name: 'switchyard_billing_lease_shortages_total',
  help: 'Calls for leases that were refused because a scope had too little.',
});
const ABANDONED = counterDefinition({
  name: 'switchyard_billing_abandoned_leases_total',
  help: 'Leases whose holder never accounted for what they held.',
});
export const KEY_SPEND = counterDefinition({
  name: 'switchyard_key_spend_usd_total',
  help: 'Charges posted of the API keys that spent most in the last hour.',
  unit: 'usd',
  labelNames: ['key_hash'],
  maxSeries: 100,
});
export const KEY_DAILY_MEAN = gaugeDefinition({
  name: 'switchyard_key_daily_mean_usd',
  help: 'What such a key spent per day on the last seven days before today, or since its first of them.',
  unit: 'usd',
  labelNames: ['key_hash'],
  maxSeries: 100,
});
export const LEDGER_DIFFERENCES = gaugeDefinition({
  name: 'switchyard_ledger_differences',
  help: 'What is wrong among the newest records of the ledger; always 0 in a ledger that is whole.',
  labelNames: ['check'],
});
export const LEDGER_CHECKED_TIME = gaugeDefinition({
  name: 'switchyard_ledger_checked_time_seconds',
  help: 'When the ledger was last compared with itself, in unix time.',
  unit: 'seconds',
});
export const LEDGER_BALANCE = gaugeDefinition({
  name: 'switchyard_ledger_balance_usd',
  help: 'What all ledger accounts of a kind come to; credits and revenue are negative, as in double entry.',
  unit: 'usd',
  labelNames: ['ledger_account'],
});
export const HELD = gaugeDefinition({ name: 'switchyard_billing_held_usd', help: 'Money of accounts that leases hold.', unit: 'usd' });
export const BLOCKED_SCOPES = gaugeDefinition({
  name: 'switchyard_billing_blocked_scopes',
  help: 'Accounts and key limits that owe more than they have: nothing is granted until that is covered.',
});

/** Every metric of billing beside its consumer's lag. */
export const BILLING_METRICS: readonly MetricDefinition[] = [
  EVENTS,
  POSTED,
  CORRECTIONS,
  LATE,
  UNDERESTIMATED,
  DEAD_LETTERS,
  SHORTAGES,
  ABANDONED,
  KEY_SPEND,
  KEY_DAILY_MEAN,
  LEDGER_DIFFERENCES,
  LEDGER_CHECKED_TIME,
  LEDGER_BALANCE,
  HELD,
  BLOCKED_SCOPES,
];

export interface BillingMetrics {
  readonly usage: UsageEventMetrics;
  readonly shortages: Counter;
  readonly abandonedLeases: Counter;
}

export function billingMetrics(metrics: Metrics): BillingMetrics {
  const counter = (options: MetricOptions): Counter => metrics.counter(options).labels();
  return {
    usage: {
      events: counter(EVENTS),
      postedUsd: counter(POSTED),
      corrections: counter(CORRECTIONS),
      late: counter(LATE),
      underestimated: counter(UNDERESTIMATED),
      deadLetters: counter(DEAD_LETTERS),
    },
    shortages: counter(SHORTAGES),
    abandonedLeases: counter(ABANDONED),
  };
}
