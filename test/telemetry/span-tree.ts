import type { ReceivedSpan } from './otlp-receiver.js';

/** A row of an expected tree, and what a received one is brought to. Values may be Jest's asymmetric matchers. */
export interface SpanNode {
  /** `<service without its prefix> <kind> <name>` */
  readonly span: string;
  /** `unset`, or `error <error.type>`. */
  readonly status: string;
  /** All of them, and no other. */
  readonly attributes: Readonly<Record<string, unknown>>;
  /** By the names of the rows they lead to, each once; `nowhere` when no such span was received. */
  readonly links: readonly string[];
  /** In the order in which they began. */
  readonly children: readonly SpanNode[];
}

/** The spans of one trace as trees, one for each span whose parent is not among them. `others`: where their links may lead. */
export function treesOf(spans: readonly ReceivedSpan[], others: readonly ReceivedSpan[] = []): SpanNode[] {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  if (ids.size < spans.length) throw new Error('two spans share an id');
  const everywhere = new Map([...others, ...spans].map((span) => [`${span.traceId} ${span.spanId}`, span]));
  return sorted(spans.filter((span) => !ids.has(span.parentSpanId))).map((span) => nodeOf(span, spans, everywhere));
}

function nodeOf(span: ReceivedSpan, spans: readonly ReceivedSpan[], everywhere: ReadonlyMap<string, ReceivedSpan>): SpanNode {
  const { 'error.type': errorType, ...attributes } = span.attributes;
  return {
    span: rowName(span),
    status: span.status === 'error' ? `error ${String(errorType)}` : span.status,
    attributes,
    links: [...new Set(span.links.map(({ traceId, spanId }) => rowName(everywhere.get(`${traceId} ${spanId}`))))],
    children: sorted(spans.filter((other) => other.parentSpanId === span.spanId)).map((child) => nodeOf(child, spans, everywhere)),
  };
}

function rowName(span: ReceivedSpan | undefined): string {
  if (!span) return 'nowhere';
  return `${span.service.replace('switchyard-', '')} ${span.kind} ${span.name}`;
}

function sorted(spans: readonly ReceivedSpan[]): ReceivedSpan[] {
  return [...spans].sort((a, b) => Number(a.startNanos - b.startNanos) || Number(b.endNanos - a.endNanos));
}

/** What is wrong with the times of a trace: a span that ends before it begins, or begins before the span that it is part of. */
export function timeProblems(spans: readonly ReceivedSpan[]): string[] {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  return spans.flatMap((span) => {
    const parent = byId.get(span.parentSpanId);
    return [
      ...(span.endNanos < span.startNanos ? [`${span.name} ends before it begins`] : []),
      ...(parent && span.startNanos < parent.startNanos ? [`${span.name} begins before ${parent.name}`] : []),
    ];
  });
}
