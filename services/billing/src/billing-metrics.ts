import type { Counter, Metrics } from '@switchyard/telemetry';
import type { UsageEventMetrics } from './usage-event.consumer.js';

export interface BillingMetrics {
  readonly usage: UsageEventMetrics;
  readonly shortages: Counter;
  readonly abandonedLeases: Counter;
}

export function billingMetrics(metrics: Metrics): BillingMetrics {
  const counter = (name: string, help: string): Counter => metrics.counter({ name, help }).labels();
  return {
    usage: {
      events: counter('switchyard_billing_events_total', 'Usage events posted, each counted once.'),
      corrections: counter('switchyard_billing_cost_corrections_total', 'Estimated costs corrected by the worker that ran the attempt.'),
      late: counter('switchyard_billing_late_charges_total', 'Charges that came after their lease was closed or abandoned.'),
      underestimated: counter('switchyard_billing_underestimated_charges_total', 'Charges above what was reserved for them.'),
      deadLetters: counter('switchyard_billing_dead_letters_total', 'Events that can never be posted and were kept as dead letters.'),
    },
    shortages: counter('switchyard_billing_lease_shortages_total', 'Calls for leases that were refused because a scope had too little.'),
    abandonedLeases: counter('switchyard_billing_abandoned_leases_total', 'Leases whose holder never accounted for what they held.'),
  };
}
