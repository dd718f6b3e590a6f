/** W3C Trace Context, level 1 (https://www.w3.org/TR/trace-context/#traceparent-header). */
export interface TraceContext {
  /** 32 lower-case hex characters, not all zero. */
  readonly traceId: string;
  /** 16 lower-case hex characters, not all zero. */
  readonly spanId: string;
  readonly isSampled: boolean;
  /** What other tracing systems keep beside it, valid text of `parseTracestate`: the same for every span of the trace. */
  readonly tracestate?: string | undefined;
}

/** Undefined for anything that is not a valid header; later versions are read as far as version 0 reaches. */
export function parseTraceparent(header: string | undefined): TraceContext | undefined {
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(header?.trim() ?? '');
  if (!match) return undefined;
  const [, version, traceId, spanId, flags, rest] = match as unknown as [string, string, string, string, string, string?];
  if (version === 'ff' || (version === '00' && rest !== undefined) || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

export function formatTraceparent(context: TraceContext): string {
  return `00-${context.traceId}-${context.spanId}-${context.isSampled ? '01' : '00'}`;
}

const MAX_TRACESTATE_LENGTH = 512;
const MAX_TRACESTATE_MEMBERS = 32;
/** What is longer goes first where not all can stay. */
const MAX_SHORT_MEMBER_LENGTH = 128;
const TRACESTATE_MEMBER =
  /^(?:[a-z0-9][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/**
 * What other tracing systems keep beside a `traceparent`, to be passed on as it is: 512 characters of it, in whole members. Empty for anything that is not
 * valid, which goes nowhere.
 */
export function parseTracestate(header: string | undefined): string {
  if (header === undefined) return '';
  const members = header
    .split(',')
    .map((member) => member.trim())
    .filter((member) => member !== '');
  return members.length <= MAX_TRACESTATE_MEMBERS && members.every((member) => TRACESTATE_MEMBER.test(member)) ? joinedWithin(members) : '';
}

/** Where not all members fit, long ones are left out first, then others, each from the end: the first is of whoever wrote last. */
function joinedWithin(members: readonly string[]): string {
  const kept = [...members];
  let text = kept.join(',');
  while (text.length > MAX_TRACESTATE_LENGTH) {
    const longAt = kept.findLastIndex((member) => member.length > MAX_SHORT_MEMBER_LENGTH);
    kept.splice(longAt === -1 ? kept.length - 1 : longAt, 1);
    text = kept.join(',');
  }
  return text;
}
