import { completionTokenCount, picoToUsd, promptTokenCount, type Meters } from '@switchyard/core';
import { genAiOperation } from '../gen-ai-metrics.js';
import { ERROR_TYPE, GEN_AI, HTTP, SWITCHYARD } from './attribute-names.js';
import type { SpanAttributes } from './span.js';

/** What is known of one attempt at one provider, in the worker or in the ingress. */
export interface AttemptFacts {
  /** `chat`, `completions` or `embeddings`. */
  readonly apiType: string;
  /** The public name. */
  readonly model: string;
  readonly providerModel: string;
  /** `gen_ai.provider.name`: the conventions' own word where they have one. */
  readonly providerName: string;
  readonly providerSlug: string;
  readonly endpointId: string;
  readonly baseUrl: string;
  readonly isStream: boolean;
  readonly maxOutputTokens: number | undefined;
  readonly index: number;
  readonly reason: AttemptReason;
  readonly responseId: string;
  /** What the provider says answered, where that is known here. */
  readonly responseModel?: string | undefined;
  readonly finishReason: string;
  /** From the attempt's own start; streams alone. */
  readonly firstContentMs: number | undefined;
  readonly meters: Meters | undefined;
  readonly isEstimated: boolean;
  /** By the attempt's own prices, in USD; undefined where nobody knows. */
  readonly costUsd: number | undefined;
  /** What the provider says it costs, in USD: this counts. */
  readonly statedCostUsd?: number | undefined;
  readonly errorType: string | undefined;
}

/** Why an attempt was made. */
export type AttemptReason = 'primary' | 'retry' | 'fallback_provider' | 'fallback_model';

/** The name of an attempt's span: operation and public model. */
export function attemptSpanName(facts: Pick<AttemptFacts, 'apiType' | 'model'>): string {
  return `${genAiOperation(facts.apiType)} ${facts.model}`;
}

/** Attributes of an inference span: these spans alone tell of usage and cost, so that sums count nothing twice. */
export function attemptAttributes(facts: AttemptFacts): SpanAttributes {
  return {
    [GEN_AI.operation]: genAiOperation(facts.apiType),
    [GEN_AI.provider]: facts.providerName,
    [GEN_AI.requestModel]: facts.model,
    [GEN_AI.requestStream]: facts.isStream ? true : undefined,
    [GEN_AI.requestMaxTokens]: facts.maxOutputTokens,
    ...serverOf(facts.baseUrl),
    [GEN_AI.responseId]: facts.errorType === undefined || facts.meters ? facts.responseId || undefined : undefined,
    [GEN_AI.responseModel]: facts.responseModel,
    [GEN_AI.finishReasons]: finishReasonsOf(facts),
    [GEN_AI.timeToFirstChunk]: facts.firstContentMs === undefined ? undefined : facts.firstContentMs / 1000,
    ...usageOf(facts),
    ...costOf(facts),
    [SWITCHYARD.attemptIndex]: facts.index,
    [SWITCHYARD.attemptReason]: facts.reason,
    [SWITCHYARD.providerSlug]: facts.providerSlug,
    [SWITCHYARD.providerModel]: facts.providerModel,
    [SWITCHYARD.endpoint]: facts.endpointId,
    [ERROR_TYPE]: facts.errorType,
  };
}

/** An amount for an attribute: all twelve places, so that nothing is lost and amounts of different sizes line up. */
export function usdText(amountPico: bigint): string {
  const [whole = '0', fraction = ''] = picoToUsd(amountPico).split('.');
  return `${whole}.${fraction.padEnd(12, '0')}`;
}

/** `server.address` and `server.port`; what is no URL has neither. */
export function serverOf(baseUrl: string): SpanAttributes {
  if (!URL.canParse(baseUrl)) return {};
  const { hostname, port, protocol } = new URL(baseUrl);
  return { [HTTP.serverAddress]: hostname, [HTTP.serverPort]: port === '' ? (protocol === 'http:' ? 80 : 443) : Number(port) };
}

/** A word for `error.type`, of few possible values: the provider's status, or how it failed without one. */
export function spanErrorType(failure: { readonly upstreamStatus: number; readonly errorType: string; readonly hasOutput: boolean }): string {
  if (failure.upstreamStatus > 299) return String(failure.upstreamStatus);
  if (failure.errorType.endsWith('timeout')) return failure.errorType;
  if (failure.upstreamStatus === 0) return failure.errorType === 'provider_unavailable' ? 'connection_error' : failure.errorType || '_OTHER';
  return failure.hasOutput ? 'stream_interrupted' : failure.errorType || 'invalid_response';
}

/** A stream that died before its final event has `error` in that place. */
function finishReasonsOf({ finishReason, errorType, meters, apiType }: AttemptFacts): readonly string[] | undefined {
  if (finishReason !== '') return [finishReason];
  return errorType !== undefined && meters !== undefined && apiType !== 'embeddings' ? ['error'] : undefined;
}

function usageOf({ meters, isEstimated }: AttemptFacts): SpanAttributes {
  if (!meters) return {};
  const cacheWrite = (meters.cache_write_5m ?? 0) + (meters.cache_write_1h ?? 0);
  return {
    [GEN_AI.inputTokens]: promptTokenCount(meters),
    [GEN_AI.outputTokens]: completionTokenCount(meters),
    [GEN_AI.cacheReadTokens]: meters.cache_read || undefined,
    [GEN_AI.cacheWriteTokens]: cacheWrite || undefined,
    [GEN_AI.cacheCreationTokens]: cacheWrite || undefined,
    [GEN_AI.reasoningTokens]: meters.reasoning || undefined,
    [SWITCHYARD.usageEstimated]: isEstimated ? true : undefined,
  };
}

function costOf({ costUsd, statedCostUsd }: AttemptFacts): SpanAttributes {
  const amount = statedCostUsd ?? costUsd;
  if (amount === undefined) return {};
  return { [GEN_AI.costAmount]: amount, [GEN_AI.costCurrency]: 'USD', [GEN_AI.costSource]: statedCostUsd === undefined ? 'local' : 'provider' };
}
