import type { AttemptDeadlines } from './routing-plan.js';
import type { DeadlineSettings, RoutingRequest } from './routing-request.js';
import type { RoutingModel } from './routing-table.js';
import type { EndpointStatisticsRecord } from './table-records.js';

export const DEFAULT_DEADLINES: DeadlineSettings = {
  connectMs: 2_000,
  firstTokenUnknownMs: 30_000,
  firstTokenMinMs: 1_500,
  firstTokenMaxMs: 30_000,
  firstTokenFactor: 3,
  betweenChunksMs: 60_000,
  totalMs: 600_000,
};

/** Prompts beyond this are longer than usual and get proportionally more time. */
const USUAL_PROMPT_TOKENS = 10_000;
/** A model that thinks before its answer: more to wait for, and more to write. Some requests of one endpoint think, others hardly do, so that what is usual says little. */
const REASONING_FACTOR = 4;
/** Output that a whole answer is expected to have when the client named no limit. */
const USUAL_OUTPUT_TOKENS = 4_096;
/** Throughput while nothing is known, tokens per second. */
const CAUTIOUS_THROUGHPUT = 20;
/** Of an endpoint without any measure: most answer within it, and one that is still out keeps a client no longer. */
const PROBE_UNKNOWN_MS = 10_000;
const PROBE_FACTOR = 1.2;
/** Half of all first tokens come within the median; twice that is enough for an endpoint that is well again. */
const PROBE_MEDIAN_FACTOR = 2;
const PROBE_MIN_MS = 150;

/**
 * How long an attempt may take (connect, first token, between chunks, in all). `isHurried`: a probe of an endpoint that
 * failed gets little more than its usual time, so that finding it still broken costs the client next to nothing.
 */
export function attemptDeadlines(
  settings: DeadlineSettings,
  request: RoutingRequest,
  model: RoutingModel,
  statistics: EndpointStatisticsRecord | undefined,
  isHurried: boolean,
): AttemptDeadlines {
  const p99Ms = statistics?.last5m?.firstTokenMs?.p99;
  const reasoningFactor = reasons(request, model) ? REASONING_FACTOR : 1;
  const scale = Math.max(1, request.promptTokensEstimate / USUAL_PROMPT_TOKENS) * reasoningFactor;
  let firstTokenMs = settings.firstTokenUnknownMs * scale;
  if (p99Ms !== undefined && p99Ms > 0) {
    const usualMs = p99Ms * settings.firstTokenFactor * scale;
    firstTokenMs = Math.min(Math.max(usualMs, settings.firstTokenMinMs), settings.firstTokenMaxMs * scale);
  }
  if (isHurried) firstTokenMs = Math.min(firstTokenMs, probeMs(statistics) * scale);
  if (!request.stream) firstTokenMs += wholeAnswerMs(request, statistics, reasoningFactor);
  return {
    connectMs: settings.connectMs,
    firstTokenMs: Math.round(Math.min(firstTokenMs, settings.totalMs)),
    betweenChunksMs: settings.betweenChunksMs,
    totalMs: settings.totalMs,
  };
}

function reasons({ uses }: RoutingRequest, { record }: RoutingModel): boolean {
  return record.reasoningMandatory || (uses.reasoning && uses.forbidsReasoning !== true);
}

/**
 * By the median, because one slow answer among many moves the p99 of a quiet endpoint for minutes. Who was out for long was not measured lately.
 */
function probeMs(statistics: EndpointStatisticsRecord | undefined): number {
  const usual = statistics?.last5m?.firstTokenMs ?? statistics?.last30m?.firstTokenMs;
  if (usual === undefined || usual.p99 <= 0) return PROBE_UNKNOWN_MS;
  return Math.min(usual.p99 * PROBE_FACTOR, Math.max(usual.p50 * PROBE_MEDIAN_FACTOR, PROBE_MIN_MS));
}

/** A whole answer brings its first byte with its last: the time its tokens need is added. */
function wholeAnswerMs(request: RoutingRequest, statistics: EndpointStatisticsRecord | undefined, reasoningFactor: number): number {
  if (request.apiType === 'embeddings') return 0;
  const tokensPerSecond = statistics?.last5m?.throughput?.p50 ?? CAUTIOUS_THROUGHPUT;
  return ((request.maxOutputTokens ?? USUAL_OUTPUT_TOKENS * reasoningFactor) / Math.max(tokensPerSecond, 1)) * 2_000;
}
