export type Labels = Readonly<Record<string, string>>;

/** A plain number; `increment` costs an addition, so hot paths keep the object and call it directly. */
export interface Counter {
  increment(by?: number): void;
}

export interface Gauge {
  set(value: number): void;
  add(by: number): void;
}

export interface Histogram {
  observe(value: number): void;
}

export interface MetricOptions {
  /** Prometheus name with unit: `switchyard_spool_bytes`, `switchyard_attempts_total`. */
  readonly name: string;
  readonly help: string;
  readonly labelNames?: readonly string[];
}

/** Series are created once per label set and then kept by the caller. Registering a name twice returns the same metric. */
export interface MetricFamily<Series> {
  labels(labels?: Labels): Series;
}

export interface Metrics {
  counter(options: MetricOptions): MetricFamily<Counter>;
  gauge(options: MetricOptions): MetricFamily<Gauge>;
  /** `buckets` are upper bounds, ascending. */
  histogram(options: MetricOptions & { readonly buckets: readonly number[] }): MetricFamily<Histogram>;
  /** Called at every scrape, before rendering, to set gauges. */
  onScrape(update: () => void): void;
  /** Prometheus text exposition format 0.0.4. */
  render(): string;
}
