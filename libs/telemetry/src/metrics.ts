import type { MetricOptions } from './metric-definition.js';

export type Labels = Readonly<Record<string, string>>;

/** A plain number; `increment` costs an addition, so hot paths keep the object and call it directly. */
export interface Counter {
  increment(by?: number): void;
  /** For what somebody else counts: the counter becomes `total`, and never less than it was. */
  raiseTo(total: number): void;
}

export interface Gauge {
  set(value: number): void;
  add(by: number): void;
}

export interface Histogram {
  /** `traceId` (32 hex characters, of a trace that is kept) becomes the exemplar of the value's bucket. */
  observe(value: number, traceId?: string): void;
}

/** Series are created once per label set and then kept by the caller. Registering a name twice returns the same metric. */
export interface MetricFamily<Series> {
  labels(labels?: Labels): Series;
  /** Shows a series no longer; whoever kept it must not use it any more. */
  remove(labels: Labels): void;
}

/** The two text formats that Prometheus reads; only OpenMetrics has exemplars. */
export type ExpositionFormat = 'prometheus' | 'openmetrics';

export interface Metrics {
  counter(options: MetricOptions): MetricFamily<Counter>;
  gauge(options: MetricOptions): MetricFamily<Gauge>;
  /** `buckets` are upper bounds, ascending. */
  histogram(options: MetricOptions & { readonly buckets: readonly number[] }): MetricFamily<Histogram>;
  /** Called at every scrape, before rendering, to set gauges. */
  onScrape(update: () => void): void;
  /** All metrics as one text. */
  render(format?: ExpositionFormat): string;
  /** The same in pieces, one per metric: whoever serves requests beside lets them through between two. */
  renderPieces(format?: ExpositionFormat): Iterable<string>;
}
