import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { TraceTerminal } from './trace-terminal.js';

const TRACE = 'a'.repeat(32);
const SECOND_NS = 1_000_000_000n;

type Value = string | number;

describe('the traces in the terminal', () => {
  const said: string[] = [];
  let terminal: TraceTerminal;

  beforeEach(async () => {
    // Time alone: sockets keep what they need.
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance', 'Date'] });
    said.length = 0;
    terminal = await TraceTerminal.start({}, (text) => void said.push(text));
  });

  afterEach(async () => {
    jest.useRealTimers();
    await terminal.stop();
  });

  it('keep an attempt that failed at the beginning of a long stream until the request ends', async () => {
    await send([span('chat acme/writer', 'gateway', [0n, 1n], attempt('alpha', { 'error.type': '500' }))]);
    jest.advanceTimersByTime(60_000);
    await send([
      span('chat acme/writer', 'gateway', [1n, 60n], attempt('beta')),
      span('gateway.request', 'server', [0n, 60n], { 'switchyard.attempt.count': 2 }, 'gateway'),
      span('POST /api/v1/chat/completions', '', [0n, 60n], { 'http.route': '/api/v1/chat/completions' }, 'server'),
    ]);
    jest.advanceTimersByTime(60_000);
    expect(said).toHaveLength(1);
    expect(said[0]).toContain('failed: 500  alpha');
    expect(said[0]).toContain('beta');
  });

  it('show the next request although many spans wait for one that never comes', async () => {
    for (let index = 0; index < 1_000; index++) await send([span('ledger post', 'process', [0n, 1n], {}, 'posting', String(index).padStart(32, '0'))]);
    await send([
      span('gateway.request', 'server', [0n, 1n], {}, 'gateway'),
      span('POST /api/v1/chat/completions', '', [0n, 1n], { 'http.route': '/api/v1/chat/completions' }, 'server'),
    ]);
    jest.advanceTimersByTime(60_000);
    expect(said).toHaveLength(1);
  });

  async function send(spans: readonly object[]): Promise<void> {
    const response = await fetch(terminal.environment['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']!, {
      method: 'POST',
      body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] }),
    });
    expect(response.status).toBe(200);
  }
});

function attempt(provider: string, more: Record<string, Value> = {}): Record<string, Value> {
  return { 'gen_ai.operation.name': 'chat', 'switchyard.attempt.index': 0, 'switchyard.provider.slug': provider, ...more };
}

function span(
  name: string,
  parentSpanId: string,
  [startSecond, endSecond]: readonly [bigint, bigint],
  attributes: Record<string, Value>,
  spanId = `${name} ${startSecond}`,
  traceId = TRACE,
): object {
  return {
    traceId,
    spanId,
    parentSpanId,
    name,
    startTimeUnixNano: String(startSecond * SECOND_NS),
    endTimeUnixNano: String(endSecond * SECOND_NS),
    attributes: Object.entries(attributes).map(([key, value]) => ({ key, value: typeof value === 'string' ? { stringValue: value } : { intValue: value } })),
    status: { code: 'error.type' in attributes ? 2 : 0 },
  };
}
