import { calculateCharge, picoToUsdNumber, PriceMissingError, type Meters } from '@switchyard/core';
import { findManifest } from '@switchyard/providers';
import { common, events, NAME_OF_END } from '@switchyard/proto';
import {
  attemptAttributes,
  attemptSpanName,
  HTTP,
  spanErrorType,
  SWITCHYARD,
  usdText,
  type AttemptReason,
  type Span,
  type SpanAttributes,
  type TraceContext,
} from '@switchyard/telemetry';
import type { AttemptRecord, Generation } from './core/generation.js';
import type { Settlement } from './core/settlement.js';
import { authLinks, decisionLinks, gatewayLinks, reserveLinks } from './request-links.js';
import type { KeptFor, RequestTrace, ReserveNote } from './request-trace.js';

function hasFailed(settlement: Settlement | undefined): boolean {
  return settlement?.end === events.GenerationEnd.UPSTREAM_FAILED || settlement?.end === events.GenerationEnd.GATEWAY_FAILED;
}

/** Why a settled generation is to be recorded whatever the sampler said; undefined when there is no reason. */
export function reasonToKeep(trace: RequestTrace, generation: Generation, settlement: Settlement): KeptFor | undefined {
  if (trace.context) return undefined;
  const { keep, slowMs, slowFirstTokenMs } = trace.tracer.config;
  if (keep.includes('errors') && hasFailed(settlement)) return 'error';
  if (keep.includes('slow')) {
    const tookMs = trace.clock.monotonicMs() - trace.receivedAtMs;
    // Who left before the first token has waited for it until then.
    const firstTokenMs = generation.request.stream ? (generation.attempts.at(-1)?.firstContentMs ?? tookMs) : 0;
    if (tookMs > slowMs || firstTokenMs > slowFirstTokenMs) return 'slow';
  }
  return keep.includes('fallbacks') && generation.attempts.length > 1 ? 'fallback' : undefined;
}

/** Makes the spans of a request that is recorded. `status`: what the client was told, 0 when it left before that. */
export function recordRequest(trace: RequestTrace, status: number): void {
  if (trace.context) new RequestSpans(trace, trace.context, status).record();
}

class RequestSpans {
  private readonly server: TraceContext;
  private readonly endedAtMs: number;

  constructor(
    private readonly trace: RequestTrace,
    private readonly gateway: TraceContext,
    private readonly status: number,
  ) {
    this.server = trace.tracer.childContext(gateway);
    this.endedAtMs = trace.clock.monotonicMs();
  }

  record(): void {
    const { trace } = this;
    this.recordServer();
    this.recordGateway();
    this.recordAuth();
    if (trace.decision) this.recordDecision(trace.decision);
    for (const note of trace.reserves) this.recordReserve(note);
    // Workers record what they are told to: not what is kept only now, and not what they were lost in.
    for (const attempt of trace.generation?.attempts ?? []) if (trace.keptFor || !attempt.isReported) this.recordAttempt(attempt);
  }

  private recordServer(): void {
    const { trace, status } = this;
    this.add({
      name: `POST ${trace.route}`,
      kind: 'server',
      context: this.server,
      parentSpanId: trace.parent?.spanId,
      ...this.times(trace.receivedAtMs, this.endedAtMs),
      attributes: {
        [HTTP.method]: 'POST',
        [HTTP.route]: trace.route,
        [HTTP.path]: trace.route,
        [HTTP.scheme]: 'http',
        [HTTP.statusCode]: status === 0 ? undefined : status,
        [SWITCHYARD.keptFor]: trace.keptFor,
      },
      errorType: status >= 500 ? String(status) : status === 200 && this.isError ? 'stream_interrupted' : undefined,
      ...(trace.link ? { links: [trace.link] } : {}),
    });
  }

  private recordGateway(): void {
    const { trace } = this;
    this.add({
      name: 'gateway.request',
      kind: 'internal',
      context: this.gateway,
      parentSpanId: this.server.spanId,
      ...this.times(trace.receivedAtMs, this.endedAtMs),
      attributes: trace.generation ? { ...generationAttributes(trace.generation), ...settlementAttributes(trace.generation, trace.settlement) } : {},
      errorType: this.isError ? this.errorType : undefined,
      links: gatewayLinks(trace, this.endedAtMs),
    });
  }

  private recordAuth(): void {
    const { trace } = this;
    const endedAtMs = trace.authenticatedAtMs ?? this.endedAtMs;
    this.child('auth.api_key', trace.receivedAtMs, endedAtMs, {}, authLinks(trace, this.endedAtMs), this.refusalBefore(trace.authenticatedAtMs));
  }

  private recordDecision({ startedAtMs, endedAtMs, plan }: NonNullable<RequestTrace['decision']>): void {
    const attributes = {
      [SWITCHYARD.strategy]: plan.strategy,
      [SWITCHYARD.candidates]: plan.candidates.length,
      [SWITCHYARD.excluded]: plan.excluded.length,
      [SWITCHYARD.order]: plan.candidates.map(({ endpoint }) => endpoint.endpointId),
      [SWITCHYARD.tableVersion]: plan.tableVersion.toString(),
    };
    this.child('decide', startedAtMs, endedAtMs, attributes, decisionLinks(this.trace));
  }

  private recordReserve(note: ReserveNote): void {
    const attributes = {
      [SWITCHYARD.attemptIndex]: note.attemptIndex,
      [SWITCHYARD.endpoint]: note.candidate.endpoint.endpointId,
      [SWITCHYARD.reserveOutcome]: note.outcome,
      [SWITCHYARD.reserved]: usdText(note.reservation?.reservedPico ?? 0n),
    };
    this.child('reserve', note.startedAtMs, note.endedAtMs, attributes, reserveLinks(this.trace, note));
  }

  private recordAttempt(attempt: AttemptRecord): void {
    const { generation } = this.trace;
    const startMs = this.trace.tracer.unixMs(generation!.startedAtMs + (attempt.startTimeMs - generation!.acceptTimeMs));
    const facts = attemptFacts(generation!, attempt);
    const endMs = startMs + attempt.durationMs;
    const context = this.trace.tracer.childContext(this.gateway);
    const attributes = attemptAttributes(facts);
    const { errorType } = facts;
    this.add({ name: attemptSpanName(facts), kind: 'client', context, parentSpanId: this.gateway.spanId, startMs, endMs, attributes, errorType });
  }

  /** A request that was refused before it came this far was refused here. */
  private refusalBefore(passedAtMs: number | undefined): string | undefined {
    return passedAtMs === undefined ? this.errorType : undefined;
  }

  /** A stream's error comes after its status: what the client was told counts, and 5xx. */
  private get isError(): boolean {
    return this.status >= 500 || this.trace.isOurError || hasFailed(this.trace.settlement);
  }

  private get errorType(): string {
    return this.trace.errorType ?? (this.trace.generation?.attempts.at(-1)?.error?.errorType || 'server');
  }

  /** A step of our own. */
  private child(name: string, startedAtMs: number, endedAtMs: number, attributes: SpanAttributes, links: readonly TraceContext[], errorType?: string): void {
    const context = this.trace.tracer.childContext(this.gateway);
    this.add({ name, kind: 'internal', context, parentSpanId: this.gateway.spanId, ...this.times(startedAtMs, endedAtMs), attributes, errorType, links });
  }

  private times(startedAtMs: number, endedAtMs: number): { readonly startMs: number; readonly endMs: number } {
    const { tracer } = this.trace;
    return { startMs: tracer.unixMs(startedAtMs), endMs: tracer.unixMs(endedAtMs) };
  }

  private add(span: Span): void {
    this.trace.tracer.record(span);
  }
}

function generationAttributes(generation: Generation): SpanAttributes {
  const { key, request, attempts } = generation;
  const last = attempts.at(-1);
  const firstContentMs = last?.firstContentMs;
  return {
    [SWITCHYARD.requestId]: generation.id,
    [SWITCHYARD.modelRequested]: last ? requestedModel(generation) : undefined,
    [SWITCHYARD.modelRouted]: last?.candidate.publicModel,
    [SWITCHYARD.attemptCount]: attempts.length,
    [SWITCHYARD.fallback]: attempts.some((attempt) => attempt.candidate.endpoint !== attempts[0]!.candidate.endpoint),
    [SWITCHYARD.byok]: false,
    [SWITCHYARD.organisation]: key.accountId,
    [SWITCHYARD.apiKey]: key.hash,
    [SWITCHYARD.providerSlug]: last?.candidate.endpoint.providerSlug,
    [SWITCHYARD.endpoint]: last?.candidate.endpoint.endpointId,
    [SWITCHYARD.timeToFirstToken]: request.stream && firstContentMs !== undefined ? firstContentMs / 1000 : undefined,
  };
}

/** What was asked for; a name that no table knows may be anything, also a secret, and is not repeated. */
function requestedModel({ request }: Generation): string | undefined {
  return request.routing.model ?? request.routing.models?.[0];
}

const LINE_NAMES: Readonly<Record<string, string>> = {
  input_uncached: 'input',
  input_audio: 'input',
  input_image_tokens: 'input',
  cache_read: 'cache_read',
  cache_read_audio: 'cache_read',
  cache_write_5m: 'cache_write',
  cache_write_1h: 'cache_write',
  output_text: 'output',
  output_audio: 'output',
  output_image_tokens: 'output',
  reasoning: 'reasoning',
  request: 'request',
  input_image: 'image',
  web_search: 'web_search',
};

/** Amounts are decimal texts, which lose nothing and which nobody adds to the providers' costs. */
function settlementAttributes(generation: Generation, settlement: Settlement | undefined): SpanAttributes {
  const last = generation.attempts.at(-1);
  if (!settlement || !last) return {};
  const lines = new Map<string, bigint>();
  for (const { meter, amountPico } of settlement.charge.lines) {
    const name = `switchyard.cost.${LINE_NAMES[meter] ?? meter}`;
    lines.set(name, (lines.get(name) ?? 0n) + amountPico);
  }
  const costs = generation.attempts.map(attemptCostPico);
  const upstream = costs.reduce<bigint | undefined>((sum, cost) => (sum === undefined || cost === undefined ? undefined : sum + cost), 0n);
  return {
    [SWITCHYARD.end]: NAME_OF_END[settlement.end],
    [SWITCHYARD.charged]: usdText(settlement.charge.amountPico),
    [SWITCHYARD.upstreamCost]: upstream === undefined ? undefined : usdText(upstream),
    [SWITCHYARD.currency]: 'USD',
    [SWITCHYARD.pricingVersion]: last.candidate.chargeSchedule.revision,
    ...Object.fromEntries([...lines].map(([name, amountPico]) => [name, usdText(amountPico)])),
  };
}

function attemptCostPico(attempt: AttemptRecord): bigint | undefined {
  return attempt.meters === undefined ? 0n : costOf(attempt, attempt.meters);
}

function costOf({ candidate, startTimeMs }: AttemptRecord, meters: Meters): bigint | undefined {
  try {
    return calculateCharge(candidate.costSchedule, meters, startTimeMs).amountPico;
  } catch (error) {
    if (error instanceof PriceMissingError) return undefined;
    throw error;
  }
}

/** An attempt as the ingress saw it. */
function attemptFacts(generation: Generation, attempt: AttemptRecord): Parameters<typeof attemptAttributes>[0] {
  const { candidate, end, upstreamStatus } = attempt;
  const { record } = candidate.endpoint;
  const { request } = generation;
  const costPico = attemptCostPico(attempt);
  const startedAfterMs = attempt.startTimeMs - generation.acceptTimeMs;
  const isError = end !== 'completed' && end !== 'client_gone';
  return {
    apiType: request.apiType,
    model: candidate.publicModel,
    providerModel: record.providerModelId,
    providerName: findManifest(record.providerSlug)?.otelProviderName ?? record.providerSlug,
    providerSlug: record.providerSlug,
    endpointId: record.endpointId,
    baseUrl: record.baseUrl,
    isStream: request.stream,
    maxOutputTokens: request.maxOutputTokens,
    index: attempt.index,
    reason: attemptReason(generation, attempt.index, attempt.candidate),
    responseId: attempt.upstreamId,
    finishReason: attempt.finishReason,
    firstContentMs: request.stream && attempt.firstContentMs !== undefined ? attempt.firstContentMs - startedAfterMs : undefined,
    meters: attempt.meters,
    isEstimated: attempt.usageSource === common.UsageSource.ESTIMATED,
    costUsd: costPico === undefined ? undefined : picoToUsdNumber(costPico),
    errorType: isError ? spanErrorType({ upstreamStatus, errorType: attempt.error?.errorType ?? end, hasOutput: attempt.outputBytes > 0 }) : undefined,
  };
}

/** Why the attempt with this index was made, from the one before it. */
export function attemptReason({ attempts }: Pick<Generation, 'attempts'>, index: number, candidate: AttemptRecord['candidate']): AttemptReason {
  const before = attempts[index - 1]?.candidate;
  if (!before) return 'primary';
  if (before === candidate) return 'retry';
  return before.model.slug === candidate.model.slug ? 'fallback_provider' : 'fallback_model';
}
