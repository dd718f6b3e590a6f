import { picoToUsdNumber } from '@switchyard/core';
import { findManifest } from '@switchyard/providers';
import { common, events, worker } from '@switchyard/proto';
import {
  attemptAttributes,
  attemptSpanName,
  formatTraceparent,
  HTTP,
  parseTraceparent,
  serverOf,
  spanErrorType,
  type AttemptReason,
  type TraceContext,
  type Tracer,
} from '@switchyard/telemetry';
import { beginContentCapture, type ContentCapture } from './content-capture.js';
import type { AttemptResult } from './core/attempt-report.js';
import { plainWord } from './core/plain-word.js';

/** The HTTP call of an attempt, in monotonic times. */
export interface CallNote {
  readonly url: URL;
  readonly startedAtMs: number;
}

/** One attempt that is recorded: its span is the parent of its HTTP call, whose context the provider gets. */
export class AttemptTrace {
  readonly context: TraceContext;
  /** Undefined unless prompt and answer are to stand on the span. */
  readonly capture: ContentCapture | undefined;
  private readonly callContext: TraceContext;
  private call: CallNote | undefined;

  constructor(
    private readonly tracer: Tracer,
    private readonly parent: TraceContext,
    private readonly start: worker.StartFrame,
    private readonly startedAtMs: number,
  ) {
    this.context = tracer.newContext(parent.traceId, start.tracestate);
    this.callContext = tracer.childContext(this.context);
    this.capture = beginContentCapture(tracer.config, start);
  }

  /** The call's `traceparent`. */
  calling(call: CallNote): string {
    this.call = call;
    return formatTraceparent(this.callContext);
  }

  /**
   * `event` tells the cost; an attempt that never reached for its provider has none. `credential`: the operator's, which is taken out of
   * what the provider said.
   */
  record(result: AttemptResult, event: events.AttemptCompleted | undefined, endedAtMs: number, credential: string | undefined): void {
    const { tracer, parent, context } = this;
    const errorType = errorTypeOf(result);
    const facts = attemptFacts(this.start, result, event, errorType, this.call?.url);
    const startMs = tracer.unixMs(this.startedAtMs);
    const endMs = tracer.unixMs(endedAtMs);
    const captured = this.capture?.content(credential);
    const attributes = captured ? { ...attemptAttributes(facts), ...captured.attributes } : attemptAttributes(facts);
    const contentBytes = captured?.contentBytes;
    tracer.record({ name: attemptSpanName(facts), kind: 'client', context, parentSpanId: parent.spanId, startMs, endMs, attributes, errorType, contentBytes });
    if (this.call) this.recordCall(this.call, result, endMs);
  }

  private recordCall({ url, startedAtMs }: CallNote, { upstreamStatus, error }: AttemptResult, endMs: number): void {
    const isRefused = upstreamStatus > 299;
    this.tracer.record({
      name: 'POST',
      kind: 'client',
      context: this.callContext,
      parentSpanId: this.context.spanId,
      startMs: this.tracer.unixMs(startedAtMs),
      endMs,
      attributes: {
        [HTTP.method]: 'POST',
        // Whatever stands behind the path may be a secret.
        [HTTP.fullUrl]: `${url.origin}${url.pathname}`,
        ...serverOf(url.origin),
        [HTTP.statusCode]: upstreamStatus === 0 ? undefined : upstreamStatus,
      },
      errorType: isRefused ? String(upstreamStatus) : upstreamStatus === 0 && error ? spanErrorType(failureOf(error, 0, false)) : undefined,
    });
  }
}

/** Undefined for an attempt that is not recorded. */
export function beginAttemptTrace(tracer: Tracer | undefined, start: worker.StartFrame, startedAtMs: number): AttemptTrace | undefined {
  if (!tracer || start.traceparent === '') return undefined;
  const parent = parseTraceparent(start.traceparent);
  return parent?.isSampled ? new AttemptTrace(tracer, parent, start, startedAtMs) : undefined;
}

/** An attempt that the ingress cancelled is no error. */
function errorTypeOf({ outcome, error, upstreamStatus, meters }: AttemptResult): string | undefined {
  if (outcome !== events.AttemptOutcome.UPSTREAM_FAILED || !error) return undefined;
  return spanErrorType(failureOf(error, upstreamStatus, meters !== undefined));
}

function failureOf(error: NonNullable<AttemptResult['error']>, upstreamStatus: number, hasOutput: boolean): Parameters<typeof spanErrorType>[0] {
  const isFirstToken = error.metadata?.['stage'] === 'first-token';
  return { upstreamStatus, errorType: isFirstToken ? 'first_token_timeout' : error.type, hasOutput };
}

function attemptFacts(
  start: worker.StartFrame,
  result: AttemptResult,
  event: events.AttemptCompleted | undefined,
  errorType: string | undefined,
  url: URL | undefined,
): Parameters<typeof attemptAttributes>[0] {
  const endpoint = start.endpoint ?? worker.AttemptEndpoint.create();
  const isCostKnown = event !== undefined && !event.flags.includes('cost_unknown');
  return {
    apiType: start.apiType,
    model: endpoint.model,
    providerModel: endpoint.providerModelId,
    providerName: findManifest(endpoint.providerSlug)?.otelProviderName ?? endpoint.providerSlug,
    providerSlug: endpoint.providerSlug,
    endpointId: endpoint.endpointId,
    baseUrl: url?.origin ?? endpoint.baseUrl,
    isStream: start.stream,
    maxOutputTokens: start.maxOutputTokens === undefined ? undefined : Number(start.maxOutputTokens),
    index: start.attemptIndex,
    reason: (start.attemptReason || 'primary') as AttemptReason,
    responseId: result.upstreamId,
    finishReason: result.finishReason,
    firstContentMs: result.firstTokenMs,
    meters: result.meters,
    isEstimated: result.usageSource === common.UsageSource.ESTIMATED,
    costUsd: isCostKnown ? picoToUsdNumber(event.costPico) : undefined,
    responseModel: plainWord(result.statement?.model ?? '') || undefined,
    statedCostUsd: result.statement?.costUsd,
    errorType,
  };
}
