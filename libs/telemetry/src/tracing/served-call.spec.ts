import { describe, expect, it } from '@jest/globals';
import { recordingTracing } from '@switchyard/testing';
import { formatTraceparent } from '../traceparent.js';
import { ServedCallTracer } from './served-call.js';

const METHOD = 'switchyard.billing.v1.KeyService/ResolveKey';
const CALLER = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', isSampled: true };
const TRACEPARENT = formatTraceparent(CALLER);
const [OK, CANCELLED, NOT_FOUND, INTERNAL, UNAVAILABLE] = [0, 1, 5, 13, 14];

describe('the span of a call that is served', () => {
  it('lies below its caller’s, from arrival to answer', async () => {
    const { tracer, clock, finished } = recordingTracing();
    const call = new ServedCallTracer(tracer).begin(METHOD, TRACEPARENT)!;
    clock.advance(40);
    call.end();
    call.end(INTERNAL);
    const [span, ...others] = await finished();
    expect(others).toEqual([]);
    expect(span).toMatchObject({ name: METHOD, kind: 'server', parentSpanId: CALLER.spanId, context: { traceId: CALLER.traceId, isSampled: true } });
    expect(span!.context.spanId).not.toBe(CALLER.spanId);
    expect(span!.attributes).toEqual({ 'rpc.system.name': 'grpc', 'rpc.method': METHOD, 'rpc.status_code': 'OK' });
    expect(span!.endMs - span!.startMs).toBeCloseTo(40);
  });

  it.each([
    ['there is no caller’s', undefined],
    ['the caller’s is not recorded', formatTraceparent({ ...CALLER, isSampled: false })],
    ['the caller’s cannot be read', 'nonsense'],
  ])('is not there where %s', (_case, traceparent) => {
    expect(new ServedCallTracer(recordingTracing().tracer).begin(METHOD, traceparent)).toBeUndefined();
  });

  it('is an error when the service failed, and not when the caller asked for what there is not', async () => {
    const { tracer, finished } = recordingTracing();
    const calls = new ServedCallTracer(tracer);
    for (const status of [NOT_FOUND, INTERNAL, 99]) calls.begin(METHOD, TRACEPARENT)!.end(status);
    expect((await finished()).map(({ errorType, attributes }) => [errorType, attributes['rpc.status_code']])).toEqual([
      [undefined, 'NOT_FOUND'],
      ['INTERNAL', 'INTERNAL'],
      ['UNKNOWN', 'UNKNOWN'],
    ]);
  });

  it('is left out while the same failure goes on, but for one a minute, also when callers give up meanwhile', async () => {
    const { tracer, clock, finished } = recordingTracing();
    const calls = new ServedCallTracer(tracer);
    for (let count = 0; count < 300; count++) {
      calls.begin(METHOD, TRACEPARENT)!.end(UNAVAILABLE);
      if (count === 299) calls.begin(METHOD, TRACEPARENT)!.end(CANCELLED);
      clock.advance(250);
    }
    calls.begin(METHOD, TRACEPARENT)!.end(OK);
    expect((await finished()).map(({ errorType, attributes }) => [errorType, attributes['switchyard.failures.left_out']])).toEqual([
      ['UNAVAILABLE', undefined],
      ['UNAVAILABLE', 239],
      [undefined, undefined],
      [undefined, 59],
    ]);
  });
});
