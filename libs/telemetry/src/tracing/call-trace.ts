import { SwitchyardError } from '@switchyard/errors';
import type { TraceContext } from '../traceparent.js';
import { HTTP, RPC } from './attribute-names.js';
import type { Span, SpanAttributes } from './span.js';
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

/** What a span tells of a call that has ended. */
type CallOutcome = Pick<Span, 'endMs' | 'errorType'> & { readonly attributes: SpanAttributes };

/**
 * One call. Its span is made once it has ended, where the sampler took it, a request that is recorded links to it, or it failed through no fault of the
 * caller and failures are kept.
 */
export class CallTrace {
  private readonly startMs: number;
  private recordedAs: TraceContext | undefined;
  private outcome: CallOutcome | undefined;

  constructor(
    private readonly tracer: Tracer,
    private readonly method: string,
    private readonly server: SpanAttributes | undefined,
  ) {
    this.startMs = tracer.nowMs();
    const traceId = tracer.sample(undefined);
    if (traceId !== undefined) this.recordedAs = tracer.newContext(traceId);
  }

  get isUnderWay(): boolean {
    return this.outcome === undefined;
  }

  /** For the spans of a request that is recorded: what the sampler passed over is recorded now, however long ago it was. */
  link(): TraceContext {
    if (this.recordedAs) return this.recordedAs;
    const { tracer } = this;
    const context = tracer.newContext(tracer.newTraceId());
    this.recordedAs = context;
    if (this.outcome) this.record(context, this.outcome);
    return context;
  }

  /** The first end counts. */
  end({ error, attributes }: CallEnd = {}): void {
    if (!this.isUnderWay) return;
    const { tracer, server } = this;
    const status = statusOf(error);
    const outcome = {
      endMs: tracer.nowMs(),
      attributes: { ...(server && { [RPC.system]: 'grpc', [RPC.statusCode]: status, ...server }), ...attributes },
      errorType: error === undefined ? undefined : server ? status : error instanceof SwitchyardError ? error.type : '_OTHER',
    };
    this.outcome = outcome;
    if (this.recordedAs) this.record(this.recordedAs, outcome);
    else if (error !== undefined && isOurs(error) && tracer.config.keep.includes('errors')) this.link();
  }

  private record(context: TraceContext, { endMs, attributes, errorType }: CallOutcome): void {
    const { tracer, method, server, startMs } = this;
    const kind = server ? 'client' : 'internal';
    tracer.record({ name: method, kind, context, parentSpanId: undefined, startMs, endMs, attributes: { [RPC.method]: method, ...attributes }, errorType });
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
