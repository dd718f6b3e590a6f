/** Base units, as the names of metrics end in them; undefined for what is counted. */
export type MetricUnit = 'seconds' | 'bytes' | 'usd' | 'ratio';

export interface MetricOptions {
  /** Prometheus name with unit: `switchyard_spool_bytes`, `switchyard_attempts_total`. */
  readonly name: string;
  readonly help: string;
  readonly unit?: MetricUnit | undefined;
  readonly labelNames?: readonly string[] | undefined;
  /** Label sets that one process keeps apart; the rest share one series whose labels say `other`. Default 1 000, of histograms 300. */
  readonly maxSeries?: number | undefined;
  /** Those of the labels that say `other` then, all by default. What has few values is better kept true: an answer without an error has none there, either. */
  readonly sharedLabelNames?: readonly string[] | undefined;
}

/** A metric as data: what code registers, what the reference page lists and what dashboards and alerts may name. */
export type MetricDefinition = CounterDefinition | GaugeDefinition | HistogramDefinition;

export interface CounterDefinition extends MetricOptions {
  readonly kind: 'counter';
}

export interface GaugeDefinition extends MetricOptions {
  readonly kind: 'gauge';
}

export interface HistogramDefinition extends MetricOptions {
  readonly kind: 'histogram';
  /** Upper bounds, ascending. */
  readonly buckets: readonly number[];
}

export function counterDefinition(options: MetricOptions): CounterDefinition {
  return { ...options, kind: 'counter' };
}

export function gaugeDefinition(options: MetricOptions): GaugeDefinition {
  return { ...options, kind: 'gauge' };
}

export function histogramDefinition(options: MetricOptions & { readonly buckets: readonly number[] }): HistogramDefinition {
  return { ...options, kind: 'histogram' };
}

/** Every label of every metric: what its values are, and what bounds their number. No value is ever taken from a request's text. */
export const METRIC_LABELS: Readonly<Record<string, { readonly meaning: string; readonly bound: string }>> = {
  api: { meaning: 'the API that was called: `chat`, `completions`, `embeddings`', bound: '3' },
  check: { meaning: 'what was compared', bound: 'a list in the code' },
  end: { meaning: '`completed`, `client_aborted`, `upstream_failed`, `gateway_failed`', bound: '4' },
  error_type: { meaning: 'type of the error table; empty without an error', bound: 'the error table' },
  blame: { meaning: 'whose doing an error is: `client`, `account`, `upstream`, `gateway`; empty without an error', bound: '5' },
  flag: { meaning: 'what is special about a charge', bound: 'a list in the code' },
  gen_ai_operation_name: { meaning: '`chat`, `text_completion`, `embeddings`', bound: '3' },
  gen_ai_provider_name: { meaning: 'the provider’s name in the semantic conventions, else its slug', bound: 'the catalogue’s providers' },
  gen_ai_request_model: {
    meaning: 'public name of the model that served, from the routing table',
    bound: 'the first 100 models that a process serves; the others are `other`',
  },
  gen_ai_token_type: { meaning: '`input`, `output`', bound: '2' },
  group: { meaning: 'consumer group: `billing`, `analytics`', bound: '2' },
  http_request_method: { meaning: 'HTTP method', bound: 'the routes’ own' },
  http_response_status_code: { meaning: 'HTTP status; `499` when the client left before it had one', bound: 'the error table' },
  http_route: { meaning: 'pattern of the route; empty for what is no route', bound: 'the routes' },
  key_hash: { meaning: 'public hash of an API key', bound: 'the 100 keys that spent most in the last hour' },
  ledger_account: { meaning: 'kind of ledger account', bound: 'a list in the code' },
  model: { meaning: 'as `gen_ai_request_model`', bound: 'as `gen_ai_request_model`' },
  outcome: {
    meaning:
      'of attempts: `completed`, an error type, `refused` for what its client did wrong, or how else it ended; of spans: `exported`, `dropped`, `failed`',
    bound: 'the error table and 10 more',
  },
  phase: { meaning: '`open`, `half_open`', bound: '2' },
  provider: { meaning: 'slug of the provider', bound: 'the catalogue’s providers' },
  scope: { meaning: 'what leases are of: `account_credit`, `key_limit`, requests or tokens per minute …', bound: '9' },
  spool: { meaning: 'whose spool: `ingress`, `worker`', bound: '2' },
  topic: { meaning: 'topic of the event log', bound: '2' },
};

/** Models that one process labels by their own names. */
export const LABELLED_MODELS_MAX = 100;
