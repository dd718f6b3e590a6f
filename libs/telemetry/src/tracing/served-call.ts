import { parseTraceparent, type TraceContext } from '../traceparent.js';
import { RPC } from './attribute-names.js';
import { FailureRuns, leftOutAttributes } from './failure-runs.js';
import { isServerFailure, rpcStatusName } from './rpc-status.js';
import type { Tracer } from './tracing.js';

/** Makes the spans of calls that come in over the network, each below its caller's where that is recorded. */
export class ServedCallTracer {
  private readonly failures = new FailureRuns();

  constructor(private readonly tracer: Tracer) {}

  /** Undefined for a call whose caller records nothing. `method`: `package.Service/Method`; `traceparent`: of the caller's span. */
  begin(method: string, traceparent: string | undefined): ServedCall | undefined {
    if (traceparent === undefined) return undefined;
    const caller = parseTraceparent(traceparent);
    return caller?.isSampled ? new ServedCall(this.tracer, method, caller, this.failures) : undefined;
  }
}

/** One call that is recorded, from its arrival to its answer. */
export class ServedCall {
  private readonly startMs: number;
  private isOver = false;

  constructor(
    private readonly tracer: Tracer,
    private readonly method: string,
    private readonly caller: TraceContext,
    private readonly failures: FailureRuns,
  ) {
    this.startMs = tracer.nowMs();
  }

  /** `statusCode`: gRPC's number of what the caller is answered. The first end counts. */
  end(statusCode = 0): void {
    if (this.isOver) return;
    this.isOver = true;
    const { tracer, method, caller, startMs } = this;
    const endMs = tracer.nowMs();
    const status = rpcStatusName(statusCode);
    const errorType = isServerFailure(status) ? status : undefined;
    // A caller that gave up waited in vain, perhaps for what fails: that ends no outage.
    const isWell = errorType === undefined && status !== 'CANCELLED';
    const leftOut = isWell ? this.failures.succeeded(method) : this.failures.failed(method, status, endMs);
    if (leftOut === undefined) return;
    const attributes = { [RPC.system]: 'grpc', [RPC.method]: method, [RPC.statusCode]: status, ...leftOutAttributes(leftOut) };
    const context = tracer.childContext(caller);
    tracer.record({ name: method, kind: 'server', context, parentSpanId: caller.spanId, startMs, endMs, attributes, errorType });
  }
}
