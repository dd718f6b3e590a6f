import type { Counter, Gauge, Histogram, Labels, MetricFamily, MetricOptions, Metrics } from './metrics.js';

const SERIES_MAX = 5000;

type MetricKind = 'counter' | 'gauge' | 'histogram';

interface Series {
  render(name: string, labels: string): string;
}

class NumberSeries implements Counter, Gauge, Series {
  private value = 0;

  increment(by = 1): void {
    this.value += by;
  }

  set(value: number): void {
    this.value = value;
  }

  add(by: number): void {
    this.value += by;
  }

  render(name: string, labels: string): string {
    return `${name}${braced(labels)} ${formatNumber(this.value)}\n`;
  }
}

class HistogramSeries implements Histogram, Series {
  private readonly counts: Float64Array;
  private sum = 0;
  private count = 0;

  constructor(private readonly buckets: readonly number[]) {
    this.counts = new Float64Array(buckets.length);
  }

  observe(value: number): void {
    this.sum += value;
    this.count++;
    for (let index = 0; index < this.buckets.length; index++) {
      if (value <= this.buckets[index]!) {
        this.counts[index]!++;
        return;
      }
    }
  }

  render(name: string, labels: string): string {
    let cumulative = 0;
    let text = '';
    for (const [index, bound] of this.buckets.entries()) {
      cumulative += this.counts[index]!;
      text += `${name}_bucket${braced(join(labels, `le="${formatNumber(bound)}"`))} ${cumulative}\n`;
    }
    text += `${name}_bucket${braced(join(labels, 'le="+Inf"'))} ${this.count}\n`;
    return `${text}${name}_sum${braced(labels)} ${formatNumber(this.sum)}\n${name}_count${braced(labels)} ${this.count}\n`;
  }
}

class Family<S extends Series> implements MetricFamily<S> {
  private readonly series = new Map<string, S>();

  constructor(
    readonly kind: MetricKind,
    readonly options: MetricOptions,
    private readonly createSeries: () => S,
  ) {}

  labels(labels: Labels = {}): S {
    const key = this.labelText(labels);
    const existing = this.series.get(key);
    if (existing) return existing;
    // A label whose values have no bound would otherwise grow memory for ever: what is over the bound is shared by one series.
    const kept = this.series.size < SERIES_MAX ? key : this.labelText(Object.fromEntries((this.options.labelNames ?? []).map((name) => [name, 'other'])));
    const created = this.series.get(kept) ?? this.createSeries();
    this.series.set(kept, created);
    return created;
  }

  render(): string {
    const { name, help } = this.options;
    let text = `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${this.kind}\n`;
    for (const [labels, series] of this.series) text += series.render(name, labels);
    return text;
  }

  private labelText(labels: Labels): string {
    return (this.options.labelNames ?? []).map((name) => `${name}="${escapeLabel(labels[name] ?? '')}"`).join(',');
  }
}

/** Plain counters in memory, rendered as Prometheus text when somebody scrapes. */
export class PrometheusMetrics implements Metrics {
  private readonly families = new Map<string, Family<Series>>();
  private readonly updates: (() => void)[] = [];

  counter(options: MetricOptions): MetricFamily<Counter> {
    return this.family('counter', options, () => new NumberSeries());
  }

  gauge(options: MetricOptions): MetricFamily<Gauge> {
    return this.family('gauge', options, () => new NumberSeries());
  }

  histogram(options: MetricOptions & { readonly buckets: readonly number[] }): MetricFamily<Histogram> {
    return this.family('histogram', options, () => new HistogramSeries(options.buckets));
  }

  onScrape(update: () => void): void {
    this.updates.push(update);
  }

  render(): string {
    for (const update of this.updates) update();
    return [...this.families.values()].map((family) => family.render()).join('');
  }

  private family<S extends Series>(kind: MetricKind, options: MetricOptions, createSeries: () => S): Family<S> {
    const existing = this.families.get(options.name);
    if (existing) {
      if (existing.kind !== kind) throw new Error(`The metric ${options.name} is a ${existing.kind} already`);
      return existing as unknown as Family<S>;
    }
    const family = new Family(kind, options, createSeries);
    this.families.set(options.name, family as unknown as Family<Series>);
    return family;
  }
}

function join(labels: string, extra: string): string {
  return labels === '' ? extra : `${labels},${extra}`;
}

function braced(labels: string): string {
  return labels === '' ? '' : `{${labels}}`;
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function formatNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}
