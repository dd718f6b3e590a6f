import type { SpanContext, TraceState } from '@opentelemetry/api';
import type { Resource } from '@opentelemetry/resources';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace';
import type { TraceContext } from '../traceparent.js';
import { ERROR_TYPE, SCHEMA_URL } from './attribute-names.js';
import type { Span, SpanAttributes, SpanKind } from './span.js';
import type { QueuedSpan, SpanSink } from './span-queue.js';
import type { TracingConfig } from './tracing.config.js';

export interface OtlpResource {
  /** Of the program. */
  readonly version: string;
  readonly instanceId: string;
  readonly hostName: string;
}

const KINDS: Readonly<Record<SpanKind, number>> = { internal: 0, server: 1, client: 2, producer: 3, consumer: 4 };
const EXPORT_SUCCEEDED = 0;

/** OpenTelemetry's exporter for the protocol that is configured. Its headers, compression and certificates are its own to read. */
export async function openOtlpSink(config: TracingConfig, about: OtlpResource): Promise<SpanSink<QueuedSpan>> {
  const [exporter, { resourceFromAttributes }] = await Promise.all([createExporter(config), import('@opentelemetry/resources')]);
  const resources = new Map<string, Resource>();
  const resourceOf = (target: string): Resource => {
    let resource = resources.get(target);
    if (!resource) resources.set(target, (resource = resourceFromAttributes(resourceAttributes(target, config, about))));
    return resource;
  };
  const scope = { name: 'switchyard', version: about.version, schemaUrl: SCHEMA_URL };
  return {
    send: (spans) =>
      new Promise((resolve, reject) => {
        const readable = spans.map(({ span, target }) => readableSpan(span, resourceOf(target), scope));
        exporter.export(readable, (result) => {
          if (result.code === EXPORT_SUCCEEDED) resolve();
          else reject(result.error ?? new Error('The receiver of spans refused them.'));
        });
      }),
    close: () => exporter.shutdown(),
  };
}

/** `http://collector:4318/v1/traces`; a gRPC receiver has no path. */
export function tracesUrl(config: Pick<TracingConfig, 'endpoint' | 'tracesEndpoint' | 'protocol' | 'tracesProtocol'>): string | undefined {
  if (config.tracesEndpoint !== undefined) return config.tracesEndpoint;
  if (config.endpoint === undefined || (config.tracesProtocol ?? config.protocol) === 'grpc') return config.endpoint;
  return `${config.endpoint.replace(/\/+$/, '')}/v1/traces`;
}

async function createExporter(config: TracingConfig): Promise<SpanExporter> {
  const options = { url: tracesUrl(config)!, timeoutMillis: config.tracesTimeoutMs ?? config.timeoutMs };
  switch (config.tracesProtocol ?? config.protocol) {
    case 'http/protobuf':
      return new (await import('@opentelemetry/exporter-trace-otlp-proto')).OTLPTraceExporter(options);
    case 'http/json':
      return new (await import('@opentelemetry/exporter-trace-otlp-http')).OTLPTraceExporter(options);
    case 'grpc':
      return new (await import('@opentelemetry/exporter-trace-otlp-grpc')).OTLPTraceExporter(options);
  }
}

/** What the environment says wins over what we know of ourselves. */
function resourceAttributes(target: string, config: TracingConfig, about: OtlpResource): Record<string, string | number> {
  const given: Record<string, string> = {};
  for (const pair of config.resourceAttributes) {
    const at = pair.indexOf('=');
    if (at > 0) given[pair.slice(0, at).trim()] = decoded(pair.slice(at + 1).trim());
  }
  return {
    'service.name': `switchyard-${target}`,
    'service.namespace': 'switchyard',
    'service.version': about.version,
    'service.instance.id': about.instanceId,
    'host.name': about.hostName,
    'process.pid': process.pid,
    ...given,
    ...(config.serviceName === undefined ? {} : { 'service.name': config.serviceName }),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function readableSpan(span: Span, resource: Resource, instrumentationScope: ReadableSpan['instrumentationScope']): ReadableSpan {
  const context = spanContext(span.context);
  const { errorType } = span;
  return {
    name: span.name,
    kind: KINDS[span.kind],
    spanContext: () => context,
    ...(span.parentSpanId === undefined ? {} : { parentSpanContext: { ...context, spanId: span.parentSpanId } }),
    startTime: hrTime(span.startMs),
    endTime: hrTime(span.endMs),
    duration: hrTime(Math.max(0, span.endMs - span.startMs)),
    ended: true,
    status: errorType === undefined ? { code: 0 } : { code: 2, message: errorType },
    attributes: definedAttributes(errorType === undefined ? span.attributes : { ...span.attributes, [ERROR_TYPE]: errorType }),
    links: span.links?.map((link) => ({ context: spanContext(link) })) ?? [],
    events: [],
    resource,
    instrumentationScope,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

function spanContext({ traceId, spanId, tracestate }: TraceContext): SpanContext {
  const context = { traceId, spanId, traceFlags: 1 };
  return tracestate ? { ...context, traceState: new FinishedTraceState(tracestate) } : context;
}

/** As it came: exporters write it and change nothing. */
class FinishedTraceState implements TraceState {
  constructor(private readonly text: string) {}

  serialize(): string {
    return this.text;
  }

  get(key: string): string | undefined {
    const member = this.text.split(',').find((candidate) => candidate.startsWith(`${key}=`));
    return member?.slice(key.length + 1);
  }

  set(): TraceState {
    return this;
  }

  unset(): TraceState {
    return this;
  }
}

function hrTime(unixMs: number): [number, number] {
  const seconds = Math.floor(unixMs / 1000);
  return [seconds, Math.max(0, Math.round((unixMs - seconds * 1000) * 1e6))];
}

function definedAttributes(attributes: SpanAttributes): ReadableSpan['attributes'] {
  const defined: Record<string, string | number | boolean | string[]> = {};
  for (const name in attributes) {
    const value = attributes[name];
    if (value !== undefined) defined[name] = value as string | number | boolean | string[];
  }
  return defined;
}
