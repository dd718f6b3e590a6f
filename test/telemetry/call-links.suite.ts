import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { call, Customer, MODELS, type Fixture } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';
import { callTree, METHODS, PUSH_ATTRIBUTES, pushTree } from './expected-trees.js';
import type { OtlpReceiver, ReceivedSpan } from './otlp-receiver.js';
import { timeProblems, treesOf, type SpanNode } from './span-tree.js';

/** Calls for keys, leases, tables and sessions serve many requests: each is a trace of its own, and a request's links lead to those behind it. */
export function callLinksSuite(fixture: () => Fixture, receiver: () => OtlpReceiver, calls: 'remote' | 'local'): void {
  describe('the calls behind a request', () => {
    let customer: Customer;
    let first: readonly ReceivedSpan[];
    let second: readonly ReceivedSpan[];
    beforeAll(async () => {
      customer = await Customer.create(fixture().platform, '5');
      const { secret } = await customer.newKey({});
      first = await requestWith(secret, 200);
      second = await requestWith(secret, 200);
    }, 60_000);
    afterAll(() => customer.close());

    /** The ingress' spans of a request. */
    async function requestWith(secret: string, status: number): Promise<readonly ReceivedSpan[]> {
      const body = { model: MODELS.writer, messages: [{ role: 'user', content: 'say 3 words' }] };
      const answer = await call(fixture().platform.baseUrl, '/chat/completions', { key: secret, body });
      expect(answer.status).toBe(status);
      return eventually(() => {
        const spans = receiver().ofTrace(String(answer.headers['x-switchyard-trace-id']));
        const steps = status === 401 ? ['auth.api_key'] : ['auth.api_key', 'decide', 'reserve'];
        expect(spans.map(({ name }) => name)).toEqual(expect.arrayContaining(['gateway.request', ...steps]));
        return spans;
      });
    }

    const isSnapshot = ({ attributes }: ReceivedSpan): boolean => attributes['switchyard.route.table_is_snapshot'] === true;
    const spanOf = (spans: readonly ReceivedSpan[], name: string): ReceivedSpan => spans.find((span) => span.name === name)!;
    /** The spans that a span is linked to. */
    const linkedFrom = (span: ReceivedSpan) =>
      span.links.map(({ traceId, spanId }) =>
        receiver()
          .ofTrace(traceId)
          .find((other) => other.spanId === spanId)!,
      );
    /** The traces of calls, whose spans come from two services. */
    const expectTraces = (of: readonly { readonly traceId: string }[], expected: readonly SpanNode[]): Promise<void> =>
      eventually(() => {
        const traces = of.map(({ traceId }) => receiver().ofTrace(traceId).map(withoutStart));
        expect(traces.flatMap((trace) => treesOf(trace))).toEqual(expected);
        expect(traces.flatMap((trace) => timeProblems(trace))).toEqual([]);
      });
    const expectTrees = (span: ReceivedSpan, expected: readonly SpanNode[]): Promise<void> => expectTraces(span.links, expected);

    it('for its key: the first request waited for it, within the check, and the next did not', async () => {
      const auth = spanOf(first, 'auth.api_key');
      await expectTrees(auth, [callTree(METHODS.resolveKey, calls)]);
      const resolve = linkedFrom(auth)[0]!;
      expect(resolve.startNanos).toBeGreaterThanOrEqual(auth.startNanos);
      expect(resolve.endNanos).toBeLessThanOrEqual(auth.endNanos);
      expect(spanOf(second, 'auth.api_key').links).toEqual([]);
    });

    it('for a key that nobody knows failed, without a word of the key', async () => {
      const auth = spanOf(await requestWith('sk-sy-v1-nobody-knows-me', 401), 'auth.api_key');
      await expectTrees(auth, [callTree(METHODS.resolveKey, calls, {}, { status: calls === 'remote' ? 'NOT_FOUND' : 'not_found' })]);
    });

    it('for the lease that it reserves from: the first request of an account waited for it, the next has the same', async () => {
      const [reserve, next] = [spanOf(first, 'reserve'), spanOf(second, 'reserve')];
      await expectTrees(reserve, [callTree(METHODS.acquireLeases, calls)]);
      const acquire = linkedFrom(reserve)[0]!;
      expect(acquire.startNanos).toBeGreaterThanOrEqual(reserve.startNanos);
      expect(acquire.endNanos).toBeLessThanOrEqual(reserve.endNanos);
      expect(next.links).toEqual(reserve.links);
      expect(acquire.endNanos).toBeLessThan(next.startNanos);
    });

    it('for a lease that it did not get is linked, too', async () => {
      const poor = await Customer.create(fixture().platform, '0.000000000001');
      try {
        const reserve = spanOf(await requestWith(poor.apiKey, 402), 'reserve');
        expect(reserve.attributes).toMatchObject({ 'switchyard.reserve.outcome': 'unaffordable' });
        expect(reserve.links.length).toBeGreaterThan(0);
        await expectTrees(
          reserve,
          reserve.links.map(() => callTree(METHODS.acquireLeases, calls)),
        );
      } finally {
        poor.close();
      }
    });

    it('for the table: the push that it was decided with', async () => {
      const decide = spanOf(first, 'decide');
      const push = linkedFrom(decide)[0]!;
      await expectTrees(decide, [isSnapshot(push) ? callTree(METHODS.watchTable, calls, PUSH_ATTRIBUTES) : pushTree(calls)]);
      const versionOf = ({ attributes }: ReceivedSpan) => BigInt(attributes['switchyard.route.table_version'] as string);
      // Signs of life count on.
      expect(versionOf(push)).toBeLessThanOrEqual(versionOf(decide));
      expect(push.endNanos).toBeLessThanOrEqual(decide.startNanos);
      // Before the router is there, watches fail.
      const pushes = receiver().spans.filter(({ name, kind, status }) => name === METHODS.watchTable && kind !== 'server' && status !== 'error');
      const between = pushes.filter((other) => versionOf(other) > versionOf(push) && versionOf(other) <= versionOf(decide));
      expect(between).toEqual([]);
      const snapshots = pushes.filter(isSnapshot);
      expect(snapshots.length).toBeGreaterThan(0);
      for (const snapshot of snapshots) await expectTraces([snapshot], [callTree(METHODS.watchTable, calls, PUSH_ATTRIBUTES)]);
    });

    it('for the session that its attempt travelled over, where there are sessions', async () => {
      const peer = { 'network.peer.address': expect.stringMatching(/^[\d.:]+$/), 'network.peer.port': expect.any(Number) };
      await expectTrees(spanOf(first, 'gateway.request'), calls === 'remote' ? [callTree(METHODS.openSession, calls, peer)] : []);
      if (calls === 'local') expect(receiver().spans.filter(({ name }) => name === METHODS.openSession)).toEqual([]);
    });
  });
}

/** While processes start, calls to those that are not there yet fail some number of times, which the first one that goes well tells. */
function withoutStart(span: ReceivedSpan): ReceivedSpan {
  const { 'switchyard.failures.left_out': _count, ...attributes } = span.attributes;
  return { ...span, attributes };
}
