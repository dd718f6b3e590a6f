import { describe, expect, it } from '@jest/globals';
import type { ReceivedSpan } from './received-span.js';
import { waterfall } from './waterfall.js';

let lastId = 0;

function span(name: string, parent: ReceivedSpan | undefined, startMs: number, endMs: number, attributes: Record<string, unknown> = {}): ReceivedSpan {
  const isError = 'error.type' in attributes;
  return { traceId: 't', spanId: `s${++lastId}`, parentSpanId: parent?.spanId ?? '', name, startMs, endMs, attributes, isError };
}

const server = span('POST /api/v1/chat/completions', undefined, 1_000, 1_100, { 'http.route': '/api/v1/chat/completions', 'http.response.status_code': 200 });
const gateway = span('gateway.request', server, 1_000, 1_100, {
  'switchyard.request.id': 'gen-1',
  'switchyard.model.routed': 'acme/writer',
  'switchyard.attempt.count': 2,
  'switchyard.time_to_first_token': 0.065,
  'switchyard.end': 'completed',
  'switchyard.cost.charged': '0.000057000000',
});
const failed = { 'gen_ai.operation.name': 'chat', 'switchyard.provider.slug': 'alpha', 'switchyard.attempt.reason': 'primary', 'error.type': '429' };
const answered = {
  'gen_ai.operation.name': 'chat',
  'switchyard.provider.slug': 'beta',
  'switchyard.attempt.reason': 'fallback_provider',
  'gen_ai.response.time_to_first_chunk': 0.0099,
  'gen_ai.usage.input_tokens': 3,
  'gen_ai.usage.output_tokens': 8,
  'gen_ai.usage.cost.amount': 0.0000004,
};
const send = span('send switchyard.generation-completed.v1', gateway, 1_150, 1_160);

describe('a request in the terminal', () => {
  it('shows decision, attempts, first token and cost, each at its place in time', () => {
    const shown = waterfall([
      send,
      span('ledger post', send, 1_200, 1_210, { 'switchyard.cost.charged': '0.000057000000', 'switchyard.api_key.id': 'h' }),
      span('chat acme/writer', gateway, 1_050, 1_100, answered),
      span('chat acme/writer', gateway, 1_000, 1_050, failed),
      span('decide', gateway, 1_000, 1_001, { 'switchyard.route.strategy': 'order', 'switchyard.route.order': ['acme/writer@alpha', 'acme/writer@beta'] }),
      gateway,
      server,
    ]);
    expect(shown.split('\n')).toEqual([
      'gen-1  acme/writer  200  completed  2 attempts  first token 65.0 ms  100 ms  charged $0.000057',
      '  decide                     │█                               │    0.0 ms    1.0 ms  order  acme/writer@alpha → acme/writer@beta',
      '  chat acme/writer           │▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒                │    0.0 ms   50.0 ms  failed: 429  alpha',
      '  chat acme/writer           │                ████████████████│   50.0 ms   50.0 ms  beta  fallback provider  first chunk after 9.9 ms  3 → 8 tokens  costs $0.0000004',
      '  send generation-completed  │                                ▶    150 ms   10.0 ms',
      '    ledger post              │                                ▶    200 ms   10.0 ms  charged $0.000057',
    ]);
  });

  it('that was refused at its key shows that', () => {
    const refused = span('POST /api/v1/chat/completions', undefined, 0, 2, { 'http.route': '/api/v1/chat/completions', 'http.response.status_code': 401 });
    const request = span('gateway.request', refused, 0, 2);
    const shown = waterfall([refused, request, span('auth.api_key', request, 0, 2, { 'error.type': 'authentication' })]);
    expect(shown.split('\n')).toEqual([
      '/api/v1/chat/completions  401  2.0 ms',
      '  auth.api_key               │▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒│    0.0 ms    2.0 ms  failed: authentication',
    ]);
  });

  it('shows nothing of what is no request', () => {
    expect(waterfall([span('process switchyard.generation-completed.v1', undefined, 0, 1)])).toBe('');
  });
});
