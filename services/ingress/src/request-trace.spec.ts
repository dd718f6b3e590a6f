import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { loadConfig } from '@switchyard/config';
import { PrometheusMetrics, Tracing, tracingConfig, type QueuedSpan } from '@switchyard/telemetry';
import { captureLogger, manualClock, seededRandom } from '@switchyard/testing';
import { recordRequest } from './request-spans.js';
import { beginRequestTrace, type RequestTrace } from './request-trace.js';

const CLIENT = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };
const ROUTE = '/api/v1/chat/completions';

/** A tracer whose spans are kept, and requests that it begins. */
function tracedWith(environment: Readonly<Record<string, string>>) {
  const spans: QueuedSpan[] = [];
  const clock = manualClock();
  const config = loadConfig(tracingConfig, { OTEL_BSP_SCHEDULE_DELAY: '0', ...environment });
  const tracing = new Tracing(
    { config, clock, random: seededRandom(1), logger: captureLogger(), metrics: new PrometheusMetrics(), version: '1', instanceId: 'i' },
    { send: async (batch) => void spans.push(...batch), close: async () => {} },
  );
  const begin = (traceparent?: string): RequestTrace =>
    beginRequestTrace(tracing.tracer('ingress'), clock, { headers: { traceparent } } as unknown as IncomingMessage, ROUTE)!;
  const finished = async () => {
    await tracing.close();
    return spans.map(({ span }) => span);
  };
  return { begin, finished };
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
});
