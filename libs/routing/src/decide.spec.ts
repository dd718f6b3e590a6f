import { describe, expect, it } from '@jest/globals';
import { manualClock, seededRandom } from '@switchyard/testing';
import fc from 'fast-check';
import { CircuitBreakers, type BreakerFailure } from './circuit-breaker.js';
import { decide } from './decide.js';
import type { RoutingDecision } from './routing-plan.js';
import type { ProviderPreferences, RoutingPolicy, RoutingRequest } from './routing-request.js';
import { applyTableUpdate, type RoutingTable } from './routing-table.js';
import {
  chatRequest,
  endpointRecord,
  flat,
  modelRecord,
  planOf,
  refusalOf,
  START_MS,
  statisticsRecord,
  tableOf,
  tableUpdate,
  tagsOf,
  writerTable,
  type EndpointFixture,
} from './testing/table-fixtures.js';

function run(table: RoutingTable, request: Partial<RoutingRequest> = {}, policy: RoutingPolicy = {}, seed = 1): RoutingDecision {
  return decide(table, chatRequest(request), policy, manualClock(START_MS), seededRandom(seed));
}

function withProvider(table: RoutingTable, provider: ProviderPreferences, policy: RoutingPolicy = {}): RoutingDecision {
  return run(table, { provider }, policy);
}

describe('default selection', () => {
  it('R02 draws the first by the inverse square of the price: 1 and 3 share 9 to 1', () => {
    const table = writerTable({ cheap: { priceUsd: 1 }, dear: { priceUsd: 3 } });
    const random = seededRandom(20_260_101);
    const clock = manualClock(START_MS);
    const request = chatRequest();
    let cheapFirst = 0;
    for (let index = 0; index < 10_000; index++) {
      const { candidates } = planOf(decide(table, request, {}, clock, random));
      if (candidates[0]!.endpoint.tag === 'cheap') cheapFirst++;
    }
    const ratio = cheapFirst / (10_000 - cheapFirst);
    expect(ratio).toBeGreaterThan(9 * 0.95);
    expect(ratio).toBeLessThan(9 * 1.05);
  });

  it('compares prompt and completion prices together', () => {
    const table = tableOf(
      [modelRecord('acme/writer')],
      [
        endpointRecord('acme/writer', 'a', {
          chargeSchedules: [
            { startTimeMs: 0n, schedule: { revision: 'a', ratesPico: { input_uncached: 1n, output_text: 9n }, overrides: [], discountMillionths: 0 } },
          ],
        }),
        endpointRecord('acme/writer', 'b', {
          chargeSchedules: [
            { startTimeMs: 0n, schedule: { revision: 'b', ratesPico: { input_uncached: 4n, output_text: 4n }, overrides: [], discountMillionths: 0 } },
          ],
        }),
      ],
    );
    expect(tagsOf(withProvider(table, { sort: 'price' }))).toEqual(['b', 'a']);
  });

  it('R03 with A at 1, B at 2 failing and C at 3: A nine times as often as C first, then the other, then B', () => {
    const table = writerTable({ a: { priceUsd: 1 }, b: { priceUsd: 2 }, c: { priceUsd: 3 } }, [
      statisticsRecord('acme/writer@b', {}, { recentFailureCount: 30n, recentRequestCount: 40n }),
    ]);
    const orders = new Set<string>();
    for (let seed = 0; seed < 200; seed++) orders.add(tagsOf(run(table, {}, {}, seed)).join(','));
    expect([...orders].sort()).toEqual(['a,c,b', 'c,a,b']);
  });

  it('R03 forgets an outage when the table is too old to say so', () => {
    const table = writerTable({ a: { priceUsd: 1 }, b: { priceUsd: 1000 } }, [
      statisticsRecord('acme/writer@a', {}, { recentFailureCount: 30n, recentRequestCount: 40n }),
    ]);
    const clock = manualClock(START_MS);
    expect(tagsOf(decide(table, chatRequest(), {}, clock, seededRandom(3)))).toEqual(['b', 'a']);
    clock.advance(31_000);
    expect(tagsOf(decide(table, chatRequest(), {}, clock, seededRandom(3)))).toEqual(['a', 'b']);
  });

  it('R03 forgets an outage when statistics stop coming, though the router is heard', () => {
    const table = writerTable({ a: { priceUsd: 1 }, b: { priceUsd: 1000 } }, [
      statisticsRecord('acme/writer@a', {}, { recentFailureCount: 30n, recentRequestCount: 40n }),
    ]);
    const clock = manualClock(START_MS);
    clock.advance(31_000);
    const heard = applyTableUpdate(table, tableUpdate([], [], { isSnapshot: false, version: 2n, serverTimeMs: BigInt(clock.nowMs()) }));
    expect(tagsOf(decide(heard, chatRequest(), {}, clock, seededRandom(3)))).toEqual(['a', 'b']);
  });

  it('takes one failure among many requests for no outage', () => {
    const table = writerTable({ a: { priceUsd: 1 }, b: { priceUsd: 1000 } }, [
      statisticsRecord('acme/writer@a', {}, { recentFailureCount: 1n, recentRequestCount: 100n }),
    ]);
    expect(tagsOf(run(table))).toEqual(['a', 'b']);
  });

  it('orders the fallbacks by price', () => {
    const table = writerTable({ a: { priceUsd: 0.001 }, b: { priceUsd: 3 }, c: { priceUsd: 2 }, d: { priceUsd: 4 } });
    expect(tagsOf(run(table))).toEqual(['a', 'c', 'b', 'd']);
  });

  it('draws evenly among endpoints that cost nothing', () => {
    const table = writerTable({ a: { priceUsd: 0 }, b: { priceUsd: 0 }, c: { priceUsd: 1 } });
    const firsts = new Set(Array.from({ length: 50 }, (_, seed) => tagsOf(run(table, {}, {}, seed))[0]));
    expect([...firsts].sort()).toEqual(['a', 'b']);
  });

  it('uses the price in force at accept time, overrides for long prompts included', () => {
    const table = tableOf(
      [modelRecord('acme/writer')],
      [
        endpointRecord('acme/writer', 'a', {
          chargeSchedules: [
            { startTimeMs: 0n, schedule: { revision: 'old', ratesPico: { input_uncached: 5n, output_text: 5n }, overrides: [], discountMillionths: 0 } },
            {
              startTimeMs: BigInt(START_MS + 1_000),
              schedule: {
                revision: 'new',
                ratesPico: { input_uncached: 1n, output_text: 1n },
                overrides: [{ minPromptTokens: 1_000n, utcDays: [], ratesPico: { input_uncached: 100n } }],
                discountMillionths: 0,
              },
            },
          ],
        }),
        endpointRecord('acme/writer', 'b', {
          chargeSchedules: [
            { startTimeMs: 0n, schedule: { revision: 'b', ratesPico: { input_uncached: 3n, output_text: 3n }, overrides: [], discountMillionths: 0 } },
          ],
        }),
      ],
    );
    const clock = manualClock(START_MS);
    const sorted = (promptTokensEstimate: number): string[] =>
      planOf(decide(table, chatRequest({ provider: { sort: 'price' }, promptTokensEstimate }), {}, clock, seededRandom(1))).candidates.map(
        (candidate) => candidate.chargeSchedule.revision,
      );
    expect(sorted(10)).toEqual(['b', 'old']);
    clock.advance(1_000);
    expect(sorted(10)).toEqual(['new', 'b']);
    expect(sorted(1_001)).toEqual(['b', 'new']);
  });

  it('refuses an endpoint whose price is missing instead of serving it for nothing', () => {
    const table = writerTable({ a: { chargeSchedules: [] }, b: {} });
    const plan = planOf(run(table));
    expect(plan.candidates.map((candidate) => candidate.endpoint.tag)).toEqual(['b']);
    expect(plan.excluded).toEqual([expect.objectContaining({ tag: 'a', code: 'no_price' })]);
  });
});

describe('breakers', () => {
  function fail(breakers: CircuitBreakers, endpointId: string, failure: BreakerFailure): void {
    breakers.recordFailure(endpointId, breakers.acquireAnyway(endpointId), 0, failure);
  }

  function breakersWith(...failing: string[]): CircuitBreakers {
    const breakers = new CircuitBreakers();
    for (const tag of failing) for (let index = 0; index < 3; index++) fail(breakers, `acme/writer@${tag}`, { kind: 'failed' });
    return breakers;
  }

  it('puts an open endpoint last, whatever order was asked for', () => {
    const table = writerTable({ a: { priceUsd: 1 }, b: { priceUsd: 2 }, c: { priceUsd: 3 } });
    const policy = { breakers: breakersWith('a') };
    expect(tagsOf(run(table, {}, policy)).at(-1)).toBe('a');
    expect(tagsOf(withProvider(table, { sort: 'price' }, policy))).toEqual(['b', 'c', 'a']);
    expect(tagsOf(withProvider(table, { order: ['a', 'c'] }, policy))).toEqual(['c', 'b', 'a']);
  });

  it('tries the one that reopens soonest when all are open', () => {
    const table = writerTable({ a: { priceUsd: 1 }, b: { priceUsd: 2 }, c: { priceUsd: 3 } });
    const breakers = breakersWith('a', 'b', 'c');
    fail(breakers, 'acme/writer@a', { kind: 'rate_limited', retryAfterMs: 60_000 });
    fail(breakers, 'acme/writer@c', { kind: 'rate_limited', retryAfterMs: 30_000 });
    expect(tagsOf(run(table, {}, { breakers }))).toEqual(['b', 'c', 'a']);
  });

  it('lets a half-open endpoint take its place once, marked as a probe with little time', () => {
    const table = writerTable({ a: { priceUsd: 0.001 }, b: { priceUsd: 2 } }, [statisticsRecord('acme/writer@a', { firstTokenMs: flat(200) })]);
    const breakers = breakersWith('a');
    const clock = manualClock(START_MS);
    clock.advance(5_000);
    const policy = { breakers };
    const [first] = planOf(decide(table, chatRequest(), policy, clock, seededRandom(1))).candidates;
    expect(first).toMatchObject({ isProbe: true, endpoint: { tag: 'a' }, deadlines: { firstTokenMs: 240 } });
    expect(breakers.tryAcquire('acme/writer@a', clock.monotonicMs())).toBeDefined();
    expect(tagsOf(decide(table, chatRequest(), policy, clock, seededRandom(1)))).toEqual(['b', 'a']);
  });
});

describe('provider preferences', () => {
  const three = writerTable({ a: { priceUsd: 1 }, b: { priceUsd: 2 }, c: { priceUsd: 3 } });

  it('R04 tries provider.order first in sequence, then the others', () => {
    expect(tagsOf(withProvider(three, { order: ['c', 'a'] }))).toEqual(['c', 'a', 'b']);
    expect(planOf(withProvider(three, { order: ['c', 'a'] })).strategy).toBe('order');
  });

  it('R05 with allow_fallbacks false tries the listed ones alone', () => {
    const plan = planOf(withProvider(three, { order: ['c', 'a'], allow_fallbacks: false }));
    expect(plan.candidates.map((candidate) => candidate.endpoint.tag)).toEqual(['c', 'a']);
    expect(plan.excluded).toEqual([expect.objectContaining({ tag: 'b', code: 'allow_fallbacks' })]);
  });

  it('R05 with allow_fallbacks false and no order pins the single best pick', () => {
    expect(tagsOf(withProvider(three, { allow_fallbacks: false, sort: 'price' }))).toEqual(['a']);
    expect(tagsOf(withProvider(three, { allow_fallbacks: false }))).toHaveLength(1);
  });

  it('R06 intersects only with the account list, unites ignore with it, and refuses what is left empty', () => {
    expect(tagsOf(withProvider(three, { only: [], order: [], ignore: [], quantizations: [], sort: 'price' }))).toEqual(['a', 'b', 'c']);
    expect(tagsOf(withProvider(three, { only: ['a', 'b'], sort: 'price' }, { allowedProviders: ['b', 'c'] }))).toEqual(['b']);
    expect(tagsOf(withProvider(three, { ignore: ['a'] }, { ignoredProviders: ['b'] }))).toEqual(['c']);
    const refusal = refusalOf(withProvider(three, { only: ['a'] }, { allowedProviders: ['b'] }));
    expect(refusal).toMatchObject({
      errorType: 'not_found',
      httpStatus: 404,
      availability: { code: 'no_endpoints', excluded_by: ['allowed_providers'], retryable: false },
    });
    expect(refusal.excluded.map((endpoint) => endpoint.code)).toEqual(['allowed_providers', 'allowed_providers', 'allowed_providers']);
  });

  it.each(['price', 'throughput', 'latency'] as const)('R07 sort %s is the same for every draw', (sort) => {
    const table = writerTable({ a: { priceUsd: 1 }, b: { priceUsd: 2 }, c: { priceUsd: 3 } }, [
      statisticsRecord('acme/writer@a', { throughput: flat(10), firstTokenMs: flat(900) }),
      statisticsRecord('acme/writer@b', { throughput: flat(100), firstTokenMs: flat(500) }),
      statisticsRecord('acme/writer@c', { throughput: flat(50), firstTokenMs: flat(100) }),
    ]);
    const expected = { price: 'a,b,c', throughput: 'b,c,a', latency: 'c,b,a' }[sort];
    const orders = new Set(Array.from({ length: 50 }, (_, seed) => tagsOf(run(table, { provider: { sort } }, {}, seed)).join(',')));
    expect([...orders]).toEqual([expected]);
  });

  it('R07 puts what was never measured last', () => {
    const table = writerTable({ a: {}, b: {}, c: {} }, [statisticsRecord('acme/writer@b', { throughput: flat(10), firstTokenMs: flat(900) })]);
    expect(tagsOf(withProvider(table, { sort: 'throughput' }))).toEqual(['b', 'a', 'c']);
    expect(tagsOf(withProvider(table, { sort: { by: 'latency' } }))).toEqual(['b', 'a', 'c']);
  });

  it('R09 moves what misses the preferred latency (seconds) or throughput to the end and never drops it', () => {
    const table = writerTable({ a: { priceUsd: 1 }, b: { priceUsd: 2 } }, [
      statisticsRecord('acme/writer@a', { throughput: flat(20), firstTokenMs: { p50: 900, p75: 950, p90: 1_900, p99: 2_500 } }),
      statisticsRecord('acme/writer@b', { throughput: flat(80), firstTokenMs: flat(400) }),
    ]);
    expect(tagsOf(withProvider(table, { preferred_min_throughput: 50 }))).toEqual(['b', 'a']);
    expect(tagsOf(withProvider(table, { preferred_max_latency: { p50: 1, p90: 1.5 } }))).toEqual(['b', 'a']);
    expect(tagsOf(withProvider(table, { sort: 'price', preferred_max_latency: { p50: 1, p90: 2 } }))).toEqual(['a', 'b']);
    expect(tagsOf(withProvider(table, { preferred_min_throughput: 5_000 })).sort()).toEqual(['a', 'b']);
  });

  it('R10 takes max_price in USD per million, as number or text, and names the field when nothing fits', () => {
    expect(tagsOf(withProvider(three, { max_price: { prompt: 1, completion: '1' } }))).toEqual(['a']);
    expect(refusalOf(withProvider(three, { max_price: { prompt: 0.5 } }))).toMatchObject({
      httpStatus: 404,
      availability: { code: 'constraint_filtered', excluded_by: ['max_price'], constraint: { field: 'max_price' } },
    });
  });

  it('R10 lets a price pass that equals the limit, whatever the binary fraction', () => {
    const table = writerTable({ a: { priceUsd: 0.15 } });
    expect(tagsOf(withProvider(table, { max_price: { prompt: 0.15 } }))).toEqual(['a']);
    expect(withProvider(table, { max_price: { prompt: 0.149999 } }).kind).toBe('refusal');
  });

  it('R11 require_parameters keeps endpoints that support every parameter sent', () => {
    const table = writerTable({ a: { supportedParameters: ['temperature', 'max_completion_tokens'] }, b: { supportedParameters: ['temperature'] } });
    expect(tagsOf(run(table, { provider: { require_parameters: true }, parameters: ['temperature', 'max_tokens', 'user', 'stream'] }))).toEqual(['a']);
    expect(refusalOf(run(table, { provider: { require_parameters: true }, parameters: ['top_k'] })).availability).toMatchObject({
      code: 'constraint_filtered',
      constraint: { field: 'require_parameters', detail: 'Does not support top_k.' },
    });
    expect(tagsOf(run(table, { parameters: ['top_k'] })).sort()).toEqual(['a', 'b']);
    // JSON mode would ignore the schema.
    const withSchema = { parameters: ['response_format'], uses: { ...chatRequest().uses, responseFormat: 'json_schema' } };
    const jsonMode = writerTable({ a: { supportedParameters: ['response_format'] } });
    expect(run(jsonMode, { provider: { require_parameters: true }, ...withSchema }).kind).toBe('refusal');
  });

  it('R11 require_parameters keeps endpoints that follow a schema where one is sent', () => {
    const table = writerTable({ a: { supportedParameters: ['response_format'] }, b: { supportedParameters: ['structured_outputs'] } });
    const request = { provider: { require_parameters: true }, parameters: ['response_format'] };
    const kept = (responseFormat: string) => tagsOf(run(table, { ...request, uses: { ...chatRequest().uses, responseFormat } }));
    expect(kept('json_schema')).toEqual(['b']);
    expect(
      run(writerTable({ a: { supportedParameters: ['response_format'] } }), { ...request, uses: { ...chatRequest().uses, responseFormat: 'json_schema' } })
        .kind,
    ).toBe('refusal');
  });

  it('R12 prefers endpoints that support tools, response_format or verbosity, and keeps all where none does', () => {
    const table = writerTable({
      a: { supportedParameters: ['temperature', 'response_format'] },
      b: { supportedParameters: ['tools', 'structured_outputs'] },
      c: { supportedParameters: ['temperature'] },
    });
    const uses = chatRequest().uses;
    const withTools = planOf(run(table, { uses: { ...uses, tools: true } }));
    expect(withTools.candidates.map((candidate) => candidate.endpoint.tag)).toEqual(['b']);
    expect(withTools.excluded.map((endpoint) => [endpoint.tag, endpoint.code])).toEqual([
      ['a', 'capability'],
      ['c', 'capability'],
    ]);
    expect(tagsOf(run(table, { uses: { ...uses, responseFormat: 'json_object' } }))).toEqual(['a']);
    expect(tagsOf(run(table, { uses: { ...uses, responseFormat: 'json_schema' } }))).toEqual(['b']);
    expect(tagsOf(run(table, { uses: { ...uses, verbosity: true } }))).toHaveLength(3);
  });

  it('R12 R05 prefers none to the endpoints that the order names where no other may be asked', () => {
    const table = writerTable({ a: { supportedParameters: ['max_tokens'] }, b: {} });
    const inOrder = (order: string[]) => run(table, { uses: { ...chatRequest().uses, tools: true }, provider: { order, allow_fallbacks: false } });
    expect([['a'], ['a', 'b'], []].map((order) => tagsOf(inOrder(order)))).toEqual([['a'], ['b'], ['b']]);
  });

  it('prefers endpoints that take files where one is sent, and keeps all where none is known to', () => {
    const uses = { ...chatRequest().uses, files: true };
    const table = writerTable({ a: { inputModalities: ['text'] }, b: { inputModalities: ['text', 'file'] } });
    const plan = planOf(run(table, { uses }));
    expect(plan.candidates.map((candidate) => candidate.endpoint.tag)).toEqual(['b']);
    expect(plan.excluded).toMatchObject([{ tag: 'a', code: 'capability', detail: 'Does not support file input, another endpoint does.' }]);
    expect(tagsOf(run(writerTable({ a: { inputModalities: ['text'] }, b: { inputModalities: ['text', 'image'] } }), { uses })).sort()).toEqual(['a', 'b']);
  });

  it('R13 fp8 admits mxfp8 and not fp4; fp4 admits mxfp4 and nvfp4', () => {
    const table = writerTable({
      a: { quantization: 'fp8' },
      b: { quantization: 'mxfp8' },
      c: { quantization: 'fp4' },
      d: { quantization: 'nvfp4' },
      e: { quantization: '' },
    });
    expect(tagsOf(withProvider(table, { quantizations: ['fp8'] })).sort()).toEqual(['a', 'b']);
    expect(tagsOf(withProvider(table, { quantizations: ['fp4'] })).sort()).toEqual(['c', 'd']);
    expect(tagsOf(withProvider(table, { quantizations: ['unknown'] }))).toEqual(['e']);
    expect(refusalOf(withProvider(table, { quantizations: ['int4'] })).availability).toMatchObject({
      code: 'constraint_filtered',
      constraint: { field: 'quantizations' },
    });
  });

  it('R14 data_collection deny drops endpoints that keep or train, and refuses when none is left', () => {
    const table = writerTable({
      a: { dataPolicy: { mayTrain: true, retains: false, zdr: false } },
      b: { dataPolicy: { mayTrain: false, retains: true, zdr: false } },
      c: {},
      d: { dataPolicy: undefined },
    });
    expect(tagsOf(withProvider(table, { data_collection: 'deny' }))).toEqual(['c']);
    expect(refusalOf(withProvider(table, { data_collection: 'deny', ignore: ['c'] }))).toMatchObject({ httpStatus: 404 });
    expect(
      refusalOf(withProvider(writerTable({ a: { dataPolicy: { mayTrain: true, retains: false, zdr: false } } }), { data_collection: 'deny' })).availability,
    ).toMatchObject({
      code: 'privacy_restricted',
      excluded_by: ['data_policy:training'],
    });
  });

  it('R15 zdr is the OR of request and account; false cannot relax it', () => {
    const table = writerTable({ a: { dataPolicy: { mayTrain: false, retains: true, zdr: false } }, b: {} });
    expect(tagsOf(withProvider(table, { zdr: true }))).toEqual(['b']);
    expect(tagsOf(withProvider(table, { zdr: false }, { zdr: true }))).toEqual(['b']);
    expect(tagsOf(withProvider(table, { zdr: false })).sort()).toEqual(['a', 'b']);
    expect(refusalOf(withProvider(table, { zdr: true, ignore: ['b'] })).availability.excluded_by).toEqual(expect.arrayContaining(['data_policy:zdr']));
  });

  it('R16 enforce_distillable_text keeps models whose author permits distillation', () => {
    const table = tableOf(
      [modelRecord('acme/writer', { isDistillable: false }), modelRecord('acme/poet')],
      [endpointRecord('acme/writer', 'a'), endpointRecord('acme/poet', 'a')],
    );
    const plan = planOf(run(table, { models: ['acme/poet'], provider: { enforce_distillable_text: true } }));
    expect(plan.candidates.map((candidate) => candidate.model.slug)).toEqual(['acme/poet']);
  });

  it('R17 a base slug matches regions and variants, never service tiers; a full slug matches one endpoint', () => {
    const table = writerTable({ x: {}, 'x/us': { region: 'us' }, 'x/turbo': { quantization: 'fp8' }, 'x/flex': { serviceTier: 'flex' }, y: {} });
    expect(tagsOf(withProvider(table, { only: ['x'] })).sort()).toEqual(['x', 'x/turbo', 'x/us']);
    expect(tagsOf(withProvider(table, { only: ['x/us'] }))).toEqual(['x/us']);
    expect(tagsOf(withProvider(table, { only: ['x/flex'] }))).toEqual(['x/flex']);
    expect(tagsOf(withProvider(table, { order: ['x/flex'] }))[0]).toBe('x/flex');
    expect(tagsOf(withProvider(table, { ignore: ['x'] }))).toEqual(['y']);
    expect(tagsOf(withProvider(table, { ignore: ['x/us', 'x/turbo', 'x'] }))).toEqual(['y']);
  });

  it('takes a provider by its display name or a slug that other catalogues use', () => {
    const table = writerTable({ google: { providerName: 'Google' }, together: { providerName: 'Together' } });
    expect(tagsOf(withProvider(table, { order: ['google-ai-studio'] }))[0]).toBe('google');
    expect(tagsOf(withProvider(table, { only: ['TOGETHER'] }))).toEqual(['together']);
  });

  it('takes the other slugs for providers of that very name where the operator has one', () => {
    const table = writerTable({ alibaba: {}, qwen: {} });
    expect(tagsOf(withProvider(table, { only: ['alibaba'] }))).toEqual(['alibaba']);
    expect(tagsOf(run(table, {}, { ignoredProviders: ['Alibaba'] }))).toEqual(['qwen']);
  });

  it('warns of a provider that nobody knows', () => {
    expect(planOf(withProvider(three, { order: ['zeta', 'a'] })).warnings).toEqual(['provider.order names zeta, which is no provider here.']);
  });
});

describe('variants and tiers', () => {
  const tiers = writerTable(
    { a: { priceUsd: 2 }, 'a/priority': { priceUsd: 4, serviceTier: 'priority' }, 'a/flex': { priceUsd: 1, serviceTier: 'flex' }, b: { priceUsd: 3 } },
    [
      statisticsRecord('acme/writer@a', { throughput: flat(40) }),
      statisticsRecord('acme/writer@a/priority', { throughput: flat(90) }),
      statisticsRecord('acme/writer@a/flex', { throughput: flat(5) }),
      statisticsRecord('acme/writer@b', { throughput: flat(100) }),
    ],
  );

  it('serves the default tier when none is asked for', () => {
    expect(tagsOf(run(tiers)).sort()).toEqual(['a', 'b']);
  });

  it('R18 :nitro orders by throughput and admits the priority tier', () => {
    expect(tagsOf(run(tiers, { model: 'acme/writer:nitro' }))).toEqual(['b', 'a/priority', 'a']);
    expect(tagsOf(run(tiers, { model: 'acme/writer:nitro', serviceTier: 'default' }))).toEqual(['b', 'a']);
    expect(tagsOf(run(tiers, { model: 'acme/writer:nitro', provider: { order: ['a'] } }))).toEqual(['a', 'b']);
  });

  it('R19 :floor orders by price and admits the flex tier', () => {
    expect(tagsOf(run(tiers, { model: 'acme/writer:floor' }))).toEqual(['a/flex', 'a', 'b']);
  });

  it('R35 service_tier priority puts that tier first and falls back to the default one', () => {
    expect(tagsOf(run(tiers, { serviceTier: 'priority' }))).toEqual(['a/priority', 'b', 'a']);
    expect(tagsOf(run(tiers, { serviceTier: 'fast' }))[0]).toBe('a/priority');
  });

  it('knows what an answer in the default tier costs where the priority one was asked for', () => {
    const plan = planOf(run(tiers, { serviceTier: 'priority' }));
    const [priority, , plain] = plan.candidates;
    expect([priority?.endpoint.tag, plain?.endpoint.tag]).toEqual(['a/priority', 'a']);
    expect(priority?.defaultTier).toEqual({
      chargeSchedule: plain?.chargeSchedule,
      costSchedule: plain?.costSchedule,
      costScheduleRecord: plain?.costScheduleRecord,
    });
    expect(plain?.defaultTier).toBeUndefined();
    expect(planOf(run(tiers, { serviceTier: 'flex' })).candidates[0]?.defaultTier).toBeUndefined();
  });

  it('knows a tier that is asked for by the name of its provider, and puts it first among the endpoints that the order names', () => {
    for (const name of ['only', 'order'] as const) {
      const provider = { [name]: ['a'], allow_fallbacks: name === 'only' };
      expect(tagsOf(run(tiers, { serviceTier: 'priority', provider }))).toEqual(['a/priority', 'a']);
      expect(tagsOf(run(tiers, { serviceTier: 'flex', provider }))).toEqual(['a/flex']);
      expect(tagsOf(run(tiers, { provider }))).toEqual(['a']);
    }
    expect(tagsOf(run(tiers, { serviceTier: 'priority', provider: { order: ['b', 'a'] } }))).toEqual(['b', 'a/priority', 'a']);
  });

  it('R36 service_tier flex has no fallback, unless the model has no flex endpoint', () => {
    expect(tagsOf(run(tiers, { serviceTier: 'flex' }))).toEqual(['a/flex']);
    expect(tagsOf(run(writerTable({ a: {}, b: {} }), { serviceTier: 'flex' })).sort()).toEqual(['a', 'b']);
  });

  it('R36 service_tier flex takes the others where the flex endpoints are switched off or have no credential', () => {
    const flex = { serviceTier: 'flex' };
    expect(tagsOf(run(writerTable({ a: {}, 'a/flex': { ...flex, disabled: true } }), flex))).toEqual(['a']);
    expect(tagsOf(run(writerTable({ a: {}, 'a/flex': { ...flex, hasCredential: false } }), flex))).toEqual(['a']);
  });

  it('R20 :free uses the free endpoints alone and says when they ended', () => {
    const table = tableOf(
      [modelRecord('acme/writer'), modelRecord('acme/poet', { freeVariantEnded: true })],
      [endpointRecord('acme/writer', 'a'), endpointRecord('acme/writer', 'b', { variant: 'free', priceUsd: 0 }), endpointRecord('acme/poet', 'a')],
    );
    const plan = planOf(run(table, { model: 'acme/writer:free' }));
    expect(plan.candidates.map((candidate) => [candidate.endpoint.tag, candidate.publicModel])).toEqual([['b', 'acme/writer:free']]);
    expect(tagsOf(run(table, { model: 'acme/writer' }))).toEqual(['a']);
    expect(refusalOf(run(table, { model: 'acme/poet:free' }))).toMatchObject({
      httpStatus: 404,
      availability: { code: 'free_variant_ended', fallback_models: ['acme/poet'] },
    });
    expect(refusalOf(run(writerTable({ a: {} }), { model: 'acme/writer:free' }))).toMatchObject({
      httpStatus: 400,
      availability: { code: 'model_not_found', fallback_models: ['acme/writer'] },
    });
  });

  it('R21 says of suffixes that ask for what is not offered that nothing came of them', () => {
    const [plain, online] = ['acme/writer', 'acme/writer:online'].map((model) => planOf(run(tiers, { model })));
    expect([plain!.warnings, online!.warnings]).toEqual([[], ['acme/writer: ":online" is not offered; the request went on without.']]);
    expect(online!.candidates).toHaveLength(plain!.candidates.length);
  });

  it('R21 sorts by quality for :exacto', () => {
    const table = writerTable({ a: { quantization: 'fp4' }, b: { quantization: 'bf16', priceUsd: 9 } });
    expect(tagsOf(run(table, { model: 'acme/writer:exacto' }))).toEqual(['b', 'a']);
  });
});

describe('models', () => {
  const table = tableOf(
    [
      modelRecord('acme/writer', { aliases: ['acme/writing', '~acme/writer-latest', 'writer-alias'] }),
      modelRecord('acme/poet'),
      modelRecord('other/poet'),
      modelRecord('acme/gone', { expireTimeSeconds: 1_700_000_000n, successorSlug: 'acme/writer' }),
      modelRecord('acme/vector', { outputModalities: ['embeddings'] }),
    ],
    [
      endpointRecord('acme/writer', 'a', { priceUsd: 1, providerModelId: 'writer-2026' }),
      endpointRecord('acme/writer', 'b', { priceUsd: 2 }),
      endpointRecord('acme/poet', 'a', { priceUsd: 5, providerModelId: 'poet' }),
      endpointRecord('other/poet', 'b', { providerModelId: 'poet' }),
      endpointRecord('acme/vector', 'a', { outputModalities: ['embeddings'] }),
    ],
    [
      statisticsRecord('acme/writer@a', { throughput: flat(10) }),
      statisticsRecord('acme/writer@b', { throughput: flat(20) }),
      statisticsRecord('acme/poet@a', { throughput: flat(500) }),
    ],
  );

  it.each([
    'acme/writer',
    'ACME/Writer',
    'acme/writer-2026-01-01',
    'acme/writing',
    '~acme/writer-latest',
    'writer-2026',
    'writer-alias',
    'writer',
    'acme/writer:nitro',
  ])('R01 %s is acme/writer', (name) => {
    expect(planOf(run(table, { model: name })).candidates[0]!.publicModel).toBe('acme/writer');
  });

  it('refuses a bare name that several models have and lists them', () => {
    expect(refusalOf(run(table, { model: 'poet' }))).toMatchObject({ httpStatus: 400, availability: { fallback_models: ['acme/poet', 'other/poet'] } });
  });

  it('says so when no model is named', () => {
    expect(refusalOf(run(table, { model: undefined }))).toMatchObject({ httpStatus: 400, message: 'No model was named: give model or models.' });
  });

  it('E06 suggests the nearest name for an unknown model', () => {
    const refusal = refusalOf(run(table, { model: 'acme/writter' }));
    expect(refusal).toMatchObject({
      errorType: 'invalid_request',
      httpStatus: 400,
      availability: { code: 'model_not_found', requested_models: ['acme/writter'], retryable: false },
    });
    expect(refusal.message).toBe('acme/writter is not a valid model ID. Did you mean acme/writer?');
    expect(refusalOf(run(table, { model: 'someone/quite-different-thing' })).message).toBe('someone/quite-different-thing is not a valid model ID.');
  });

  it('M13 names the successor of a model that ended, and passes it over while another is asked for', () => {
    expect(refusalOf(run(table, { model: 'acme/gone' }))).toMatchObject({
      httpStatus: 404,
      availability: { code: 'model_deprecated', fallback_models: ['acme/writer'] },
    });
    const plan = planOf(run(table, { model: 'acme/gone', models: ['acme/poet'] }));
    expect(plan.candidates[0]!.publicModel).toBe('acme/poet');
    expect(plan.warnings).toHaveLength(1);
  });

  it('C23 refuses to switch reasoning off where it is mandatory, unless another model may answer or an alias chose the model', () => {
    const thinking = tableOf(
      [modelRecord('acme/thinker', { reasoningMandatory: true, aliases: ['~acme/thinker-latest'] }), modelRecord('acme/poet')],
      [endpointRecord('acme/thinker', 'a'), endpointRecord('acme/poet', 'a')],
    );
    const uses = { ...chatRequest().uses, forbidsReasoning: true };
    expect(refusalOf(run(thinking, { model: 'acme/thinker', uses }))).toMatchObject({
      errorType: 'invalid_request',
      httpStatus: 400,
      availability: { retryable: false, constraint: { field: 'reasoning.effort' } },
    });
    expect(planOf(run(thinking, { model: 'acme/thinker' })).candidates).toHaveLength(1);
    const plan = planOf(run(thinking, { model: 'acme/thinker', models: ['acme/poet'], uses }));
    expect(plan.candidates.map((candidate) => candidate.model.slug)).toEqual(['acme/poet']);
    expect(plan.warnings[0]).toContain('mandatory');
    expect(planOf(run(thinking, { model: '~acme/thinker-latest', uses })).candidates[0]!.model.slug).toBe('acme/thinker');
  });

  it('R22 puts the endpoints of further models after those of the first', () => {
    const plan = planOf(run(table, { model: 'acme/poet', models: ['acme/writer'], provider: { sort: 'price' } }));
    expect(plan.candidates.map((candidate) => candidate.endpoint.endpointId)).toEqual(['acme/poet@a', 'acme/writer@a', 'acme/writer@b']);
    expect(plan.modelsRequested).toEqual(['acme/poet', 'acme/writer']);
  });

  it('R22 names a model once whose names are given twice', () => {
    const request = { model: 'acme/writer', models: ['~acme/writer-latest', 'ACME/Writing', 'acme/poet'] };
    for (const provider of [{ sort: 'price' }, { sort: { by: 'price', partition: 'none' } }] as const) {
      const plan = planOf(run(table, { ...request, provider }));
      expect(plan.candidates.map((candidate) => candidate.endpoint.endpointId)).toEqual(['acme/writer@a', 'acme/writer@b', 'acme/poet@a']);
    }
  });

  it('R22 names an endpoint once whose model is asked for with different suffixes', () => {
    for (const provider of [{}, { sort: { by: 'throughput', partition: 'none' } }] as const) {
      const plan = planOf(run(table, { model: 'acme/writer:nitro', models: ['acme/writer'], provider }));
      expect(plan.candidates.map((candidate) => candidate.endpoint.endpointId)).toEqual(['acme/writer@b', 'acme/writer@a']);
    }
  });

  it('R08 partition none and R24 the legacy route merge the endpoints of all models', () => {
    const provider = { sort: { by: 'throughput', partition: 'none' } } as const;
    const merged = planOf(run(table, { model: 'acme/writer', models: ['acme/poet'], provider }));
    expect(merged.candidates.map((candidate) => candidate.endpoint.endpointId)).toEqual(['acme/poet@a', 'acme/writer@b', 'acme/writer@a']);
    const legacy = planOf(run(table, { model: 'acme/writer', models: ['acme/poet'], provider: { sort: 'throughput' }, route: 'fallback' }));
    expect(legacy.candidates.map((candidate) => candidate.model.slug)).toEqual(['acme/writer', 'acme/writer', 'acme/poet']);
  });

  it('E15 refuses an embedding model on chat and a chat model on embeddings', () => {
    expect(refusalOf(run(table, { model: 'acme/vector' }))).toMatchObject({ httpStatus: 400, availability: { code: 'wrong_endpoint' } });
    expect(refusalOf(run(table, { model: 'acme/writer', apiType: 'embeddings' }))).toMatchObject({ httpStatus: 400, availability: { code: 'wrong_endpoint' } });
    expect(tagsOf(run(table, { model: 'acme/vector', apiType: 'embeddings' }))).toEqual(['a']);
  });

  it('takes a batch of embeddings however long it is: each input has the context to itself', () => {
    const vectors = tableOf(
      [modelRecord('acme/vector', { outputModalities: ['embeddings'] })],
      [endpointRecord('acme/vector', 'a', { outputModalities: ['embeddings'], contextLength: 8_192n, maxPromptTokens: 8_192n })],
    );
    expect(tagsOf(run(vectors, { model: 'acme/vector', apiType: 'embeddings', promptTokensEstimate: 100_000, promptTokensLeast: 25_000 }))).toEqual(['a']);
  });

  it('keeps a key to its models', () => {
    for (const pattern of ['acme/writer', 'acme/*', '*', 'acme/writing']) expect(run(table, {}, { allowedModels: [pattern] }).kind).toBe('plan');
    expect(refusalOf(run(table, {}, { allowedModels: ['acme/poet', 'other/*'] }))).toMatchObject({
      httpStatus: 404,
      availability: { code: 'no_endpoints', excluded_by: ['allowed_models'] },
    });
    const plan = planOf(run(table, { models: ['acme/poet'] }, { allowedModels: ['acme/poet'] }));
    expect(plan.candidates.map((candidate) => candidate.model.slug)).toEqual(['acme/poet']);
  });
});

describe('size and modality', () => {
  it('C32 leaves out an endpoint that returns fewer tokens than were asked for', () => {
    const table = writerTable({ a: { maxCompletionTokens: 4_000n }, b: { maxCompletionTokens: 8_000n } });
    expect(tagsOf(run(table, { maxOutputTokens: 5_000 }))).toEqual(['b']);
    expect(refusalOf(run(table, { maxOutputTokens: 9_000 }))).toMatchObject({ errorType: 'max_tokens_exceeded', httpStatus: 400 });
  });

  it('leaves out an endpoint whose context is too small, and says so when all are', () => {
    const table = writerTable({ a: { contextLength: 8_000n }, b: { contextLength: 128_000n } });
    expect(tagsOf(run(table, { promptTokensLeast: 7_000, maxOutputTokens: 2_000 }))).toEqual(['b']);
    const refusal = refusalOf(run(table, { promptTokensLeast: 200_000 }));
    expect(refusal).toMatchObject({ errorType: 'context_length_exceeded', httpStatus: 400, availability: { excluded_by: ['context_length'] } });
  });

  it('lets the provider count a prompt that is only likely to be too long, and asks first who surely holds it', () => {
    const table = writerTable({ a: { contextLength: 8_000n, priceUsd: 1 }, b: { contextLength: 128_000n, priceUsd: 100 } });
    const long = { promptTokensEstimate: 9_000, promptTokensLeast: 3_000 };
    for (const sort of [undefined, 'price' as const]) {
      expect(tagsOf(run(table, { ...long, provider: { sort } }))).toEqual(['b', 'a']);
      expect(tagsOf(run(table, { ...long, promptTokensEstimate: 7_000, maxOutputTokens: 2_000, provider: { sort } }))).toEqual(['b', 'a']);
      expect(tagsOf(run(table, { provider: { sort } }))).toEqual(['a', 'b']);
    }
    expect(tagsOf(run(table, { ...long, provider: { order: ['a'] } }))).toEqual(['a', 'b']);
    expect(tagsOf(run(table, { ...long, provider: { only: ['a'] } }))).toEqual(['a']);
  });

  it('R22 lets the next model take a prompt that the first cannot hold', () => {
    const table = tableOf(
      [modelRecord('acme/writer'), modelRecord('acme/long')],
      [endpointRecord('acme/writer', 'a', { contextLength: 8_000n }), endpointRecord('acme/long', 'a', { contextLength: 1_000_000n })],
    );
    expect(
      planOf(run(table, { models: ['acme/long'], promptTokensEstimate: 500_000, promptTokensLeast: 125_000 })).candidates.map(
        (candidate) => candidate.publicModel,
      ),
    ).toEqual(['acme/long']);
  });

  it('leaves out an endpoint that takes no pictures or makes none', () => {
    const table = writerTable({ a: { inputModalities: ['text'] }, b: {} });
    expect(tagsOf(run(table, { uses: { ...chatRequest().uses, images: true } }))).toEqual(['b']);
    const refusal = refusalOf(run(table, { uses: { ...chatRequest().uses, outputModalities: ['image'] } }));
    expect(refusal.availability).toMatchObject({ code: 'constraint_filtered', constraint: { field: 'modalities' } });
  });

  it('R42 keeps to the allowed regions', () => {
    const table = writerTable({ a: { region: 'us' }, b: { region: 'eu' } });
    expect(tagsOf(run(table, {}, { allowedRegions: ['eu'] }))).toEqual(['b']);
    expect(refusalOf(run(table, {}, { allowedRegions: ['ap'] }))).toMatchObject({
      httpStatus: 403,
      availability: { code: 'region_restricted', excluded_by: ['geo'] },
    });
  });

  it('E05 says that no provider is configured', () => {
    const refusal = refusalOf(run(writerTable({ a: { hasCredential: false } })));
    expect(refusal).toMatchObject({ httpStatus: 404, availability: { code: 'no_endpoints', excluded_by: ['no_credential'] } });
  });
});

describe('any decision', () => {
  const tag = fc.constantFrom('a', 'b', 'c', 'c/eu', 'd/flex', 'e/priority');
  const fixture: fc.Arbitrary<EndpointFixture> = fc.record({
    priceUsd: fc.integer({ min: 0, max: 50 }),
    disabled: fc.boolean(),
    hasCredential: fc.boolean(),
    quantization: fc.constantFrom('fp8', 'fp4', 'bf16', ''),
    contextLength: fc.constantFrom(1_000n, 100_000n),
  });
  const endpoints = fc
    .dictionary(tag, fixture, { minKeys: 1, maxKeys: 6 })
    .map((entries) =>
      Object.fromEntries(
        Object.entries(entries).map(([name, value]) => [
          name,
          { ...value, serviceTier: name.split('/')[1] === 'flex' || name.split('/')[1] === 'priority' ? name.split('/')[1]! : 'default' },
        ]),
      ),
    );
  const provider: fc.Arbitrary<ProviderPreferences> = fc.record(
    {
      order: fc.array(tag, { maxLength: 3 }),
      only: fc.array(tag, { minLength: 1, maxLength: 4 }),
      ignore: fc.array(tag, { maxLength: 2 }),
      allow_fallbacks: fc.boolean(),
      sort: fc.constantFrom('price' as const, 'throughput' as const, 'latency' as const),
      quantizations: fc.array(fc.constantFrom('fp8', 'fp4'), { maxLength: 2 }),
      max_price: fc.record({ prompt: fc.integer({ min: 0, max: 60 }) }),
    },
    { requiredKeys: [] },
  );
  const serviceTier = fc.constantFrom(undefined, 'default', 'flex', 'priority');

  it('accounts for every endpoint exactly once', () => {
    fc.assert(
      fc.property(endpoints, provider, serviceTier, fc.integer(), (fixtures, preferences, tier, seed) => {
        const decision = run(writerTable(fixtures), { provider: preferences, serviceTier: tier, promptTokensEstimate: 2_000 }, {}, seed);
        const chosen = decision.kind === 'plan' ? decision.plan.candidates.map((candidate) => candidate.endpoint.tag) : [];
        const excluded = decision.kind === 'plan' ? decision.plan.excluded : decision.refusal.excluded;
        expect([...chosen, ...excluded.map((endpoint) => endpoint.tag)].sort()).toEqual(Object.keys(fixtures).sort());
        if (decision.kind === 'plan') expect(chosen.length).toBeGreaterThan(0);
      }),
      { numRuns: 500 },
    );
  });

  it('never chooses what a rule forbids', () => {
    fc.assert(
      fc.property(endpoints, provider, serviceTier, fc.integer(), (fixtures, preferences, tier, seed) => {
        const decision = run(writerTable(fixtures), { provider: preferences, serviceTier: tier, promptTokensLeast: 2_000 }, {}, seed);
        if (decision.kind === 'refusal') return;
        for (const { endpoint } of decision.plan.candidates) {
          expect(endpoint.disabled || !endpoint.hasCredential || (endpoint.contextLength ?? 0) < 2_000).toBe(false);
          expect(preferences.ignore ?? []).not.toContain(endpoint.tag);
          expect(preferences.ignore ?? []).not.toContain(endpoint.providerSlug);
          if (preferences.only) expect(preferences.only.includes(endpoint.tag) || preferences.only.includes(endpoint.providerSlug)).toBe(true);
          if (preferences.max_price) expect(fixtures[endpoint.tag]!.priceUsd).toBeLessThanOrEqual(Number(preferences.max_price.prompt));
        }
      }),
      { numRuns: 500 },
    );
  });

  it('is the same for the same draw, and for every draw when sorted or ordered', () => {
    fc.assert(
      fc.property(endpoints, provider, fc.integer(), fc.integer(), (fixtures, preferences, firstSeed, secondSeed) => {
        const table = writerTable(fixtures);
        const sorted = preferences.sort !== undefined || (preferences.order?.length ?? 0) > 0;
        const first = run(table, { provider: preferences }, {}, firstSeed);
        const second = run(table, { provider: preferences }, {}, sorted ? secondSeed : firstSeed);
        expect(second).toEqual(first);
      }),
      { numRuns: 300 },
    );
  });
});
