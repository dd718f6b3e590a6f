import type { ApiType } from '@switchyard/core';
import { histogramDefinition, type MetricDefinition } from './metric-definition.js';

/*
 * Metrics of OpenTelemetry's semantic conventions for generative AI (1.41) and HTTP under the names that OpenTelemetry gives them in Prometheus:
 * dots become underscores, the unit `s` the suffix `_seconds`, and a unit in braces none.
 */

/** Upper bounds that the conventions advise. */
const SECONDS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const FIRST_TOKEN_SECONDS = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
const TOKEN_SECONDS = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5];
const TOKENS = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864];
const HTTP_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/** Their values are as many as the catalogue's endpoints. */
const sharedLabelNames = ['gen_ai_provider_name', 'gen_ai_request_model'];
const MODEL_LABELS = ['gen_ai_operation_name', ...sharedLabelNames];

export const GEN_AI_CLIENT_DURATION = histogramDefinition({
  name: 'gen_ai_client_operation_duration_seconds',
  help: 'Duration of one attempt at a provider (gen_ai.client.operation.duration).',
  unit: 'seconds',
  labelNames: [...MODEL_LABELS, 'error_type'],
  sharedLabelNames,
  buckets: SECONDS,
});

export const GEN_AI_CLIENT_TOKENS = histogramDefinition({
  name: 'gen_ai_client_token_usage',
  help: 'Tokens of one attempt that the provider bills; nothing where it did not say (gen_ai.client.token.usage).',
  labelNames: [...MODEL_LABELS, 'gen_ai_token_type'],
  sharedLabelNames,
  maxSeries: 600,
  buckets: TOKENS,
});

export const GEN_AI_CLIENT_FIRST_CHUNK = histogramDefinition({
  name: 'gen_ai_client_operation_time_to_first_chunk_seconds',
  help: 'From when the provider of a streamed attempt was asked to its first content (gen_ai.client.operation.time_to_first_chunk).',
  unit: 'seconds',
  labelNames: MODEL_LABELS,
  sharedLabelNames,
  buckets: SECONDS,
});

export const GEN_AI_SERVER_DURATION = histogramDefinition({
  name: 'gen_ai_server_request_duration_seconds',
  help: 'From accepting a request to the end of its last attempt, fallbacks included (gen_ai.server.request.duration).',
  unit: 'seconds',
  labelNames: [...MODEL_LABELS, 'error_type'],
  sharedLabelNames,
  buckets: SECONDS,
});

export const GEN_AI_SERVER_FIRST_TOKEN = histogramDefinition({
  name: 'gen_ai_server_time_to_first_token_seconds',
  help: 'From accepting a streamed request to its first content, fallbacks included (gen_ai.server.time_to_first_token).',
  unit: 'seconds',
  labelNames: MODEL_LABELS,
  sharedLabelNames,
  buckets: FIRST_TOKEN_SECONDS,
});

export const GEN_AI_SERVER_OUTPUT_TOKEN = histogramDefinition({
  name: 'gen_ai_server_time_per_output_token_seconds',
  help: 'Time per token of a streamed answer after its first (gen_ai.server.time_per_output_token).',
  unit: 'seconds',
  labelNames: MODEL_LABELS,
  sharedLabelNames,
  buckets: TOKEN_SECONDS,
});

export const HTTP_SERVER_DURATION = histogramDefinition({
  name: 'http_server_request_duration_seconds',
  help: 'From a request’s headers to the end of its answer (http.server.request.duration).',
  unit: 'seconds',
  labelNames: ['http_request_method', 'http_route', 'http_response_status_code'],
  sharedLabelNames: ['http_route'],
  buckets: HTTP_SECONDS,
});

/** What the attempts of a worker are measured by. */
export const GEN_AI_CLIENT_METRICS: readonly MetricDefinition[] = [GEN_AI_CLIENT_DURATION, GEN_AI_CLIENT_TOKENS, GEN_AI_CLIENT_FIRST_CHUNK];
/** What the requests of an ingress are measured by. */
export const GEN_AI_SERVER_METRICS: readonly MetricDefinition[] = [GEN_AI_SERVER_DURATION, GEN_AI_SERVER_FIRST_TOKEN, GEN_AI_SERVER_OUTPUT_TOKEN];

const GEN_AI_OPERATIONS: Readonly<Record<ApiType, string>> = { chat: 'chat', completions: 'text_completion', embeddings: 'embeddings' };

/** `gen_ai.operation.name` of an API type; what this version does not know is taken for a chat. */
export function genAiOperation(apiType: string): string {
  return Object.hasOwn(GEN_AI_OPERATIONS, apiType) ? GEN_AI_OPERATIONS[apiType as ApiType] : GEN_AI_OPERATIONS.chat;
}
