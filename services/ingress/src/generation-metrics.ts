import { API_TYPES, completionTokenCount, picoToUsdNumber, promptTokenCount, publicModelId, type ApiType } from '@switchyard/core';
import { errorRow, isErrorType, type ErrorRow, type SwitchyardError } from '@switchyard/errors';
import { events, NAME_OF_END, type GenerationEndName } from '@switchyard/proto';
import type { RoutingEndpoint } from '@switchyard/routing';
import {
  BoundedTexts,
  exemplarOf,
  GEN_AI_SERVER_DURATION,
  GEN_AI_SERVER_FIRST_TOKEN,
  GEN_AI_SERVER_OUTPUT_TOKEN,
  genAiOperation,
  LABELLED_MODELS_MAX,
  SeriesCache,
  type Counter,
  type Histogram,
  type Metrics,
} from '@switchyard/telemetry';
import { attemptErrorType } from './core/fallback.js';
import { traceparentOf, type AttemptRecord, type Generation } from './core/generation.js';
import type { Settlement } from './core/settlement.js';
import {
  ATTEMPTS,
  CHARGED,
  COMPLETION_TOKENS,
  EARLY_ABORTS,
  FALLBACKS,
  FIRST_TOKEN,
  FLAGGED_CHARGES,
  GENERATIONS,
  PROMPT_TOKENS,
  REFUSALS,
} from './ingress-metrics.js';

/** Endpoints come and go with the table; their series stay with the metrics, of which there is a bound. */
const MAX_KEPT_ENDPOINTS = 10_000;

/** Whose doing the failure of an attempt is. What an account may do is known before: a provider that refuses for such a reason means the operator's. */
type FailureBlame = Exclude<ErrorRow['blame'], 'account'>;

/** What is counted per API. */
interface ApiSeries {
  readonly ends: Readonly<Record<events.GenerationEnd, Counter>>;
  /** Of the end `upstream_failed`. */
  readonly failures: Readonly<Record<FailureBlame, Counter>>;
  readonly fallbacks: Counter;
  readonly firstToken: Histogram;
  readonly endpoints: Map<string, EndpointSeries>;
}

/** What is counted per provider and model. */
interface EndpointSeries {
  readonly promptTokens: Counter;
  readonly completionTokens: Counter;
  readonly charged: Counter;
  readonly firstToken: Histogram;
  readonly perOutputToken: Histogram;
  /** By error type; empty for none. */
  readonly duration: SeriesCache<Histogram>;
}

/**
 * Counters of the data path. All series of an endpoint are found by one look-up of its id and then kept, so that a request pays for
 * additions: no label is put together, and no object made.
 */
export class GenerationMetrics {
  private readonly apis: Readonly<Record<ApiType, ApiSeries>>;
  private readonly attempts: SeriesCache<SeriesCache<Counter>>;
  private readonly refusals: Readonly<Record<ApiType, SeriesCache<Counter>>>;
  private readonly flags: SeriesCache<Counter>;
  private readonly earlyAborts: Counter;
  private readonly models = new BoundedTexts(LABELLED_MODELS_MAX);

  /** `providerNameOf`: the semantic conventions' name of a provider by its slug. */
  constructor(
    private readonly metrics: Metrics,
    private readonly providerNameOf: (slug: string) => string = (slug) => slug,
  ) {
    this.apis = perApi((api) => this.apiSeries(api));
    const attempts = metrics.counter(ATTEMPTS);
    this.attempts = new SeriesCache((provider) => new SeriesCache((outcome) => attempts.labels({ provider, outcome })));
    this.refusals = perApi((api) => this.refusalSeries(api));
    const flags = metrics.counter(FLAGGED_CHARGES);
    this.flags = new SeriesCache((flag) => flags.labels({ flag }));
    for (const flag of ['usage_estimated', 'price_missing']) this.flags.of(flag);
    this.earlyAborts = metrics.counter(EARLY_ABORTS).labels();
  }

  attemptEnded(attempt: AttemptRecord): void {
    this.attempts
      .of(attempt.candidate.endpoint.providerSlug)
      .of(attempt.error?.errorType || attempt.end)
      .increment();
    if (attempt.end === 'client_gone' && attempt.upstreamStatus === 0) this.earlyAborts.increment();
  }

  generationEnded(generation: Generation, attempt: AttemptRecord, settlement: Settlement): void {
    const { request } = generation;
    const api = this.apis[request.apiType];
    const series = this.endpointSeries(api, request.apiType, attempt.candidate.endpoint);
    const traceId = exemplarOf(traceparentOf(generation));
    const outputTokens = completionTokenCount(settlement.meters);
    const seconds = (attempt.startTimeMs - generation.acceptTimeMs + attempt.durationMs) / 1_000;
    (settlement.end === events.GenerationEnd.UPSTREAM_FAILED ? api.failures[blameOf(attempt)] : api.ends[settlement.end]).increment();
    if (generation.attempts.length > 1) api.fallbacks.increment();
    series.promptTokens.increment(promptTokenCount(settlement.meters));
    series.completionTokens.increment(outputTokens);
    if (settlement.charge.amountPico > 0n) series.charged.increment(picoToUsdNumber(settlement.charge.amountPico));
    series.duration.of(attempt.error?.errorType ?? '').observe(seconds, traceId);
    if (request.stream && attempt.firstContentMs !== undefined) {
      const firstTokenSeconds = attempt.firstContentMs / 1_000;
      api.firstToken.observe(firstTokenSeconds, traceId);
      series.firstToken.observe(firstTokenSeconds, traceId);
      if (outputTokens > 1) series.perOutputToken.observe((seconds - firstTokenSeconds) / (outputTokens - 1));
    }
    for (const flag of settlement.flags) this.flags.of(flag).increment();
  }

  /** An error before any attempt decided how the request ends. */
  refused(api: ApiType, error: SwitchyardError): void {
    this.refusals[api].of(error.type).increment();
  }

  private apiSeries(api: ApiType): ApiSeries {
    const generations = this.metrics.counter(GENERATIONS);
    const series = (end: GenerationEndName, blame: string) => generations.labels({ api, end, blame });
    const failure = (blame: FailureBlame) => series('upstream_failed', blame);
    const ends = Object.entries(NAME_OF_END).map(([end, name]) => {
      const isCounted = name !== undefined && name !== 'upstream_failed';
      return [end, isCounted ? series(name, name === 'gateway_failed' ? 'gateway' : '') : UNCOUNTED];
    });
    return {
      ends: Object.fromEntries(ends) as Record<events.GenerationEnd, Counter>,
      failures: { client: failure('client'), upstream: failure('upstream'), gateway: failure('gateway') },
      fallbacks: this.metrics.counter(FALLBACKS).labels({ api }),
      firstToken: this.metrics.histogram(FIRST_TOKEN).labels({ api }),
      endpoints: new Map(),
    };
  }

  private refusalSeries(api: ApiType): SeriesCache<Counter> {
    const refusals = this.metrics.counter(REFUSALS);
    return new SeriesCache((type) => refusals.labels({ api, error_type: type, blame: isErrorType(type) ? errorRow(type).blame : 'gateway' }));
  }

  private endpointSeries(series: ApiSeries, api: ApiType, endpoint: RoutingEndpoint): EndpointSeries {
    return series.endpoints.get(endpoint.endpointId) ?? this.addEndpoint(series, api, endpoint);
  }

  private addEndpoint(series: ApiSeries, api: ApiType, endpoint: RoutingEndpoint): EndpointSeries {
    const { metrics } = this;
    const provider = endpoint.providerSlug;
    const model = this.models.of(publicModelId(endpoint.modelSlug, endpoint.variant));
    const labels = { gen_ai_operation_name: genAiOperation(api), gen_ai_provider_name: this.providerNameOf(provider), gen_ai_request_model: model };
    const duration = metrics.histogram(GEN_AI_SERVER_DURATION);
    const created: EndpointSeries = {
      promptTokens: metrics.counter(PROMPT_TOKENS).labels({ provider, model }),
      completionTokens: metrics.counter(COMPLETION_TOKENS).labels({ provider, model }),
      charged: metrics.counter(CHARGED).labels({ provider, model }),
      firstToken: metrics.histogram(GEN_AI_SERVER_FIRST_TOKEN).labels(labels),
      perOutputToken: metrics.histogram(GEN_AI_SERVER_OUTPUT_TOKEN).labels(labels),
      duration: new SeriesCache((errorType) => duration.labels({ ...labels, error_type: errorType })),
    };
    if (series.endpoints.size >= MAX_KEPT_ENDPOINTS) series.endpoints.clear();
    series.endpoints.set(endpoint.endpointId, created);
    return created;
  }
}

function blameOf(attempt: AttemptRecord): FailureBlame {
  const { blame } = errorRow(attemptErrorType(attempt));
  return blame === 'account' ? 'upstream' : blame;
}

/** No generation ends in ways that have no name; what failed is counted by whose doing it was. */
const UNCOUNTED: Counter = { increment: () => undefined, raiseTo: () => undefined };

function perApi<Value>(valueOf: (api: ApiType) => Value): Readonly<Record<ApiType, Value>> {
  return Object.fromEntries(API_TYPES.map((api) => [api, valueOf(api)])) as Record<ApiType, Value>;
}
