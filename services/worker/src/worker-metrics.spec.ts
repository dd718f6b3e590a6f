import { describe, expect, it } from '@jest/globals';
import { SwitchyardError, type ErrorType } from '@switchyard/errors';
import { events, worker } from '@switchyard/proto';
import { PrometheusMetrics } from '@switchyard/telemetry';
import type { AttemptResult } from './core/attempt-report.js';
import { WorkerMetrics } from './worker-metrics.js';

describe('metrics of attempts', () => {
  it.each<[ErrorType, string]>([
    ['provider_unavailable', 'failed'],
    // The provider's limit is the operator's.
    ['rate_limit_exceeded', 'failed'],
    ['context_length_exceeded', 'refused'],
    ['invalid_request', 'refused'],
  ])('tell a provider that fails from one that refuses what its client did wrong: %s is %s', (type, outcome) => {
    const registry = new PrometheusMetrics();
    const metrics = new WorkerMetrics(
      registry,
      () => 0,
      () => 0,
    );
    const start = worker.StartFrame.fromPartial({ apiType: 'chat', endpoint: { endpointId: 'a', providerSlug: 'acme', model: 'acme/writer' } });
    const result = { outcome: events.AttemptOutcome.UPSTREAM_FAILED, error: new SwitchyardError(type, 'no'), startTimeMs: 0, endTimeMs: 1 } as AttemptResult;
    metrics.observe(start, result, 0n);
    expect(registry.render()).toContain(`switchyard_worker_attempts_total{provider="acme",outcome="${outcome}",error_type="${type}"} 1\n`);
  });
});
