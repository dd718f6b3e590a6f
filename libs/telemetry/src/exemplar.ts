const TRACE_ID_START = 3;
const TRACE_ID_END = 35;
const FLAGS_END = 55;

/**
 * Trace id for an exemplar out of a `traceparent` that this process or its caller made, undefined when the trace is not kept: an
 * exemplar shall lead somewhere. Reads two places of the text and no more, for it is asked for at every request.
 */
export function exemplarOf(traceparent: string): string | undefined {
  if (traceparent.length < FLAGS_END) return undefined;
  // The lowest bit of the flags is `sampled`; it is set in odd hex digits.
  const digit = traceparent.charCodeAt(FLAGS_END - 1);
  const isSampled = digit <= 57 ? (digit & 1) === 1 : (digit & 1) === 0;
  return isSampled ? traceparent.slice(TRACE_ID_START, TRACE_ID_END) : undefined;
}
