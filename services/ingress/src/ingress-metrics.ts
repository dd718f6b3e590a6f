import {
  counterDefinition,
  gaugeDefinition,
  GEN_AI_SERVER_METRICS,
  histogramDefinition,
  HTTP_SERVER_DURATION,
  type MetricDefinition,
} from '@switchyard/telemetry';

export const GENERATIONS = counterDefinition({
  name: 'switchyard_generations_total',
  help: 'Generations by their end and, of those that failed, whose doing it was.',
  labelNames: ['api', 'end', 'blame'],
});

export const REFUSALS = counterDefinition({
  name: 'switchyard_refusals_total',
  help: 'Requests that were answered with an error before any attempt answered or failed for good.',
  labelNames: ['api', 'error_type', 'blame'],
});

export const ATTEMPTS = counterDefinition({
  name: 'switchyard_attempts_total',
  help: 'Attempts by provider and outcome.',
  labelNames: ['provider', 'outcome'],
});

export const FALLBACKS = counterDefinition({
  name: 'switchyard_fallbacks_total',
  help: 'Generations that needed more than one attempt.',
  labelNames: ['api'],
});

export const EARLY_ABORTS = counterDefinition({
  name: 'switchyard_early_aborts_total',
  help: 'Requests that their clients left before the provider answered; they cost nothing.',
});

export const PROMPT_TOKENS = counterDefinition({
  name: 'switchyard_prompt_tokens_total',
  help: 'Prompt tokens of generations.',
  labelNames: ['provider', 'model'],
});

export const COMPLETION_TOKENS = counterDefinition({
  name: 'switchyard_completion_tokens_total',
  help: 'Completion tokens of generations.',
  labelNames: ['provider', 'model'],
});

export const CHARGED = counterDefinition({
  name: 'switchyard_charged_usd_total',
  help: 'What customers were told that their generations cost. For dashboards: books are kept in integers, elsewhere.',
  unit: 'usd',
  labelNames: ['provider', 'model'],
});

export const FLAGGED_CHARGES = counterDefinition({
  name: 'switchyard_flagged_charges_total',
  help: 'Charges of which something is to be known: usage_estimated, price_missing.',
  labelNames: ['flag'],
});

export const FIRST_TOKEN = histogramDefinition({
  name: 'switchyard_first_token_seconds',
  help: 'From accepting a streamed request to its first content, whichever provider it came from.',
  unit: 'seconds',
  labelNames: ['api'],
  buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
});

export const INFLIGHT_REQUESTS = gaugeDefinition({ name: 'switchyard_inflight_requests', help: 'Inference requests under way.' });
export const OPEN_STREAMS = gaugeDefinition({ name: 'switchyard_open_streams', help: 'Streamed answers under way.' });
export const KEYS_STALE = gaugeDefinition({ name: 'switchyard_keys_stale', help: '1 while changes of API keys do not reach the ingress.' });
export const BILLING_LIVE = gaugeDefinition({
  name: 'switchyard_billing_live',
  help: '1 while billing is heard; without it the leases held are spent, then requests get 503.',
});
export const CLOCK_SKEW = gaugeDefinition({
  name: 'switchyard_clock_skew_seconds',
  help: 'Billing’s clock minus this machine’s; too much of it makes an ingress not ready.',
  unit: 'seconds',
});
export const TABLE_AGE = gaugeDefinition({
  name: 'switchyard_routing_table_age_seconds',
  help: 'Since when the router has not been heard; -1 before the first table.',
  unit: 'seconds',
});
export const BREAKERS = gaugeDefinition({
  name: 'switchyard_breakers',
  help: 'Endpoints whose circuit breaker lets nothing, or one probe, through.',
  labelNames: ['provider', 'phase'],
});
export const LEASES_HELD = gaugeDefinition({ name: 'switchyard_leases_held', help: 'Leases that this ingress holds.', labelNames: ['scope'] });
export const LEASE_AVAILABLE = gaugeDefinition({
  name: 'switchyard_lease_available_usd',
  help: 'Money in the leases held that can still be reserved.',
  unit: 'usd',
  labelNames: ['scope'],
});
export const LEASE_RESERVED = gaugeDefinition({
  name: 'switchyard_lease_reserved_usd',
  help: 'Money in the leases held that running attempts have reserved.',
  unit: 'usd',
  labelNames: ['scope'],
});
export const LEASE_WAITERS = gaugeDefinition({ name: 'switchyard_lease_waiters', help: 'Requests that wait for billing to grant a lease.' });
export const LEASE_CALLS = counterDefinition({
  name: 'switchyard_lease_calls_total',
  help: 'Calls to billing for leases of money, requests and tokens.',
});

/** Every metric of an ingress beside its spool's. */
export const INGRESS_METRICS: readonly MetricDefinition[] = [
  HTTP_SERVER_DURATION,
  GENERATIONS,
  REFUSALS,
  ATTEMPTS,
  FALLBACKS,
  EARLY_ABORTS,
  FIRST_TOKEN,
  ...GEN_AI_SERVER_METRICS,
  PROMPT_TOKENS,
  COMPLETION_TOKENS,
  CHARGED,
  FLAGGED_CHARGES,
  INFLIGHT_REQUESTS,
  OPEN_STREAMS,
  KEYS_STALE,
  BILLING_LIVE,
  CLOCK_SKEW,
  TABLE_AGE,
  BREAKERS,
  LEASES_HELD,
  LEASE_AVAILABLE,
  LEASE_RESERVED,
  LEASE_WAITERS,
  LEASE_CALLS,
];
