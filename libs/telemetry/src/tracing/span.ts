import type { TraceContext } from '../traceparent.js';

export type AttributeValue = string | number | boolean | readonly string[];

/** By the names of `attribute-names.ts`. What is undefined is left out. */
export type SpanAttributes = Readonly<Record<string, AttributeValue | undefined>>;

export type SpanKind = 'internal' | 'server' | 'client' | 'producer' | 'consumer';

/** A finished span. Spans are made at the end of what they tell of, from plain numbers: what is not recorded costs nothing. */
export interface Span {
  readonly name: string;
  readonly kind: SpanKind;
  readonly context: TraceContext;
  /** In the same trace; undefined for a root. */
  readonly parentSpanId: string | undefined;
  /** Unix milliseconds, with fractions. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: SpanAttributes;
  /** Makes the span an error: a word of few possible values. */
  readonly errorType?: string | undefined;
  readonly links?: readonly TraceContext[];
  /** Of attributes with content, which weigh more than all others together. */
  readonly contentBytes?: number | undefined;
}
