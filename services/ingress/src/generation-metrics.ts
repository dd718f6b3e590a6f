import type { Metrics, Counter, Histogram, MetricFamily } from '@switchyard/telemetry';
import { completionTokenCount, promptTokenCount } from '@switchyard/core';
import type { AttemptRecord, Generation } from './core/generation.js';
import type { Settlement } from './core/settlement.js';

const SECONDS_BUCKETS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];

/** Counters of the data path. Series are looked up by short strings and kept, so that a request pays additions only. */
export class GenerationMetrics {
  private readonly generations: SeriesCache<Counter>;
  private readonly attempts: SeriesCache<Counter>;
  private readonly promptTokens: SeriesCache<Counter>;
  private readonly completionTokens: SeriesCache<Counter>;
  private readonly firstToken: SeriesCache<Histogram>;
  private readonly duration: SeriesCache<Histogram>;

  constructor(metrics: Metrics) {
    this.generations = new SeriesCache(
      metrics.counter({ name: 'switchyard_generations_total', help: 'Generations by their end.', labelNames: ['api', 'end'] }),
      ['api', 'end'],
    );
    this.attempts = new SeriesCache(
      metrics.counter({ name: 'switchyard_attempts_total', help: 'Attempts by provider and outcome.', labelNames: ['provider', 'outcome'] }),
      ['provider', 'outcome'],
    );
    this.promptTokens = new SeriesCache(
      metrics.counter({ name: 'switchyard_prompt_tokens_total', help: 'Prompt tokens billed, by provider.', labelNames: ['provider'] }),
      ['provider'],
    );
    this.completionTokens = new SeriesCache(
      metrics.counter({ name: 'switchyard_completion_tokens_total', help: 'Completion tokens billed, by provider.', labelNames: ['provider'] }),
      ['provider'],
    );
    this.firstToken = new SeriesCache(
      metrics.histogram({
        name: 'switchyard_first_token_seconds',
        help: 'Time from accept to first content, by provider.',
        labelNames: ['provider'],
        buckets: SECONDS_BUCKETS,
      }),
      ['provider'],
    );
    this.duration = new SeriesCache(
      metrics.histogram({
        name: 'switchyard_generation_seconds',
        help: 'Time from accept to the last content, by provider.',
        labelNames: ['provider'],
        buckets: SECONDS_BUCKETS,
      }),
      ['provider'],
    );
  }

  attemptEnded(attempt: AttemptRecord): void {
    this.attempts.of(attempt.candidate.endpoint.providerSlug, attempt.error?.errorType || attempt.end).increment();
  }

  generationEnded(generation: Generation, attempt: AttemptRecord, settlement: Settlement): void {
    const provider = attempt.candidate.endpoint.providerSlug;
    this.generations.of(generation.request.apiType, settlement.end).increment();
    this.promptTokens.of(provider).increment(promptTokenCount(settlement.meters));
    this.completionTokens.of(provider).increment(completionTokenCount(settlement.meters));
    if (attempt.firstContentMs !== undefined) this.firstToken.of(provider).observe(attempt.firstContentMs / 1000);
    this.duration.of(provider).observe(attempt.durationMs / 1000);
  }
}

/** Series by label values, so that the label object is built once per series. */
class SeriesCache<Series> {
  private readonly series = new Map<string, Series>();

  constructor(
    private readonly family: MetricFamily<Series>,
    private readonly labelNames: readonly string[],
  ) {}

  of(first: string, second?: string): Series {
    const key = second === undefined ? first : `${first}\n${second}`;
    let series = this.series.get(key);
    if (!series) {
      const values = [first, second ?? ''];
      series = this.family.labels(Object.fromEntries(this.labelNames.map((name, index) => [name, values[index]!])));
      this.series.set(key, series);
    }
    return series;
  }
}
