import { SwitchyardError } from '@switchyard/errors';
import type { TraceContext } from '../traceparent.js';
import { HTTP, RPC } from './attribute-names.js';
import type { SpanAttributes } from './span.js';
import type { Tracer } from './tracing.js';

/** How a call ended: well, unless there is an error. */
export interface CallEnd {
  readonly error?: unknown;
  readonly attributes?: SpanAttributes;
}

/** Somebody whose trace shows what it waited for. */
export interface CallWaiter {
  waitsFor(call: CallTrace): void;
}

/**
 * Makes traces of the calls to one service. They serve many requests at once, so each is a trace of its own that requests link to, taken by the same
 * sampler as requests are. In one process nothing goes over a wire: such a call is an internal span, without what only a wire has.
 */
export class CallTracer {
  private readonly server: SpanAttributes | undefined;

  /** `addresses`: the names that are called, `host:port` each; none where the service is in this process. */
  constructor(
    private readonly tracer: Tracer,
    addresses: readonly string[],
  ) {
    this.server = addresses.length === 0 ? undefined : serverAttributes(addresses);
  }

  /** `method`: `package.Service/Method`. */
  begin(method: string): CallTrace {
    return new CallTrace(this.tracer, method, this.server);
  }
}

/** One call. Its span is made at its end, when the sampler took it, or when it failed through no fault of the caller and failures are kept. */
export class CallTrace {
  private readonly startMs: number;
  private recordedAs: TraceContext | undefined;
  private hasEnded = false;

  constructor(
    private readonly tracer: Tracer,
    private readonly method: string,
    private readonly server: SpanAttributes | undefined,
  ) {
    this.startMs = tracer.nowMs();
    const traceId = tracer.sample(undefined);
    if (traceId !== undefined) this.recordedAs = tracer.newContext(traceId);
  }

  /** Of its span; undefined while it is not known to be recorded. */
  get context(): TraceContext | undefined {
    return this.recordedAs;
  }

  get isUnderWay(): boolean {
    return !this.hasEnded;
  }

  /** The first end counts. */
  end({ error, attributes }: CallEnd = {}): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    const { tracer, method, server } = this;
    if (error !== undefined && isOurs(error) && tracer.config.keep.includes('errors')) this.recordedAs ??= tracer.newContext(tracer.newTraceId());
    if (!this.recordedAs) return;
    const status = statusOf(error);
    tracer.record({
      name: method,
      kind: server ? 'client' : 'internal',
      context: this.recordedAs,
      parentSpanId: undefined,
      startMs: this.startMs,
      endMs: tracer.nowMs(),
      attributes: { [RPC.method]: method, ...(server && { [RPC.system]: 'grpc', [RPC.statusCode]: status, ...server }), ...attributes },
      errorType: error === undefined ? undefined : server ? status : error instanceof SwitchyardError ? error.type : '_OTHER',
    });
  }
}

/** Several names share the calls: none of them is the one that answered. */
function serverAttributes(addresses: readonly string[]): SpanAttributes {
  const [only, ...others] = addresses.map((address) => /^\[?(.+?)\]?:(\d+)$/.exec(address));
  if (!only || others.length > 0) return { [HTTP.serverAddress]: addresses.join(',') };
  return { [HTTP.serverAddress]: only[1], [HTTP.serverPort]: Number(only[2]) };
}

/** What a request would be told with a status of 5xx. */
function isOurs(error: unknown): boolean {
  return !(error instanceof SwitchyardError) || error.httpStatus >= 500;
}

/** https://grpc.io/docs/guides/status-codes/, by number. */
const STATUSES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];

/** What came over the wire, or what our error stands for there. */
function statusOf(error: unknown): string {
  if (error === undefined) return 'OK';
  const isOfUs = error instanceof SwitchyardError;
  const { code } = ((isOfUs ? error.cause : error) ?? {}) as { readonly code?: unknown };
  return STATUSES[typeof code === 'number' ? code : isOfUs ? error.row.grpcStatus : -1] ?? 'UNKNOWN';
}
