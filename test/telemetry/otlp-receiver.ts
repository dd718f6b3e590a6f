import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { wireFields, type WireField } from './protobuf-fields.js';

export type ReceivedValue = string | number | boolean | readonly ReceivedValue[];

export interface ReceivedSpan {
  readonly service: string;
  readonly resource: Readonly<Record<string, ReceivedValue>>;
  readonly scope: { readonly name: string; readonly schemaUrl: string };
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for a root. */
  readonly parentSpanId: string;
  /** Empty where there is none. */
  readonly traceState: string;
  readonly name: string;
  readonly kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  readonly startNanos: bigint;
  readonly endNanos: bigint;
  readonly attributes: Readonly<Record<string, ReceivedValue>>;
  readonly status: 'unset' | 'ok' | 'error';
  readonly statusMessage: string;
  readonly links: readonly ReceivedLink[];
}

export interface ReceivedLink {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty where there is none. */
  readonly traceState: string;
}

export interface OtlpReceiver {
  readonly url: string;
  readonly spans: readonly ReceivedSpan[];
  /** Everything that was sent, as it came but unzipped. */
  readonly bodies: readonly Buffer[];
  readonly requests: readonly { readonly path: string; readonly contentType: string; readonly headers: IncomingMessage['headers'] }[];
  ofTrace(traceId: string): readonly ReceivedSpan[];
  close(): Promise<void>;
}

const KINDS = ['internal', 'internal', 'server', 'client', 'producer', 'consumer'] as const;
const STATUSES = ['unset', 'ok', 'error'] as const;

/** A collector of the test's own: takes OTLP over HTTP, protobuf or JSON, on loopback. */
export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const bodies: Buffer[] = [];
  const requests: { path: string; contentType: string; headers: IncomingMessage['headers'] }[] = [];
  const server = createServer((request, response) => void receive(request, response));
  async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const sent = Buffer.concat(pieces);
    const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent;
    const contentType = request.headers['content-type'] ?? '';
    requests.push({ path: request.url ?? '', contentType, headers: request.headers });
    bodies.push(body);
    if (request.url === '/v1/traces') spans.push(...(contentType.startsWith('application/json') ? spansOfJson(body) : spansOfProtobuf(body)));
    response.writeHead(200, { 'content-type': contentType }).end(contentType.startsWith('application/json') ? '{}' : '');
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    bodies,
    requests,
    ofTrace: (traceId) => spans.filter((span) => span.traceId === traceId),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** `ExportTraceServiceRequest` of opentelemetry/proto/collector/trace/v1. */
export function spansOfProtobuf(body: Buffer): ReceivedSpan[] {
  const spans: ReceivedSpan[] = [];
  for (const resourceSpans of messages(body, 1)) {
    const resource = attributesOf(messages(messages(resourceSpans, 1)[0] ?? Buffer.alloc(0), 1));
    for (const scopeSpans of messages(resourceSpans, 2)) {
      const scope = { name: text(messages(scopeSpans, 1)[0] ?? Buffer.alloc(0), 1), schemaUrl: text(scopeSpans, 3) };
      for (const span of messages(scopeSpans, 2)) spans.push(spanOf(span, resource, scope));
    }
  }
  return spans;
}

function spanOf(span: Buffer, resource: ReceivedSpan['resource'], scope: ReceivedSpan['scope']): ReceivedSpan {
  const status = messages(span, 15)[0] ?? Buffer.alloc(0);
  return {
    service: String(resource['service.name']),
    resource,
    scope,
    traceId: hex(span, 1),
    spanId: hex(span, 2),
    parentSpanId: hex(span, 4),
    traceState: text(span, 3),
    name: text(span, 5),
    kind: KINDS[number(span, 6)]!,
    startNanos: fixed64(span, 7),
    endNanos: fixed64(span, 8),
    attributes: attributesOf(messages(span, 9)),
    links: messages(span, 13).map((link) => ({ traceId: hex(link, 1), spanId: hex(link, 2), traceState: text(link, 3) })),
    status: STATUSES[number(status, 3)]!,
    statusMessage: text(status, 2),
  };
}

function attributesOf(pairs: readonly Buffer[]): Record<string, ReceivedValue> {
  return Object.fromEntries(pairs.map((pair) => [text(pair, 1), valueOf(messages(pair, 2)[0]!)]));
}

/** `AnyValue`. */
function valueOf(message: Buffer): ReceivedValue {
  const [field] = [...wireFields(message)];
  if (!field) return '';
  const { value } = field;
  if (field.number === 2) return value === 1n;
  if (field.number === 3) return Number(value);
  if (field.number === 4) return (value as Buffer).readDoubleLE(0);
  if (field.number === 5) return messages(value as Buffer, 1).map(valueOf);
  return (value as Buffer).toString();
}

function fields(message: Buffer, number: number): WireField[] {
  return [...wireFields(message)].filter((field) => field.number === number);
}

const messages = (message: Buffer, number: number): Buffer[] => fields(message, number).map(({ value }) => value as Buffer);
const last = (message: Buffer, number: number): Buffer => (fields(message, number).at(-1)?.value as Buffer | undefined) ?? Buffer.alloc(0);
const text = (message: Buffer, number: number): string => last(message, number).toString();
const hex = (message: Buffer, number: number): string => last(message, number).toString('hex');
const fixed64 = (message: Buffer, number: number): bigint => last(message, number).readBigUInt64LE(0);
const number = (message: Buffer, field: number): number => Number(fields(message, field).at(-1)?.value ?? 0n);

interface JsonValue {
  readonly stringValue?: string;
  readonly intValue?: string | number;
  readonly doubleValue?: number;
  readonly boolValue?: boolean;
  readonly arrayValue?: { readonly values: readonly JsonValue[] };
}
type JsonPairs = readonly { readonly key: string; readonly value: JsonValue }[];
interface JsonSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: JsonPairs;
  readonly links?: readonly { readonly traceId: string; readonly spanId: string; readonly traceState?: string }[];
  readonly status: { readonly code?: number; readonly message?: string };
}
interface JsonRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: JsonPairs };
    readonly scopeSpans: readonly { readonly scope: { readonly name: string }; readonly schemaUrl?: string; readonly spans: readonly JsonSpan[] }[];
  }[];
}

function spansOfJson(body: Buffer): ReceivedSpan[] {
  return (JSON.parse(body.toString()) as JsonRequest).resourceSpans.flatMap(({ resource: { attributes }, scopeSpans }) => {
    const resource = pairsOf(attributes);
    return scopeSpans.flatMap(({ scope, schemaUrl = '', spans }) =>
      spans.map((span) => ({
        service: String(resource['service.name']),
        resource,
        scope: { name: scope.name, schemaUrl },
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId ?? '',
        traceState: span.traceState ?? '',
        name: span.name,
        kind: KINDS[span.kind]!,
        startNanos: BigInt(span.startTimeUnixNano),
        endNanos: BigInt(span.endTimeUnixNano),
        attributes: pairsOf(span.attributes),
        links: (span.links ?? []).map(({ traceId, spanId, traceState = '' }) => ({ traceId, spanId, traceState })),
        status: STATUSES[span.status.code ?? 0]!,
        statusMessage: span.status.message ?? '',
      })),
    );
  });
}

function pairsOf(pairs: JsonPairs): Record<string, ReceivedValue> {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, jsonValueOf(value)]));
}

function jsonValueOf({ stringValue, intValue, doubleValue, boolValue, arrayValue }: JsonValue): ReceivedValue {
  return stringValue ?? (intValue === undefined ? undefined : Number(intValue)) ?? doubleValue ?? boolValue ?? (arrayValue?.values ?? []).map(jsonValueOf);
}
