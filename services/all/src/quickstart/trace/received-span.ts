/** A span as the terminal shows it; times in unix milliseconds, with fractions. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly isError: boolean;
}

interface JsonValue {
  readonly stringValue?: string;
  readonly intValue?: string | number;
  readonly doubleValue?: number;
  readonly boolValue?: boolean;
  readonly arrayValue?: { readonly values?: readonly JsonValue[] };
}

interface JsonSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: readonly { readonly key: string; readonly value: JsonValue }[];
  readonly status?: { readonly code?: number };
}

/** Of OTLP's JSON. @throws for what is none. */
export function readSpans(json: string): ReceivedSpan[] {
  const { resourceSpans = [] } = JSON.parse(json) as { resourceSpans?: { scopeSpans?: { spans?: JsonSpan[] }[] }[] };
  return resourceSpans.flatMap(({ scopeSpans = [] }) => scopeSpans.flatMap(({ spans = [] }) => spans.map(readSpan)));
}

const ERROR = 2;

function readSpan(span: JsonSpan): ReceivedSpan {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId ?? '',
    name: span.name,
    startMs: milliseconds(span.startTimeUnixNano),
    endMs: milliseconds(span.endTimeUnixNano),
    attributes: Object.fromEntries((span.attributes ?? []).map(({ key, value }) => [key, readValue(value)])),
    isError: span.status?.code === ERROR,
  };
}

/** Exact to the microsecond, which doubles of unix milliseconds hold. */
function milliseconds(nanoseconds: string): number {
  return Number(BigInt(nanoseconds) / 1_000n) / 1_000;
}

function readValue({ stringValue, intValue, doubleValue, boolValue, arrayValue }: JsonValue): unknown {
  if (arrayValue) return (arrayValue.values ?? []).map(readValue);
  return stringValue ?? (intValue === undefined ? (doubleValue ?? boolValue) : Number(intValue));
}
