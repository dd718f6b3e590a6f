import { describe, expect, it } from '@jest/globals';
import { manualClock, seededRandom } from '@switchyard/testing';
import { CircuitBreakers } from './circuit-breaker.js';
import { decide } from './decide.js';
import type { RoutingDecision } from './routing-plan.js';
import type { RoutingPolicy, RoutingRequest } from './routing-request.js';
import { endpointById, type RoutingTable } from './routing-table.js';
import { chatRequest, planOf, refusalOf, START_MS, tagsOf, writerTable } from './testing/table-fixtures.js';

function run(table: RoutingTable, request: Partial<RoutingRequest>, policy: RoutingPolicy = {}): RoutingDecision {
  return decide(table, chatRequest(request), policy, manualClock(START_MS), seededRandom(1));
}

describe('a dated snapshot', () => {
  const day = { snapshots: { '2024-11-20': 'pinned-id' } };
  const table = writerTable({ maker: { ...day, priceUsd: 3 }, other: {}, retired: { ...day, disabled: true } });
  const pinned = { model: 'acme/writer-2024-11-20' };

  it('is asked of the endpoints that serve it, by their ids for it, and named so', () => {
    const plan = planOf(run(table, pinned));
    expect(
      plan.candidates.map(({ endpoint, publicModel, model }) => [endpoint.endpointId, endpoint.record.providerModelId, publicModel, model.permaslug]),
    ).toEqual([['acme/writer-2024-11-20@maker', 'pinned-id', 'acme/writer-2024-11-20', 'acme/writer-2024-11-20']]);
    expect(plan.candidates[0]!.chargeSchedule.revision).toBe('r-3-3');
    expect(plan.excluded.map(({ endpointId, code, detail }) => [endpointId, code, detail])).toEqual([
      ['acme/writer@other', 'snapshot', 'Is not known to serve acme/writer-2024-11-20.'],
      ['acme/writer-2024-11-20@retired', 'disabled', 'Switched off by the operator.'],
    ]);
    expect(plan.warnings).toEqual([]);
  });

  it('is refused, and not replaced, where the request leaves out who serves it', () => {
    const refusal = refusalOf(run(table, { ...pinned, provider: { only: ['other'] } }));
    expect(refusal.message).toBe('No allowed providers are available for acme/writer-2024-11-20.');
    expect(refusal.availability.excluded_by).toEqual(['allowed_providers']);
    expect(refusalOf(run(table, { ...pinned, provider: { max_price: { prompt: 2 } } })).availability.constraint?.field).toBe('max_price');
  });

  it('that nobody in service serves is the model itself, which is told', () => {
    const plan = planOf(run(writerTable({ maker: { ...day, hasCredential: false }, other: {} }), pinned));
    expect(plan.candidates.map(({ endpoint, publicModel }) => [endpoint.tag, publicModel])).toEqual([['other', 'acme/writer']]);
    expect(plan.warnings).toEqual(['acme/writer-2024-11-20: no endpoint in service has this snapshot; the request went on to acme/writer.']);
  });

  it('and then the model itself are two things to ask of one endpoint', () => {
    const plan = planOf(run(table, { ...pinned, models: ['acme/writer'], provider: { only: ['maker'] } }));
    expect(plan.candidates.map(({ endpoint, publicModel }) => [endpoint.providerModelId, publicModel])).toEqual([
      ['pinned-id', 'acme/writer-2024-11-20'],
      ['maker-writer', 'acme/writer'],
    ]);
  });

  it('that fails keeps nobody from the model, and has a breaker that can be told whose it is', () => {
    const breakers = new CircuitBreakers();
    const clock = manualClock(START_MS);
    const { endpointId } = planOf(run(table, pinned)).candidates[0]!.endpoint;
    for (let failure = 0; failure < 3; failure++)
      breakers.recordFailure(endpointId, breakers.acquireAnyway(endpointId), clock.monotonicMs(), { kind: 'failed' });
    const either = {
      model: 'acme/writer-2024-11-20',
      models: ['acme/writer'],
      provider: { only: ['maker'], sort: { by: 'price', partition: 'none' } },
    } as const;
    expect(planOf(run(table, either, { breakers })).candidates.map(({ publicModel }) => publicModel)).toEqual(['acme/writer', 'acme/writer-2024-11-20']);
    expect(endpointById(table, endpointId)).toMatchObject({ providerSlug: 'maker', providerModelId: 'pinned-id' });
    expect(endpointById(table, 'acme/writer@maker')).toBe(table.endpoints.get('acme/writer@maker'));
    expect(endpointById(table, 'acme/writer-2024-11-21@maker')).toBeUndefined();
  });

  it('is allowed to a key that may use the model', () => {
    expect(tagsOf(run(table, pinned, { allowedModels: ['acme/writer'] }))).toEqual(['maker']);
    expect(refusalOf(run(table, pinned, { allowedModels: ['acme/poet'] })).availability.excluded_by).toContain('allowed_models');
  });
});
