import { describe, expect, it } from '@jest/globals';
import { manualClock, seededRandom } from '@switchyard/testing';
import { CircuitBreakers } from './circuit-breaker.js';
import { decide } from './decide.js';
import type { RoutingDecision } from './routing-plan.js';
import type { RoutingPolicy, RoutingRequest } from './routing-request.js';
import type { RoutingTable } from './routing-table.js';
import type { EndpointStatisticsRecord } from './table-records.js';
import {
  chatRequest,
  endpointRecord,
  flat,
  modelRecord,
  planOf,
  START_MS,
  statisticsRecord,
  tableOf,
  writerTable,
  type EndpointFixture,
} from './testing/table-fixtures.js';

function run(table: RoutingTable, request: Partial<RoutingRequest> = {}, policy: RoutingPolicy = {}): RoutingDecision {
  return decide(table, chatRequest(request), policy, manualClock(START_MS), seededRandom(1));
}

describe('deadlines', () => {
  const deadlines = (request: Partial<RoutingRequest>, p99Ms?: number) =>
    planOf(run(writerTable({ a: {} }, p99Ms === undefined ? [] : [statisticsRecord('acme/writer@a', { firstTokenMs: flat(p99Ms) })]), request)).candidates[0]!
      .deadlines;

  it('are 2 s, 30 s, 60 s and 10 min while nothing is known', () => {
    expect(deadlines({})).toEqual({ connectMs: 2_000, firstTokenMs: 30_000, betweenChunksMs: 60_000, totalMs: 600_000 });
  });

  it('give the first token three times its p99, within 1.5 s and 30 s', () => {
    expect(deadlines({}, 900).firstTokenMs).toBe(2_700);
    expect(deadlines({}, 100).firstTokenMs).toBe(1_500);
    expect(deadlines({}, 20_000).firstTokenMs).toBe(30_000);
  });

  it('forget the latency of five minutes once no statistics came for as long', () => {
    const table = writerTable({ a: {} }, [statisticsRecord('acme/writer@a', { firstTokenMs: flat(100) })]);
    const firstTokenMs = (ageMs: number) =>
      planOf(decide(table, chatRequest(), {}, manualClock(START_MS + ageMs), seededRandom(1))).candidates[0]!.deadlines.firstTokenMs;
    expect([299_000, 300_000].map(firstTokenMs)).toEqual([1_500, 30_000]);
  });

  it('grow with a prompt far longer than usual', () => {
    expect(deadlines({ promptTokensEstimate: 100_000 }, 900).firstTokenMs).toBe(27_000);
  });

  it('give four times as much to a request that reasons and to a model that always does, whatever is usual for the endpoint', () => {
    const reasoning = { uses: { ...chatRequest().uses, reasoning: true } };
    expect([undefined, 900, 60_000].map((p99Ms) => deadlines(reasoning, p99Ms).firstTokenMs)).toEqual([120_000, 10_800, 120_000]);
    expect(deadlines({ uses: { ...reasoning.uses, forbidsReasoning: true } }, 900).firstTokenMs).toBe(2_700);
    const measured = [statisticsRecord('acme/writer@a', { firstTokenMs: flat(60_000), throughput: flat(100) })];
    const thinker = tableOf([modelRecord('acme/writer', { reasoningMandatory: true })], [endpointRecord('acme/writer', 'a')], measured);
    const firstTokenMs = (request: Partial<RoutingRequest>) => planOf(run(thinker, request)).candidates[0]!.deadlines.firstTokenMs;
    expect(firstTokenMs({})).toBe(120_000);
    // What it thinks is written, too.
    expect([firstTokenMs({ stream: false }), firstTokenMs({ stream: false, maxOutputTokens: 1_000 })]).toEqual([447_680, 140_000]);
  });

  it('leave a whole answer the time that its tokens need', () => {
    expect(deadlines({ stream: false, maxOutputTokens: 100 }, 900).firstTokenMs).toBe(2_700 + 10_000);
    expect(deadlines({ stream: false, apiType: 'chat', maxOutputTokens: 16_000 }).firstTokenMs).toBe(600_000);
  });

  it('leave embeddings, which have no tokens to write, no more than a first token', () => {
    const models = [modelRecord('acme/vector', { outputModalities: ['embeddings'] })];
    const table = tableOf(models, [endpointRecord('acme/vector', 'a', { outputModalities: ['embeddings'] })]);
    const plan = planOf(run(table, { model: 'acme/vector', apiType: 'embeddings', stream: false }));
    expect(plan.candidates[0]!.deadlines.firstTokenMs).toBe(30_000);
  });

  it('can be set', () => {
    expect(planOf(run(writerTable({ a: {} }), {}, { deadlines: { connectMs: 7, totalMs: 9_000 } })).candidates[0]!.deadlines).toMatchObject({
      connectMs: 7,
      firstTokenMs: 9_000,
      totalMs: 9_000,
    });
  });
});

describe('the deadline of a probe', () => {
  function breakersWithoutA(): CircuitBreakers {
    const breakers = new CircuitBreakers();
    const endpointId = 'acme/writer@a';
    for (let index = 0; index < 3; index++) breakers.recordFailure(endpointId, breakers.acquireAnyway(endpointId), 0, { kind: 'failed' });
    return breakers;
  }

  it('goes by the median, which a few slow answers do not move', () => {
    const slowTail = { p50: 20, p75: 25, p90: 40, p99: 900 };
    const table = writerTable({ a: { priceUsd: 0.001 }, b: { priceUsd: 2 } }, [statisticsRecord('acme/writer@a', { firstTokenMs: slowTail })]);
    const clock = manualClock(START_MS);
    const breakers = breakersWithoutA();
    clock.advance(5_000);
    const [first] = planOf(decide(table, chatRequest(), { breakers }, clock, seededRandom(1))).candidates;
    expect(first).toMatchObject({ isProbe: true, deadlines: { firstTokenMs: 150 } });
  });

  it('is that of any attempt where nobody behind it may be asked', () => {
    const table = writerTable({ a: { priceUsd: 0.001 }, b: { priceUsd: 2 } }, [statisticsRecord('acme/writer@a', { firstTokenMs: flat(200) })]);
    const clock = manualClock(START_MS);
    const breakers = breakersWithoutA();
    const [a, b] = ['acme/writer@a', 'acme/writer@b'];
    breakers.recordFailure(b!, breakers.acquireAnyway(b!), 0, { kind: 'rate_limited', retryAfterMs: 60_000 });
    clock.advance(5_000);
    const [first, second] = planOf(decide(table, chatRequest(), { breakers }, clock, seededRandom(1))).candidates;
    expect([first!.endpoint.endpointId, second!.endpoint.endpointId]).toEqual([a, b]);
    expect(first).toMatchObject({ isProbe: true, deadlines: { firstTokenMs: 1_500 } });
  });

  it.each<[string, Record<string, EndpointFixture>, Partial<EndpointStatisticsRecord> | undefined, number]>([
    ['has nobody behind it: the time of any attempt', { a: {} }, {}, 1_500],
    ['was not measured for five minutes: by what was usual before', { a: { priceUsd: 0.001 }, b: {} }, { last5m: undefined }, 240],
    ['was never measured: time for slow ones, and not for any attempt', { a: { priceUsd: 0.001 }, b: {} }, undefined, 10_000],
  ])('is enough for an endpoint that is well again and %s', (_which, endpoints, windows, firstTokenMs) => {
    const measured = windows && statisticsRecord('acme/writer@a', { firstTokenMs: flat(200) }, windows);
    const clock = manualClock(START_MS);
    const breakers = breakersWithoutA();
    clock.advance(5_000);
    const table = writerTable(endpoints, measured ? [measured] : []);
    const [first] = planOf(decide(table, chatRequest(), { breakers }, clock, seededRandom(1))).candidates;
    expect(first).toMatchObject({ isProbe: true, endpoint: { tag: 'a' }, deadlines: { firstTokenMs } });
  });
});
