import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { call, Customer, MODELS, type Fixture } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';
import { callTree, METHODS, PUSH_ATTRIBUTES } from './expected-trees.js';
import type { OtlpReceiver, ReceivedSpan } from './otlp-receiver.js';
import { treesOf } from './span-tree.js';

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

    const spanOf = (spans: readonly ReceivedSpan[], name: string): ReceivedSpan => spans.find((span) => span.name === name)!;
    /** The traces that a span is linked to. */
    const linkedFrom = (span: ReceivedSpan) => span.links.map(({ traceId }) => receiver().ofTrace(traceId));
    const treesFrom = (span: ReceivedSpan) => linkedFrom(span).flatMap((trace) => treesOf(trace));

    it('for its key: the first request waited for it, within the check, and the next did not', () => {
      const auth = spanOf(first, 'auth.api_key');
      expect(treesFrom(auth)).toEqual([callTree(METHODS.resolveKey, calls)]);
      const resolve = linkedFrom(auth)[0]![0]!;
      expect(resolve.startNanos).toBeGreaterThanOrEqual(auth.startNanos);
      expect(resolve.endNanos).toBeLessThanOrEqual(auth.endNanos);
      expect(spanOf(second, 'auth.api_key').links).toEqual([]);
    });

    it('for a key that nobody knows failed, without a word of the key', async () => {
      const auth = spanOf(await requestWith('sk-sy-v1-nobody-knows-me', 401), 'auth.api_key');
      const expected = callTree(METHODS.resolveKey, calls, {}, { status: calls === 'remote' ? 'NOT_FOUND' : 'not_found' });
      expect(treesFrom(auth)).toEqual([expected]);
    });

    it('for the lease that it reserves from: the first request of an account waited for it, the next has the same', () => {
      const [reserve, next] = [spanOf(first, 'reserve'), spanOf(second, 'reserve')];
      expect(treesFrom(reserve)).toEqual([callTree(METHODS.acquireLeases, calls)]);
      const acquire = linkedFrom(reserve)[0]![0]!;
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
        const trees = treesFrom(reserve);
        expect(trees.length).toBeGreaterThan(0);
        for (const tree of trees) expect(tree).toEqual(callTree(METHODS.acquireLeases, calls));
      } finally {
        poor.close();
      }
    });

    it('for the table: the push that it was decided with', () => {
      const decide = spanOf(first, 'decide');
      expect(treesFrom(decide)).toEqual([callTree(METHODS.watchTable, calls, PUSH_ATTRIBUTES)]);
      const push = linkedFrom(decide)[0]![0]!;
      const versionOf = ({ attributes }: ReceivedSpan) => BigInt(attributes['switchyard.route.table_version'] as string);
      // Signs of life count on.
      expect(versionOf(push)).toBeLessThanOrEqual(versionOf(decide));
      expect(push.endNanos).toBeLessThanOrEqual(decide.startNanos);
      // Before the router is there, watches fail.
      const pushes = receiver().spans.filter(({ name, status }) => name === METHODS.watchTable && status !== 'error');
      const between = pushes.filter((other) => versionOf(other) > versionOf(push) && versionOf(other) <= versionOf(decide));
      expect(between).toEqual([]);
      expect(pushes.some(({ attributes }) => attributes['switchyard.route.table_is_snapshot'] === true)).toBe(true);
    });

    it('for the session that its attempt travelled over, where there are sessions', () => {
      const peer = { 'network.peer.address': expect.stringMatching(/^[\d.:]+$/), 'network.peer.port': expect.any(Number) };
      expect(treesFrom(spanOf(first, 'gateway.request'))).toEqual(calls === 'remote' ? [callTree(METHODS.openSession, calls, peer)] : []);
      if (calls === 'local') expect(receiver().spans.filter(({ name }) => name === METHODS.openSession)).toEqual([]);
    });
  });
}
