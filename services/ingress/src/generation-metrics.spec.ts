import { beforeEach, describe, expect, it } from '@jest/globals';
import { SwitchyardError } from '@switchyard/errors';
import { common, events } from '@switchyard/proto';
import { PrometheusMetrics } from '@switchyard/telemetry';
import type { AttemptRecord, Generation } from './core/generation.js';
import type { Settlement } from './core/settlement.js';
import { GenerationMetrics } from './generation-metrics.js';

const PICO = 1_000_000_000_000n;

describe('metrics of generations', () => {
  let registry: PrometheusMetrics;
  let metrics: GenerationMetrics;
  beforeEach(() => {
    registry = new PrometheusMetrics();
    metrics = new GenerationMetrics(registry, (slug) => (slug === 'acme' ? 'acme.cloud' : slug));
  });

  const attemptOf = (model: string, changes: Partial<AttemptRecord> = {}): AttemptRecord => {
    const endpoint = { endpointId: `${model}@acme`, providerSlug: 'acme', modelSlug: model, variant: '' };
    const attempt = { candidate: { endpoint }, end: 'completed', upstreamStatus: 200, startTimeMs: 1_000, durationMs: 900, firstContentMs: 500, ...changes };
    return attempt as unknown as AttemptRecord;
  };

  function end(attempt: AttemptRecord, settlement: Partial<Settlement> = {}, attempts: readonly AttemptRecord[] = [attempt]): void {
    const generation = { request: { apiType: 'chat', stream: true, traceparent: '' }, acceptTimeMs: 900, attempts } as unknown as Generation;
    const meters = { input_uncached: 10, output_text: 6 };
    const whole = { end: events.GenerationEnd.COMPLETED, meters, charge: { amountPico: PICO / 4n, lines: [] }, flags: [], ...settlement } as Settlement;
    metrics.generationEnded(generation, attempt, whole);
  }

  it('tell the end, tokens, money and times of a request by provider and model', () => {
    end(attemptOf('acme/writer'));
    const text = registry.render();
    const labels = 'gen_ai_operation_name="chat",gen_ai_provider_name="acme.cloud",gen_ai_request_model="acme/writer"';
    for (const line of [
      'switchyard_generations_total{api="chat",end="completed",blame=""} 1',
      'switchyard_prompt_tokens_total{provider="acme",model="acme/writer"} 10',
      'switchyard_completion_tokens_total{provider="acme",model="acme/writer"} 6',
      'switchyard_charged_usd_total{provider="acme",model="acme/writer"} 0.25',
      'switchyard_first_token_seconds_sum{api="chat"} 0.5',
      `gen_ai_server_request_duration_seconds_sum{${labels},error_type=""} 1`,
      `gen_ai_server_time_to_first_token_seconds_sum{${labels}} 0.5`,
      // Half a second for the five tokens after the first.
      `gen_ai_server_time_per_output_token_seconds_sum{${labels}} 0.1`,
      'switchyard_fallbacks_total{api="chat"} 0',
    ]) {
      expect(text).toContain(`${line}\n`);
    }
  });

  it('count what went wrong, and whose doing it was', () => {
    const failed = attemptOf('acme/writer', { end: 'client_gone', upstreamStatus: 0 });
    metrics.attemptEnded(failed);
    end(attemptOf('acme/writer'), { flags: ['price_missing'] }, [failed, failed]);
    metrics.refused('embeddings', new SwitchyardError('rate_limit_exceeded', 'slow down'));
    metrics.refused('chat', new SwitchyardError('gateway_unavailable', 'later'));
    const text = registry.render();
    for (const line of [
      'switchyard_early_aborts_total 1',
      'switchyard_attempts_total{provider="acme",outcome="client_gone"} 1',
      'switchyard_fallbacks_total{api="chat"} 1',
      'switchyard_flagged_charges_total{flag="price_missing"} 1',
      'switchyard_flagged_charges_total{flag="usage_estimated"} 0',
      'switchyard_refusals_total{api="embeddings",error_type="rate_limit_exceeded",blame="account"} 1',
      'switchyard_refusals_total{api="chat",error_type="gateway_unavailable",blame="gateway"} 1',
    ]) {
      expect(text).toContain(`${line}\n`);
    }
  });

  it.each([
    ['context_length_exceeded', 'client'],
    ['provider_unavailable', 'upstream'],
    // The provider's limit is the operator's, not the account's.
    ['rate_limit_exceeded', 'upstream'],
    ['gateway_unavailable', 'gateway'],
  ])('tell whose doing a failure is: %s is of the %s', (errorType, blame) => {
    const failed = attemptOf('acme/writer', { end: 'failed', error: common.ErrorDetail.create({ errorType }), firstContentMs: undefined });
    end(failed, { end: events.GenerationEnd.UPSTREAM_FAILED, charge: { amountPico: 0n, lines: [] } });
    const counted = [...registry.render().matchAll(/^switchyard_generations_total\{api="chat",end="upstream_failed",blame="(\w+)"\} 1$/gm)];
    expect(counted.map(([, shown]) => shown)).toEqual([blame]);
  });

  it('label a hundred models by name and the others as one', () => {
    for (let model = 0; model < 130; model++) end(attemptOf(`acme/model-${model}`));
    const text = registry.render();
    expect(text.match(/^switchyard_charged_usd_total\{/gm)).toHaveLength(101);
    expect(text).toContain('switchyard_charged_usd_total{provider="acme",model="other"} 7.5\n');
  });
});
