import type { MetricDefinition, MetricOptions } from './metric-definition.js';
import type { Counter, ExpositionFormat, Gauge, Histogram, Labels, MetricFamily, Metrics } from './metrics.js';

const NUMBERS_MAX = 1_000;
const HISTOGRAMS_MAX = 300;

type MetricKind = MetricDefinition['kind'];

interface Series {
  render(format: ExpositionFormat): string;
}

class NumberSeries implements Counter, Gauge, Series {
  private value = 0;
  private readonly head: string;

  constructor(name: string, labels: string) {
    this.head = `${name}${braced(labels)} `;
  }

  increment(by = 1): void {
    this.value += by;
  }

  raiseTo(total: number): void {
    if (total > this.value) this.value = total;
  }

  set(value: number): void {
    this.value = value;
  }

  add(by: number): void {
    this.value += by;
  }

  render(): string {
    return `${this.head}${formatNumber(this.value)}\n`;
  }
}

/** The last value of each bucket that came with a trace. */
class Exemplars {
  private readonly traceIds: (string | undefined)[];
  private readonly values: Float64Array;
  private readonly timesMs: Float64Array;

  constructor(size: number) {
    this.traceIds = new Array<undefined>(size);
    this.values = new Float64Array(size);
    this.timesMs = new Float64Array(size);
  }

  set(index: number, value: number, traceId: string): void {
    this.traceIds[index] = traceId;
    this.values[index] = value;
    this.timesMs[index] = Date.now();
  }

  render(index: number): string {
    const traceId = this.traceIds[index];
    return traceId === undefined ? '' : ` # {trace_id="${traceId}"} ${formatNumber(this.values[index]!)} ${this.timesMs[index]! / 1_000}`;
  }
}

class HistogramSeries implements Histogram, Series {
  /** Not cumulative; the last is of what is above every bound. */
  private readonly counts: Float64Array;
  private sum = 0;
  private exemplars: Exemplars | undefined;
  /** Beginnings of the lines, which never change: a scrape of thousands of series only adds the figures. */
  private heads: readonly string[] | undefined;

  constructor(
    private readonly name: string,
    private readonly labels: string,
    private readonly buckets: readonly number[],
  ) {
    this.counts = new Float64Array(buckets.length + 1);
  }

  observe(value: number, traceId?: string): void {
    const { buckets } = this;
    let index = 0;
    while (index < buckets.length && value > buckets[index]!) index++;
    this.counts[index]!++;
    this.sum += value;
    if (traceId !== undefined) (this.exemplars ??= new Exemplars(buckets.length + 1)).set(index, value, traceId);
  }

  render(format: ExpositionFormat): string {
    const heads = (this.heads ??= this.lineHeads());
    const exemplars = format === 'openmetrics' ? this.exemplars : undefined;
    const last = this.buckets.length;
    let count = 0;
    let text = '';
    for (let index = 0; index <= last; index++) {
      count += this.counts[index]!;
      text += `${heads[index]!}${count}${exemplars?.render(index) ?? ''}\n`;
    }
    return `${text}${heads[last + 1]!}${formatNumber(this.sum)}\n${heads[last + 2]!}${count}\n`;
  }

  private lineHeads(): string[] {
    const { name, labels } = this;
    const bounds = [...this.buckets.map(formatBound), '+Inf'];
    return [
      ...bounds.map((bound) => `${name}_bucket${braced(join(labels, `le="${bound}"`))} `),
      `${name}_sum${braced(labels)} `,
      `${name}_count${braced(labels)} `,
    ];
  }
}

class Family<S extends Series> implements MetricFamily<S> {
  private readonly series = new Map<string, S>();
  private readonly maxSeries: number;

  constructor(
    readonly kind: MetricKind,
    readonly options: MetricOptions,
    private readonly createSeries: (name: string, labels: string) => S,
  ) {
    this.maxSeries = options.maxSeries ?? (kind === 'histogram' ? HISTOGRAMS_MAX : NUMBERS_MAX);
  }

  labels(labels: Labels = {}): S {
    const key = this.labelText(labels);
    const existing = this.series.get(key);
    if (existing) return existing;
    // A label whose values have no bound would otherwise grow memory for ever: what is over the bound is shared by one series.
    const kept = this.series.size < this.maxSeries ? key : this.labelText({ ...labels, ...this.sharedLabels() });
    const created = this.series.get(kept) ?? this.createSeries(this.options.name, kept);
    this.series.set(kept, created);
    return created;
  }

  remove(labels: Labels): void {
    this.series.delete(this.labelText(labels));
  }

  render(format: ExpositionFormat): string {
    const { name, help, unit } = this.options;
    // OpenMetrics names a counter without the suffix that its samples have.
    const family = format === 'openmetrics' && this.kind === 'counter' ? name.replace(/_total$/, '') : name;
    let text = `# HELP ${family} ${escapeHelp(help, format)}\n# TYPE ${family} ${this.kind}\n`;
    if (format === 'openmetrics' && unit !== undefined && family.endsWith(`_${unit}`)) text += `# UNIT ${family} ${unit}\n`;
    for (const series of this.series.values()) text += series.render(format);
    return text;
  }

  private sharedLabels(): Labels {
    const { labelNames = [], sharedLabelNames = labelNames } = this.options;
    return Object.fromEntries(sharedLabelNames.map((name) => [name, 'other']));
  }

  private labelText(labels: Labels): string {
    return (this.options.labelNames ?? []).map((name) => `${name}="${escapeText(labels[name] ?? '')}"`).join(',');
  }
}

/** Plain counters in memory, rendered as text when somebody scrapes. */
export class PrometheusMetrics implements Metrics {
  private readonly families = new Map<string, Family<Series>>();
  private readonly updates: (() => void)[] = [];

  counter(options: MetricOptions): MetricFamily<Counter> {
    return this.family('counter', options, (name, labels) => new NumberSeries(name, labels));
  }

  gauge(options: MetricOptions): MetricFamily<Gauge> {
    return this.family('gauge', options, (name, labels) => new NumberSeries(name, labels));
  }

  histogram(options: MetricOptions & { readonly buckets: readonly number[] }): MetricFamily<Histogram> {
    return this.family('histogram', options, (name, labels) => new HistogramSeries(name, labels, options.buckets));
  }

  onScrape(update: () => void): void {
    this.updates.push(update);
  }

  render(format: ExpositionFormat = 'prometheus'): string {
    return [...this.renderPieces(format)].join('');
  }

  *renderPieces(format: ExpositionFormat = 'prometheus'): Iterable<string> {
    for (const update of this.updates) update();
    for (const family of this.families.values()) yield family.render(format);
    if (format === 'openmetrics') yield '# EOF\n';
  }

  private family<S extends Series>(kind: MetricKind, options: MetricOptions, createSeries: (name: string, labels: string) => S): Family<S> {
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

function escapeText(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function escapeHelp(help: string, format: ExpositionFormat): string {
  return format === 'openmetrics' ? escapeText(help) : help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

/** Bounds are labels: both formats and every version of Prometheus shall see the same, which is OpenMetrics' canonical one. */
function formatBound(bound: number): string {
  return Number.isInteger(bound) ? bound.toFixed(1) : String(bound);
}

function formatNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}
