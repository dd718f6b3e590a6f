import { describe, expect, it } from '@jest/globals';
import { SwitchyardError } from '@switchyard/errors';
import { recordingTracing } from '@switchyard/testing';
import { parseTraceparent } from '../traceparent.js';
import { CallTracer } from './call-trace.js';

const METHOD = 'switchyard.billing.v1.KeyService/ResolveKey';
const NOTHING_TAKEN = { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' };
const AWAY = new SwitchyardError('gateway_unavailable', 'billing is away', { cause: Object.assign(new Error(), { code: 4 }) });

/** Calls to these addresses, traced, and the spans of them. */
function tracedWith(environment: Readonly<Record<string, string>>, addresses: readonly string[] = ['billing:9090']) {
  const { tracer, clock, finished } = recordingTracing(environment);
  return { calls: new CallTracer(tracer, addresses), clock, finished };
}

describe('the trace of a call to another service', () => {
  it('is a root of its own, from the call to its answer', async () => {
    const { calls, clock, finished } = tracedWith({});
    const call = calls.begin(METHOD);
    expect(call.isUnderWay).toBe(true);
    clock.advance(40);
    call.end({ attributes: { 'some.attribute': 'x' } });
    call.end({ error: AWAY });
    expect(call.isUnderWay).toBe(false);
    const [span, ...others] = await finished();
    expect(others).toEqual([]);
    expect(span).toMatchObject({
      name: METHOD,
      kind: 'client',
      context: call.link(),
      parentSpanId: undefined,
      errorType: undefined,
      attributes: {
        'rpc.system.name': 'grpc',
        'rpc.method': METHOD,
        'rpc.status_code': 'OK',
        'server.address': 'billing',
        'server.port': 9090,
        'some.attribute': 'x',
      },
    });
    expect(span!.endMs - span!.startMs).toBeCloseTo(40);
  });

  it('in one process is an internal span without what only a wire has', async () => {
    const { calls, finished } = tracedWith({}, []);
    calls.begin(METHOD).end();
    calls.begin(METHOD).end({ error: AWAY });
    calls.begin(METHOD).end({ error: new Error('sk-secret') });
    expect((await finished()).map(({ kind, attributes, errorType }) => ({ kind, attributes, errorType }))).toEqual(
      [undefined, 'gateway_unavailable', '_OTHER'].map((errorType) => ({ kind: 'internal', attributes: { 'rpc.method': METHOD }, errorType })),
    );
  });

  it.each([
    ['what came over the wire', AWAY, 'DEADLINE_EXCEEDED'],
    ['an error of ours by its row', new SwitchyardError('not_found', 'no such key'), 'NOT_FOUND'],
    ['a bare failure of the call', Object.assign(new Error('refused'), { code: 14 }), 'UNAVAILABLE'],
    ['a failure of another kind', Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }), 'UNKNOWN'],
  ])('that failed tells its status: %s', async (_case, error, status) => {
    const { calls, finished } = tracedWith({});
    calls.begin(METHOD).end({ error });
    expect(await finished()).toMatchObject([{ errorType: status, attributes: { 'rpc.status_code': status } }]);
  });

  it('names all addresses where several share the calls', async () => {
    const { calls, finished } = tracedWith({}, ['one:9090', '[::1]:9091']);
    calls.begin(METHOD).end();
    const [span] = await finished();
    expect(span!.attributes).toMatchObject({ 'server.address': 'one:9090,[::1]:9091' });
    expect(span!.attributes).not.toHaveProperty('server.port');
  });

  it('that the sampler passes over is not there, unless it failed through no fault of the caller', async () => {
    const failures = [AWAY, new SwitchyardError('not_found', 'no such key'), new Error('a bug')];
    const recordedWith = async (environment: Readonly<Record<string, string>>) => {
      const { calls, finished } = tracedWith(environment);
      calls.begin(METHOD).end();
      for (const error of failures) calls.begin(METHOD).end({ error });
      return (await finished()).map(({ errorType }) => errorType);
    };
    expect(await recordedWith(NOTHING_TAKEN)).toEqual(['DEADLINE_EXCEEDED', 'UNKNOWN']);
    expect(await recordedWith({ ...NOTHING_TAKEN, SWITCHYARD_TRACE_KEEP: 'none' })).toEqual([]);
  });

  it.each([
    ['takes', {}],
    ['passes over', NOTHING_TAKEN],
  ])('that fails for long is there at first, then once a minute, and when it goes well again, where the sampler %s it', async (_what, environment) => {
    const { calls, clock, finished } = tracedWith(environment);
    for (let count = 0; count < 300; count++) {
      calls.begin(METHOD).end({ error: AWAY });
      clock.advance(250);
    }
    calls.begin(METHOD).end();
    calls.begin(METHOD).end({ error: AWAY });
    expect((await finished()).map(({ errorType, attributes }) => [errorType, attributes['switchyard.failures.left_out']])).toEqual([
      ['DEADLINE_EXCEEDED', undefined],
      ['DEADLINE_EXCEEDED', 239],
      [undefined, 59],
      ['DEADLINE_EXCEEDED', undefined],
    ]);
  });

  it('that fails is there for each method, each service and each kind of failure', async () => {
    const { tracer, finished } = recordingTracing();
    const services = ['billing:9090', 'router:9090'].map((address) => new CallTracer(tracer, [address]));
    for (let count = 0; count < 3; count++)
      for (const calls of services)
        for (const method of ['a/One', 'a/Two']) {
          for (const error of [AWAY, new Error('a bug')]) calls.begin(method).end({ error });
        }
    const found = (await finished()).map(({ name, errorType, attributes }) => `${name} ${errorType} ${String(attributes['server.address'])}`);
    expect(found).toHaveLength(8);
    expect(new Set(found).size).toBe(8);
  });

  it('that was left out is there all the same when a request is linked to it', async () => {
    const { calls, finished } = tracedWith({});
    const [first, second, third] = [0, 1, 2].map(() => calls.begin(METHOD));
    const early = second!.link();
    for (const call of [first, second, third]) call!.end({ error: AWAY });
    const late = third!.link();
    expect((await finished()).map(({ context }) => context)).toEqual([first!.link(), early, late]);
  });

  it('tells the service that is called of its span while it is recorded', () => {
    const begin = (environment: Readonly<Record<string, string>>) => tracedWith(environment).calls.begin(METHOD);
    const taken = begin({});
    expect(parseTraceparent(taken.traceparent)).toEqual(taken.link());
    expect(begin(NOTHING_TAKEN).traceparent).toBeUndefined();
  });

  it.each(['before', 'after'])('that the sampler passes over is there, once, when a link was made %s its end', async (when) => {
    const { calls, clock, finished } = tracedWith(NOTHING_TAKEN);
    const call = calls.begin(METHOD);
    const early = when === 'before' ? call.link() : undefined;
    clock.advance(40);
    call.end({ attributes: { 'some.attribute': 'x' } });
    clock.advance(5_000);
    const link = call.link();
    expect(early ?? link).toBe(link);
    const [span, ...others] = await finished();
    expect(others).toEqual([]);
    expect(span).toMatchObject({ name: METHOD, context: link, attributes: { 'rpc.status_code': 'OK', 'some.attribute': 'x' } });
    expect(span!.endMs - span!.startMs).toBeCloseTo(40);
  });
});
