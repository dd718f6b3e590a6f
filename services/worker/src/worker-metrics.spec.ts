import { describe, expect, it } from '@jest/globals';
import { SwitchyardError, type ErrorType } from '@switchyard/errors';
import { common, events, worker } from '@switchyard/proto';
import { PrometheusMetrics } from '@switchyard/telemetry';
import type { AttemptResult } from './core/attempt-report.js';
import { WorkerMetrics } from './worker-metrics.js';

const start = worker.StartFrame.fromPartial({ apiType: 'chat', endpoint: { endpointId: 'a', providerSlug: 'acme', model: 'acme/writer' } });

/** What Prometheus reads after one attempt. */
function pageAfter(result: Partial<AttemptResult>, costPico = 0n): string {
  const registry = new PrometheusMetrics();
  const metrics = new WorkerMetrics(
    registry,
    () => 0,
    () => 0,
  );
  metrics.observe(start, { outcome: events.AttemptOutcome.COMPLETED, startTimeMs: 0, endTimeMs: 1, ...result } as AttemptResult, costPico);
  return registry.render();
}

describe('metrics of attempts', () => {
  it.each<[ErrorType, string]>([
    ['provider_unavailable', 'failed'],
    // The provider's limit is the operator's.
    ['rate_limit_exceeded', 'failed'],
    ['context_length_exceeded', 'refused'],
    ['invalid_request', 'refused'],
  ])('tell a provider that fails from one that refuses what its client did wrong: %s is %s', (type, outcome) => {
    const page = pageAfter({ outcome: events.AttemptOutcome.UPSTREAM_FAILED, error: new SwitchyardError(type, 'no') });
    expect(page).toContain(`switchyard_worker_attempts_total{provider="acme",outcome="${outcome}",error_type="${type}"} 1\n`);
  });

  it('count what an attempt cost', () => {
    expect(pageAfter({}, 2_500_000_000_000n)).toMatch(/^switchyard_upstream_cost_usd_total\{.*provider="acme".*\} 2\.5$/m);
  });

  it('measure tokens as the provider reports them, and none that were estimated', () => {
    const sumsAfter = (usageSource: common.UsageSource) =>
      [
        ...pageAfter({ meters: { input_uncached: 11, output_text: 7 }, usageSource }).matchAll(/^gen_ai_client_token_usage_sum\{.*type="(\w+)".*\} (\d+)$/gm),
      ].map(([, type, sum]) => [type, Number(sum)]);
    expect(sumsAfter(common.UsageSource.PROVIDER)).toEqual([
      ['input', 11],
      ['output', 7],
    ]);
    expect(sumsAfter(common.UsageSource.ESTIMATED)).toEqual([
      ['input', 0],
      ['output', 0],
    ]);
  });
});
