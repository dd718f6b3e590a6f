import { byteSize, defineConfig, durationMs, field, flag, integer, list, type ConfigOf } from '@switchyard/config';
import { z } from 'zod';
import { SAMPLER_NAMES } from './trace-sampler.js';

const PROTOCOLS = ['http/protobuf', 'http/json', 'grpc'] as const;
const milliseconds = () => integer({ min: 0 });

/** OpenTelemetry's own variables under their standard names, and what they do not cover. Without an endpoint nothing is traced. */
export const tracingConfig = defineConfig({
  isDisabled: field({ env: 'OTEL_SDK_DISABLED', schema: flag(), default: false, description: 'Switches tracing off, whatever else is set.' }),
  exporter: field({
    env: 'OTEL_TRACES_EXPORTER',
    schema: z.enum(['otlp', 'none']),
    default: 'otlp',
    description: 'Where spans go: `none` switches tracing off.',
  }),
  endpoint: field({
    env: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    schema: z.url().optional(),
    description: 'Receiver of OTLP, for example `http://collector:4318`; `/v1/traces` is added unless the protocol is `grpc`. Unset: nothing is traced.',
  }),
  tracesEndpoint: field({
    env: 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
    schema: z.url().optional(),
    description: 'Receiver of traces alone; taken as it is.',
  }),
  protocol: field({
    env: 'OTEL_EXPORTER_OTLP_PROTOCOL',
    schema: z.enum(PROTOCOLS),
    default: 'http/protobuf',
    description: 'How the receiver is spoken to.',
  }),
  tracesProtocol: field({ env: 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', schema: z.enum(PROTOCOLS).optional(), description: 'The same for traces alone.' }),
  headers: field({
    env: 'OTEL_EXPORTER_OTLP_HEADERS',
    schema: z.string().optional(),
    description: 'Headers for the receiver, `name=value` separated by commas.',
    secret: true,
  }),
  tracesHeaders: field({
    env: 'OTEL_EXPORTER_OTLP_TRACES_HEADERS',
    schema: z.string().optional(),
    description: 'The same for traces alone.',
    secret: true,
  }),
  timeoutMs: field({
    env: 'OTEL_EXPORTER_OTLP_TIMEOUT',
    schema: integer({ min: 1 }),
    default: 10_000,
    description: 'Longest time for one export with its retries, in milliseconds.',
  }),
  tracesTimeoutMs: field({
    env: 'OTEL_EXPORTER_OTLP_TRACES_TIMEOUT',
    schema: integer({ min: 1 }).optional(),
    description: 'The same for traces alone.',
  }),
  compression: field({ env: 'OTEL_EXPORTER_OTLP_COMPRESSION', schema: z.enum(['gzip', 'none']), default: 'none', description: 'Compression of exports.' }),
  certificateFile: field({
    env: 'OTEL_EXPORTER_OTLP_CERTIFICATE',
    schema: z.string().optional(),
    description: 'PEM file with the certificate authority of the receiver.',
  }),
  clientKeyFile: field({
    env: 'OTEL_EXPORTER_OTLP_CLIENT_KEY',
    schema: z.string().optional(),
    description: 'PEM file with our private key, where the receiver asks for a certificate.',
  }),
  clientCertificateFile: field({
    env: 'OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE',
    schema: z.string().optional(),
    description: 'PEM file with our certificate, where the receiver asks for one.',
  }),
  sampler: field({
    env: 'OTEL_TRACES_SAMPLER',
    schema: z.enum(SAMPLER_NAMES),
    default: 'parentbased_always_on',
    description: 'Which requests are traced; `always_off` switches tracing off.',
  }),
  samplerRatio: field({
    env: 'OTEL_TRACES_SAMPLER_ARG',
    schema: z.coerce.number().min(0, 'must be at least 0').max(1, 'must be at most 1').describe('number'),
    default: 1,
    description: 'Share of requests that the `traceidratio` samplers take, 0 to 1.',
  }),
  serviceName: field({
    env: 'OTEL_SERVICE_NAME',
    schema: z.string().optional(),
    description: '`service.name` of all spans. Unset: `switchyard-ingress`, `switchyard-worker` and so on, also where they share a process.',
  }),
  resourceAttributes: field({
    env: 'OTEL_RESOURCE_ATTRIBUTES',
    schema: list(),
    default: [],
    description: 'Further attributes of the resource, `name=value` separated by commas, percent-encoded.',
  }),
  queueSize: field({
    env: 'OTEL_BSP_MAX_QUEUE_SIZE',
    schema: integer({ min: 1 }),
    default: 2_048,
    description: 'Most spans that wait for export; more are dropped and counted in `switchyard_trace_spans_total`.',
  }),
  batchSize: field({ env: 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE', schema: integer({ min: 1 }), default: 512, description: 'Most spans of one export.' }),
  scheduleDelayMs: field({
    env: 'OTEL_BSP_SCHEDULE_DELAY',
    schema: milliseconds(),
    default: 5_000,
    description: 'Longest time that a span waits for others, in milliseconds.',
  }),
  exportTimeoutMs: field({
    env: 'OTEL_BSP_EXPORT_TIMEOUT',
    schema: integer({ min: 1 }),
    default: 30_000,
    description: 'Time after which an export counts as failed, in milliseconds.',
  }),
  keep: field({
    env: 'SWITCHYARD_TRACE_KEEP',
    schema: list().refine((kinds) => kinds.every((kind) => KEEP_KINDS.includes(kind)), 'may name `errors`, `slow` and `fallbacks`, or `none`'),
    default: ['errors', 'slow'],
    description:
      'What is kept although the sampler said no: requests that end in `errors`, those that are `slow`, those that needed `fallbacks`; `none` for nothing.',
  }),
  slowMs: field({
    env: 'SWITCHYARD_TRACE_SLOW',
    schema: durationMs(),
    default: 60_000,
    description: 'A request that takes longer is slow.',
  }),
  slowFirstTokenMs: field({
    env: 'SWITCHYARD_TRACE_SLOW_FIRST_TOKEN',
    schema: durationMs(),
    default: 10_000,
    description: 'A stream whose first token takes longer is slow.',
  }),
  incoming: field({
    env: 'SWITCHYARD_TRACE_INCOMING',
    schema: z.enum(['continue', 'link', 'ignore']),
    default: 'continue',
    description: 'What a client’s `traceparent` does: its trace is continued, or a new one is linked to it, or it is not looked at.',
  }),
  outgoing: field({
    env: 'SWITCHYARD_TRACE_OUTGOING',
    schema: flag(),
    default: true,
    description: 'Whether providers are sent a `traceparent`, an id of the trace, and the `tracestate` that a client sent with its own.',
  }),
  content: field({
    env: 'SWITCHYARD_TRACE_CONTENT',
    schema: flag().optional().describe('true or false'),
    description:
      'Whether prompts and answers may stand on spans at all; then they do for API keys with `include_content_in_traces`. Unset: as the next one says.',
  }),
  standardContent: field({
    env: 'OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT',
    schema: contentModes(),
    default: false,
    description: 'The same under its standard name: `true`, `SPAN_ONLY` or `SPAN_AND_EVENT` allow it; `false`, `NO_CONTENT` and `EVENT_ONLY` do not.',
  }),
  contentMaxBytes: field({
    env: 'SWITCHYARD_TRACE_CONTENT_MAX_BYTES',
    schema: contentSize(),
    default: 64 * 1024,
    description: 'Most content on one span; what is beyond it is cut, and named in `switchyard.content.cut`.',
  }),
  contentAttributeMaxBytes: field({
    env: 'SWITCHYARD_TRACE_CONTENT_ATTRIBUTE_MAX_BYTES',
    schema: contentSize(),
    default: 32 * 1024,
    description: 'Most content of one attribute: the answer, the conversation, the instructions, the tools.',
  }),
});

/** A span has to fit into one message to its receiver. */
function contentSize(): z.ZodType<number> {
  return byteSize().refine((bytes) => bytes <= 1024 * 1024, 'must be at most 1MiB');
}

/** OpenTelemetry's words for where content goes, which once were true and false. There are no events of ours for it. */
function contentModes(): z.ZodType<boolean> {
  return z
    .string()
    .transform((text, context) => {
      const mode = text.trim().toLowerCase();
      if (['true', 'span_only', 'span_and_event'].includes(mode)) return true;
      if (['', 'false', 'no_content', 'event_only'].includes(mode)) return false;
      context.addIssue('must be true, false, SPAN_ONLY, SPAN_AND_EVENT, EVENT_ONLY or NO_CONTENT');
      return z.NEVER;
    })
    .describe('true or false');
}

const KEEP_KINDS: readonly string[] = ['errors', 'slow', 'fallbacks', 'none'];

export type TracingConfig = ConfigOf<typeof tracingConfig>;

/** Whether the deployment allows content at all; keys decide then. */
export function isContentAllowed({ content, standardContent }: Pick<TracingConfig, 'content' | 'standardContent'>): boolean {
  return content ?? standardContent;
}

/** Whether anything would be traced. */
export function isTracingOn(config: TracingConfig): boolean {
  const hasReceiver = config.endpoint !== undefined || config.tracesEndpoint !== undefined;
  return hasReceiver && !config.isDisabled && config.exporter === 'otlp' && config.sampler !== 'always_off';
}
