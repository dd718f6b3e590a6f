import { completionTokenCount, picoToUsdNumber, promptTokenCount } from '@switchyard/core';
import { common, events, type worker } from '@switchyard/proto';
import { findManifest } from '@switchyard/providers';
import {
  BoundedTexts,
  counterDefinition,
  exemplarOf,
  gaugeDefinition,
  GEN_AI_CLIENT_DURATION,
  GEN_AI_CLIENT_FIRST_CHUNK,
  GEN_AI_CLIENT_METRICS,
  GEN_AI_CLIENT_TOKENS,
  genAiOperation,
  LABELLED_MODELS_MAX,
  SeriesCache,
  type Counter,
  type Histogram,
  type MetricDefinition,
  type Metrics,
} from '@switchyard/telemetry';
import type { AttemptResult } from './core/attempt-report.js';

/** Endpoints come and go with the table; their series stay with the metrics, of which there is a bound. */
const MAX_KEPT_ENDPOINTS = 10_000;

const RUNNING = gaugeDefinition({ name: 'switchyard_worker_running_attempts', help: 'Attempts that run now.' });
const SESSIONS = gaugeDefinition({ name: 'switchyard_worker_sessions', help: 'Sessions of ingresses that are open now.' });
const ATTEMPTS = counterDefinition({
  name: 'switchyard_worker_attempts_total',
  help: 'Attempts that ended in this worker.',
  labelNames: ['provider', 'outcome', 'error_type'],
});
const COST = counterDefinition({
  name: 'switchyard_upstream_cost_usd_total',
  help: 'What providers charge for attempts, by the catalogue’s cost prices. For dashboards: books are kept in integers, elsewhere.',
  unit: 'usd',
  labelNames: ['provider', 'model'],
});

/** Every metric of a worker beside its spool's. */
export const WORKER_METRICS: readonly MetricDefinition[] = [...GEN_AI_CLIENT_METRICS, ATTEMPTS, COST, RUNNING, SESSIONS];

const OUTCOME_LABELS: Readonly<Record<events.AttemptOutcome, string>> = {
  [events.AttemptOutcome.UNSPECIFIED]: 'unknown',
  [events.AttemptOutcome.COMPLETED]: 'completed',
  [events.AttemptOutcome.UPSTREAM_FAILED]: 'failed',
  [events.AttemptOutcome.CANCELLED]: 'cancelled',
  [events.AttemptOutcome.SESSION_LOST]: 'session_lost',
  [events.AttemptOutcome.UNRECOGNIZED]: 'unknown',
};

/** What a provider refuses for its client's sake is no failure of the provider. */
function outcomeOf({ outcome, error }: AttemptResult): string {
  const isRefused = outcome === events.AttemptOutcome.UPSTREAM_FAILED && error?.row.blame === 'client';
  return isRefused ? 'refused' : OUTCOME_LABELS[outcome];
}

/** What is counted per endpoint and operation. */
interface EndpointSeries {
  readonly inputTokens: Histogram;
  readonly outputTokens: Histogram;
  readonly firstChunk: Histogram;
  readonly cost: Counter;
  /** By outcome, then by error type; empty for none. */
  readonly ends: SeriesCache<SeriesCache<EndSeries>>;
}

interface EndSeries {
  readonly attempts: Counter;
  readonly duration: Histogram;
}

/** Counts attempts by provider, model and outcome, and how long they took. An attempt pays for look-ups of short texts and additions. */
export class WorkerMetrics {
  private readonly operations = new Map<string, Map<string, EndpointSeries>>();
  private readonly models = new BoundedTexts(LABELLED_MODELS_MAX);

  constructor(
    private readonly metrics: Metrics,
    runningAttempts: () => number,
    openSessions: () => number,
  ) {
    const running = metrics.gauge(RUNNING).labels();
    const sessions = metrics.gauge(SESSIONS).labels();
    metrics.onScrape(() => {
      running.set(runningAttempts());
      sessions.set(openSessions());
    });
  }

  /** `costPico`: what the provider charges for it, by the catalogue. */
  observe(start: worker.StartFrame, result: AttemptResult, costPico: bigint): void {
    const series = this.seriesOf(start);
    const traceId = exemplarOf(start.traceparent);
    const end = series.ends.of(outcomeOf(result)).of(result.error?.type ?? '');
    end.attempts.increment();
    end.duration.observe(Math.max(0, result.endTimeMs - result.startTimeMs) / 1_000, traceId);
    if (result.firstTokenMs !== undefined) series.firstChunk.observe(result.firstTokenMs / 1_000, traceId);
    if (result.meters !== undefined && result.usageSource === common.UsageSource.PROVIDER) {
      series.inputTokens.observe(promptTokenCount(result.meters), traceId);
      series.outputTokens.observe(completionTokenCount(result.meters), traceId);
    }
    if (costPico > 0n) series.cost.increment(picoToUsdNumber(costPico));
  }

  private seriesOf({ apiType, endpoint }: worker.StartFrame): EndpointSeries {
    let endpoints = this.operations.get(apiType);
    if (endpoints === undefined) {
      endpoints = new Map();
      this.operations.set(apiType, endpoints);
    }
    const endpointId = endpoint?.endpointId ?? '';
    let series = endpoints.get(endpointId);
    if (series === undefined) {
      if (endpoints.size >= MAX_KEPT_ENDPOINTS) endpoints.clear();
      series = this.createSeries(apiType, endpoint);
      endpoints.set(endpointId, series);
    }
    return series;
  }

  private createSeries(apiType: string, endpoint: worker.AttemptEndpoint | undefined): EndpointSeries {
    const { metrics } = this;
    const provider = endpoint?.providerSlug ?? '';
    const model = this.models.of(endpoint?.model ?? '');
    const labels = {
      gen_ai_operation_name: genAiOperation(apiType),
      gen_ai_provider_name: findManifest(provider)?.otelProviderName ?? provider,
      gen_ai_request_model: model,
    };
    const tokens = metrics.histogram(GEN_AI_CLIENT_TOKENS);
    const attempts = metrics.counter(ATTEMPTS);
    const duration = metrics.histogram(GEN_AI_CLIENT_DURATION);
    const endSeries = (outcome: string, errorType: string): EndSeries => ({
      attempts: attempts.labels({ provider, outcome, error_type: errorType }),
      duration: duration.labels({ ...labels, error_type: errorType }),
    });
    return {
      inputTokens: tokens.labels({ ...labels, gen_ai_token_type: 'input' }),
      outputTokens: tokens.labels({ ...labels, gen_ai_token_type: 'output' }),
      firstChunk: metrics.histogram(GEN_AI_CLIENT_FIRST_CHUNK).labels(labels),
      cost: metrics.counter(COST).labels({ provider, model }),
      ends: new SeriesCache((outcome) => new SeriesCache((errorType) => endSeries(outcome, errorType))),
    };
  }
}
