import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { events } from '@switchyard/proto';
import type { PlanCandidate, RoutingPlan } from '@switchyard/routing';
import { CallTracer, type CallTrace, type Span } from '@switchyard/telemetry';
import { manualClock, recordingTracing } from '@switchyard/testing';
import type { AttemptRecord, Generation } from './core/generation.js';
import type { Settlement } from './core/settlement.js';
import { reasonToKeep, recordRequest } from './request-spans.js';
import { beginRequestTrace, type RequestTrace } from './request-trace.js';
import type { AttemptReservation } from './wallet/attempt-reserver.js';
import type { HeldLease } from './wallet/scope-leases.js';

const CLIENT = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };
const ROUTE = '/api/v1/chat/completions';

/** Requests that are traced as the environment says, and what becomes of them. */
function tracedWith(environment: Readonly<Record<string, string>>) {
  const { tracer, clock, finished } = recordingTracing(environment);
  const begin = (traceparent?: string, tracestate?: string): RequestTrace =>
    beginRequestTrace(tracer, clock, { headers: { traceparent, tracestate } } as unknown as IncomingMessage, ROUTE)!;
  return { begin, finished, clock, calls: new CallTracer(tracer, ['billing:9090']) };
}

const sampledBy = (flags: string) => `00-${CLIENT.traceId}-${CLIENT.spanId}-${flags}`;

describe('a request’s trace', () => {
  it('does not exist where nothing is traced', () => {
    expect(beginRequestTrace(undefined, manualClock(), { headers: {} } as IncomingMessage, ROUTE)).toBeUndefined();
  });

  it('continues the client’s, is linked to it, or ignores it, as the operator says', async () => {
    const found: unknown[] = [];
    for (const SWITCHYARD_TRACE_INCOMING of ['continue', 'link', 'ignore']) {
      const { begin, finished } = tracedWith({ SWITCHYARD_TRACE_INCOMING });
      recordRequest(begin(sampledBy('01')), 200);
      const server = (await finished()).find(({ kind }) => kind === 'server')!;
      found.push({ isSame: server.context.traceId === CLIENT.traceId, parent: server.parentSpanId, links: server.links?.map(({ spanId }) => spanId) });
    }
    expect(found).toEqual([
      { isSame: true, parent: CLIENT.spanId, links: undefined },
      { isSame: false, parent: undefined, links: [CLIENT.spanId] },
      { isSame: false, parent: undefined, links: undefined },
    ]);
  });

  it('has the client’s tracestate on every span when it is continued, also when it is kept only at its end', async () => {
    const found: unknown[] = [];
    for (const [incoming, flags, tracestate] of [
      ['continue', '01', 'vendor=1, ot=th:c'],
      ['continue', '00', 'vendor=1, ot=th:c'],
      ['continue', '01', 'not valid'],
      ['link', '01', 'vendor=1'],
    ] as const) {
      const { begin, finished } = tracedWith({ SWITCHYARD_TRACE_INCOMING: incoming });
      const trace = begin(sampledBy(flags), tracestate);
      trace.refused('gateway_unavailable', 503);
      recordRequest(trace, 503);
      found.push((await finished()).map(({ context }) => context.tracestate));
    }
    const [carried, nothing] = ['vendor=1,ot=th:c', undefined].map((tracestate) => [tracestate, tracestate, tracestate]);
    expect(found).toEqual([carried, carried, nothing, nothing]);
  });

  it('that the sampler passes over goes nowhere and has no spans', async () => {
    const { begin, finished } = tracedWith({ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' });
    const trace = begin();
    recordRequest(trace, 200);
    expect(trace.traceparent).toBe('');
    expect(await finished()).toEqual([]);
  });

  it('of somebody else that is not recorded here goes on unsampled', () => {
    const { begin } = tracedWith({ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' });
    expect(begin(sampledBy('01')).traceparent).toBe(sampledBy('00'));
  });

  it('is recorded after all when the client is told a failure of ours, unless nothing is to be kept', async () => {
    const outcomes: number[] = [];
    for (const SWITCHYARD_TRACE_KEEP of ['errors', 'none']) {
      const { begin, finished } = tracedWith({ SWITCHYARD_TRACE_KEEP, OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' });
      const [failed, refused] = [begin(), begin()];
      failed.refused('gateway_unavailable', 503);
      refused.refused('authentication', 401);
      recordRequest(failed, 503);
      recordRequest(refused, 401);
      outcomes.push((await finished()).filter(({ kind }) => kind === 'server').length);
    }
    expect(outcomes).toEqual([1, 0]);
  });

  it('is an error when a failure of ours is told after the status, and not when the client is refused there', async () => {
    const { begin, finished } = tracedWith({});
    for (const [errorType, status] of [
      ['gateway_unavailable', 503],
      ['payment_required', 402],
    ] as const) {
      const trace = begin();
      trace.refused(errorType, status);
      recordRequest(trace, 200);
    }
    const spans = await finished();
    const errorsOf = (name: string) => spans.filter((span) => span.name === name).map(({ errorType }) => errorType);
    expect(errorsOf(`POST ${ROUTE}`)).toEqual(['stream_interrupted', undefined]);
    expect(errorsOf('gateway.request')).toEqual(['gateway_unavailable', undefined]);
  });

  it('is kept as slow when its first token is late, or was waited for so long in vain', () => {
    const { begin, clock } = tracedWith({
      OTEL_TRACES_SAMPLER: 'traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0',
      SWITCHYARD_TRACE_SLOW: '60s',
      SWITCHYARD_TRACE_SLOW_FIRST_TOKEN: '10s',
    });
    const kept = (stream: boolean, firstContentMs: number | undefined, tookMs: number) => {
      const trace = begin();
      clock.advance(tookMs);
      const generation = { request: { stream }, attempts: [{ firstContentMs }] } as unknown as Generation;
      return reasonToKeep(trace, generation, { end: events.GenerationEnd.CLIENT_ABORTED } as Settlement);
    };
    expect([kept(true, 11_000, 12_000), kept(true, 9_000, 50_000), kept(true, undefined, 11_000), kept(true, undefined, 9_000)]).toEqual([
      'slow',
      undefined,
      'slow',
      undefined,
    ]);
    expect([kept(false, undefined, 50_000), kept(false, undefined, 61_000)]).toEqual([undefined, 'slow']);
  });
});

describe('the links of a request', () => {
  const PLAN = { strategy: 'price', candidates: [], excluded: [], tableVersion: 7n } as unknown as RoutingPlan;
  const CANDIDATE = { endpoint: { endpointId: 'acme/writer@alpha' } } as PlanCandidate;
  const NOTHING_TAKEN = { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' };

  const leaseOf = (grantedBy: CallTrace | undefined) => ({ grantedBy }) as HeldLease;
  const reservationOf = (...leases: HeldLease[]): AttemptReservation =>
    ({ reservation: { parts: leases.map((lease) => ({ lease })), settleBeforeMs: 0 }, reservedPico: 1n, outputTokenCap: 1 }) as unknown as AttemptReservation;
  const linkIds = (spans: readonly Span[], name: string) => spans.filter((span) => span.name === name).map(({ links }) => links?.map(({ spanId }) => spanId));

  it('lead from each step to what it waited for, and from what lies between to the request itself', async () => {
    const { begin, finished, clock, calls } = tracedWith({});
    const trace = begin();
    const [key, quota, lease, refused] = ['a/ResolveKey', 'b/Acquire', 'c/Acquire', 'd/Acquire'].map((name) => calls.begin(name));
    const wait = (call = key) => {
      clock.advance(1);
      trace.waitsFor(call!);
      clock.advance(1);
    };
    wait(key);
    trace.authenticated();
    trace.decided(clock.monotonicMs(), PLAN, undefined);
    wait(quota);
    clock.advance(1);
    const firstAtMs = clock.monotonicMs();
    wait(refused);
    trace.reserved(CANDIDATE, 0, firstAtMs, 'unaffordable');
    clock.advance(1);
    const secondAtMs = clock.monotonicMs();
    wait(lease);
    // What was waited for is what brought the lease: that is one link.
    trace.reserved(CANDIDATE, 0, secondAtMs, 'reserved', reservationOf(leaseOf(lease), leaseOf(quota)));
    recordRequest(trace, 200);
    const spans = await finished();
    const idOf = (call = key) => call!.link().spanId;
    expect(linkIds(spans, 'auth.api_key')).toEqual([[idOf(key)]]);
    expect(linkIds(spans, 'reserve')).toEqual([[idOf(refused)], [idOf(lease), idOf(quota)]]);
    expect(linkIds(spans, 'gateway.request')).toEqual([[idOf(quota)]]);
  });

  it('lead to the push that the decision was made with, and once to each session', async () => {
    const { begin, finished, clock, calls } = tracedWith({});
    const trace = begin();
    const [push, session, other] = ['a/Watch', 'b/Open', 'c/Open'].map((name) => calls.begin(name));
    trace.authenticated();
    trace.decided(clock.monotonicMs(), PLAN, push);
    const attempts = [session, undefined, other, session].map((opening) => ({ session: opening, isReported: true, candidate: CANDIDATE }) as AttemptRecord);
    trace.generation = { attempts, key: {}, request: { routing: {} } } as unknown as Generation;
    recordRequest(trace, 200);
    const spans = await finished();
    expect(linkIds(spans, 'decide')).toEqual([[push!.link().spanId]]);
    expect(linkIds(spans, 'gateway.request')).toEqual([[session!.link().spanId, other!.link().spanId]]);
  });

  it('of a request refused for its key lead to the call that said so', async () => {
    const { begin, finished, clock, calls } = tracedWith({});
    const trace = begin();
    const call = calls.begin('a/ResolveKey');
    trace.waitsFor(call);
    clock.advance(5);
    trace.refused('authentication', 401);
    recordRequest(trace, 401);
    const spans = await finished();
    expect(linkIds(spans, 'auth.api_key')).toEqual([[call.link().spanId]]);
    expect(linkIds(spans, 'gateway.request')).toEqual([[]]);
  });

  it.each([
    ['00', 0],
    ['01', 1],
  ])('record what the sampler passed over for requests that are recorded, and for no others: flags %s', async (flags, recordedCount) => {
    const { begin, finished, calls } = tracedWith(NOTHING_TAKEN);
    const [key, push, lease] = ['a/ResolveKey', 'b/Watch', 'c/Acquire'].map((name) => calls.begin(name));
    for (const call of [key, push, lease]) call!.end();
    for (let count = 0; count < 2; count++) {
      const trace = begin(sampledBy(flags));
      trace.waitsFor(key!);
      trace.authenticated();
      trace.decided(0, PLAN, push);
      trace.reserved(CANDIDATE, 0, 1, 'reserved', reservationOf(leaseOf(lease)));
      recordRequest(trace, 200);
    }
    const spans = await finished();
    for (const [step, name] of [
      ['auth.api_key', 'a/ResolveKey'],
      ['decide', 'b/Watch'],
      ['reserve', 'c/Acquire'],
    ] as const) {
      const ids = spans.filter((span) => span.name === name).map(({ context }) => context.spanId);
      expect(ids).toHaveLength(recordedCount);
      expect(linkIds(spans, step)).toEqual(recordedCount === 0 ? [] : [ids, ids]);
    }
  });
});
