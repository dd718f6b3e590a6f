/**
 * Every name that spans and their resources use, in one place: the conventions for GenAI are in development and may still change.
 * `gen_ai.*` as of OpenTelemetry's semantic conventions 1.41 and the cost proposal that followed; `switchyard.*` is our own.
 */
export const SCHEMA_URL = 'https://opentelemetry.io/schemas/1.41.0';

export const GEN_AI = {
  operation: 'gen_ai.operation.name',
  provider: 'gen_ai.provider.name',
  requestModel: 'gen_ai.request.model',
  requestStream: 'gen_ai.request.stream',
  requestMaxTokens: 'gen_ai.request.max_tokens',
  responseId: 'gen_ai.response.id',
  responseModel: 'gen_ai.response.model',
  finishReasons: 'gen_ai.response.finish_reasons',
  timeToFirstChunk: 'gen_ai.response.time_to_first_chunk',
  inputTokens: 'gen_ai.usage.input_tokens',
  cacheReadTokens: 'gen_ai.usage.cache_read.input_tokens',
  cacheWriteTokens: 'gen_ai.usage.cache_write.input_tokens',
  /** The same by its name of 1.41. */
  cacheCreationTokens: 'gen_ai.usage.cache_creation.input_tokens',
  outputTokens: 'gen_ai.usage.output_tokens',
  reasoningTokens: 'gen_ai.usage.reasoning.output_tokens',
  costAmount: 'gen_ai.usage.cost.amount',
  costCurrency: 'gen_ai.usage.cost.currency',
  costSource: 'gen_ai.usage.cost.source',
  systemInstructions: 'gen_ai.system_instructions',
  inputMessages: 'gen_ai.input.messages',
  outputMessages: 'gen_ai.output.messages',
  toolDefinitions: 'gen_ai.tool.definitions',
} as const;

export const HTTP = {
  method: 'http.request.method',
  route: 'http.route',
  statusCode: 'http.response.status_code',
  path: 'url.path',
  scheme: 'url.scheme',
  fullUrl: 'url.full',
  serverAddress: 'server.address',
  serverPort: 'server.port',
} as const;

export const ERROR_TYPE = 'error.type';

export const RPC = {
  system: 'rpc.system.name',
  method: 'rpc.method',
  statusCode: 'rpc.status_code',
  /** Which of the addresses behind a name it was. */
  peerAddress: 'network.peer.address',
  peerPort: 'network.peer.port',
} as const;

export const MESSAGING = {
  system: 'messaging.system',
  operationName: 'messaging.operation.name',
  operationType: 'messaging.operation.type',
  destination: 'messaging.destination.name',
  partition: 'messaging.destination.partition.id',
  offset: 'messaging.kafka.offset',
  messageKey: 'messaging.kafka.message.key',
  messageId: 'messaging.message.id',
  consumerGroup: 'messaging.consumer.group.name',
  batchSize: 'messaging.batch.message_count',
} as const;

export const SWITCHYARD = {
  requestId: 'switchyard.request.id',
  end: 'switchyard.end',
  modelRequested: 'switchyard.model.requested',
  modelRouted: 'switchyard.model.routed',
  strategy: 'switchyard.route.strategy',
  candidates: 'switchyard.route.candidates',
  excluded: 'switchyard.route.excluded',
  order: 'switchyard.route.order',
  tableVersion: 'switchyard.route.table_version',
  /** Of a table's push: everything, and not what changed. */
  tableIsSnapshot: 'switchyard.route.table_is_snapshot',
  attemptCount: 'switchyard.attempt.count',
  attemptIndex: 'switchyard.attempt.index',
  attemptReason: 'switchyard.attempt.reason',
  fallback: 'switchyard.fallback',
  byok: 'switchyard.byok',
  organisation: 'switchyard.org.id',
  apiKey: 'switchyard.api_key.id',
  providerSlug: 'switchyard.provider.slug',
  providerModel: 'switchyard.provider.model',
  endpoint: 'switchyard.endpoint.id',
  timeToFirstToken: 'switchyard.time_to_first_token',
  usageEstimated: 'switchyard.usage.estimated',
  reserveOutcome: 'switchyard.reserve.outcome',
  reserved: 'switchyard.cost.reserved',
  charged: 'switchyard.cost.charged',
  upstreamCost: 'switchyard.cost.upstream',
  currency: 'switchyard.cost.currency',
  pricingVersion: 'switchyard.pricing.version',
  /** The head sampler had said no: kept for its error or its slowness. */
  keptFor: 'switchyard.trace.kept_for',
  /** Of a call: failures like it, or of the outage that it ends, that have no span of their own. */
  failuresLeftOut: 'switchyard.failures.left_out',
  /** Names of the attributes with content that the bounds cut. */
  contentCut: 'switchyard.content.cut',
} as const;
