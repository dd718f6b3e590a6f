import { SwitchyardError } from '@switchyard/errors';
import { formatTraceparent, type TraceContext } from '../traceparent.js';
import { HTTP, RPC } from './attribute-names.js';
import { FailureRuns, leftOutAttributes } from './failure-runs.js';
import { rpcStatusName } from './rpc-status.js';
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
  private readonly failures = new FailureRuns();

  /** `addresses`: the names that are called, `host:port` each; none where the service is in this process. */
  constructor(
    private readonly tracer: Tracer,
    addresses: readonly string[],
  ) {
    this.server = addresses.length === 0 ? undefined : serverAttributes(addresses);
  }

  /** `method`: `package.Service/Method`. */
  begin(method: string): CallTrace {
    return new CallTrace(this.tracer, method, this.server, this.failures);
  }
}

/** What a span tells of a call that has ended. */
type CallOutcome = Pick<Span, 'endMs' | 'errorType'> & { readonly attributes: SpanAttributes };

/**
 * One call. Its span is made once it has ended, where the sampler took it, a request that is recorded links to it, or it failed through no fault of the
 * caller and failures are kept. Of failures that follow each other few are recorded, unless a request links to them.
 */
export class CallTrace {
  private readonly startMs: number;
  private context: TraceContext | undefined;
  private outcome: CallOutcome | undefined;
  private isLinked = false;
  private isRecorded = false;

  constructor(
    private readonly tracer: Tracer,
    private readonly method: string,
    private readonly server: SpanAttributes | undefined,
    private readonly failures: FailureRuns,
  ) {
    this.startMs = tracer.nowMs();
    const traceId = tracer.sample(undefined);
    if (traceId !== undefined) this.context = tracer.newContext(traceId);
  }

  get isUnderWay(): boolean {
    return this.outcome === undefined;
  }

  /** For the service that is called; undefined unless it is known by now that the call is recorded. */
  get traceparent(): string | undefined {
    return this.context && formatTraceparent(this.context);
  }

  /** For the spans of a request that is recorded: what the sampler passed over is recorded now, however long ago it was. */
  link(): TraceContext {
    this.isLinked = true;
    if (this.outcome) this.record(this.outcome);
    return this.ownContext();
  }

  /** The first end counts. */
  end({ error, attributes }: CallEnd = {}): void {
    if (!this.isUnderWay) return;
    const { tracer, server } = this;
    const status = statusOf(error);
    const endMs = tracer.nowMs();
    const errorType = error === undefined ? undefined : server ? status : error instanceof SwitchyardError ? error.type : '_OTHER';
    const failure = error !== undefined && isOurs(error) ? errorType : undefined;
    const leftOut = failure === undefined ? this.failures.succeeded(this.method) : this.failures.failed(this.method, failure, endMs);
    const wire = server && { [RPC.system]: 'grpc', [RPC.statusCode]: status, ...server };
    this.outcome = { endMs, attributes: { ...wire, ...attributes, ...leftOutAttributes(leftOut) }, errorType };
    if (this.isLinked || this.isKept(failure, leftOut)) this.record(this.outcome);
  }

  /** What ends an outage is kept with it, and tells the rest of its length. */
  private isKept(failure: string | undefined, leftOut: number | undefined): boolean {
    if (leftOut === undefined) return false;
    return this.context !== undefined || ((failure !== undefined || leftOut > 0) && this.tracer.config.keep.includes('errors'));
  }

  private ownContext(): TraceContext {
    return (this.context ??= this.tracer.newContext(this.tracer.newTraceId()));
  }

  private record({ endMs, attributes, errorType }: CallOutcome): void {
    if (this.isRecorded) return;
    this.isRecorded = true;
    const { tracer, method, server, startMs } = this;
    const kind = server ? 'client' : 'internal';
    const context = this.ownContext();
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

/** What came over the wire, or what our error stands for there. */
function statusOf(error: unknown): string {
  if (error === undefined) return 'OK';
  const isOfUs = error instanceof SwitchyardError;
  const { code } = ((isOfUs ? error.cause : error) ?? {}) as { readonly code?: unknown };
  return rpcStatusName(typeof code === 'number' ? code : isOfUs ? error.row.grpcStatus : -1);
}
