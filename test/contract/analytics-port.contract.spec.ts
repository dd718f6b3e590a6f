import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { analyticsTarget } from '@switchyard/analytics/analytics.target';
import { newEventId, newGenerationId } from '@switchyard/core';
import { encodeAttemptCompleted, encodeGenerationCompleted } from '@switchyard/events';
import { type analytics, AnalyticsPort, common, events } from '@switchyard/proto';
import { eventually, realClock, seededRandom } from '@switchyard/testing';
import { describePort } from './bindings.js';
import { ServedTarget } from './served-target.js';
import { firstMessage, itKeepsStreamPromises } from './stream-promises.js';

const clock = realClock();
const random = seededRandom(11);
const EVERYTHING = { accountId: 'acme', keyHash: '', model: '', providerSlug: '', app: '', user: '', status: '', cursor: '', limit: 0, sessionId: '' };

let target: ServedTarget;

beforeAll(async () => {
  target = await ServedTarget.start(analyticsTarget, { environment: { SWITCHYARD_ANALYTICS_STATISTICS_INTERVAL: '100ms' } });
}, 90_000);

afterAll(() => target.close());

function generation(fields: Partial<events.GenerationCompleted>): events.GenerationCompleted {
  return events.GenerationCompleted.fromPartial({
    eventId: newEventId(clock, random),
    generationId: newGenerationId(clock, random),
    acceptTimeMs: BigInt(clock.nowMs()),
    end: events.GenerationEnd.COMPLETED,
    endpointId: 'openai/gpt-4o@openai',
    model: 'openai/gpt-4o',
    chargePico: 9_007_199_254_740_993n,
    usage: common.Usage.fromPartial({ meters: { input_uncached: 3, output_text: 2 } }),
    ...fields,
  });
}

describePort(
  AnalyticsPort,
  () => target.implementation(AnalyticsPort),
  ({ binding, port, openCalls }) => {
    const accountId = `account ${binding}`;

    it('gives back a generation whole, and NOT_FOUND before it came', async () => {
      const sent = generation({
        accountId,
        firstTokenMs: 0n,
        metadata: { a: 'b' },
        attempts: [events.AttemptSummary.fromPartial({ providerSlug: 'openai', status: 200 })],
      });
      await expect(port.getGeneration({ accountId, generationId: sent.generationId })).rejects.toMatchObject({ type: 'not_found' });
      await target.eventLog.publish([encodeGenerationCompleted(sent, 'test')]);
      const found = await eventually(() => port.getGeneration({ accountId, generationId: sent.generationId }));
      expect(found.generation).toEqual(sent);
    });

    it('lists, filters and pages the log, and sums activity', async () => {
      const [first, second] = [generation({ accountId, user: 'u1' }), generation({ accountId, user: 'u2' })];
      await target.eventLog.publish([encodeGenerationCompleted(first, 'test'), encodeGenerationCompleted(second, 'test')]);
      await eventually(async () => expect((await port.listGenerations({ ...EVERYTHING, accountId })).generations).toHaveLength(3));
      expect((await port.listGenerations({ ...EVERYTHING, accountId, user: 'u2' })).generations).toEqual([second]);
      const page = await port.listGenerations({ ...EVERYTHING, accountId, limit: 2 });
      expect(page.generations).toHaveLength(2);
      const rest = await port.listGenerations({ ...EVERYTHING, accountId, limit: 2, cursor: page.nextCursor });
      expect([rest.generations.length, rest.nextCursor]).toEqual([1, '']);
      for (const cursor of ['nonsense', Buffer.from(`1:${'-'.repeat(36)}`).toString('base64url')]) {
        await expect(port.listGenerations({ ...EVERYTHING, accountId, cursor })).rejects.toMatchObject({
          type: 'invalid_request',
          metadata: { param: 'cursor' },
        });
      }
      const date = new Date(Number(first.acceptTimeMs)).toISOString().slice(0, 10);
      const { rows } = await port.listActivity({ accountId, date, keyHash: '', user: '', workspaceId: '', groupByWorkspace: false });
      expect(rows).toMatchObject([{ requestCount: 3n, usagePico: 27_021_597_764_222_979n, promptTokenCount: 9n }]);
    });

    it('refuses what no generation could be found by', async () => {
      const invalid = { type: 'invalid_request' };
      const activity = { accountId, keyHash: '', user: '', workspaceId: '', groupByWorkspace: false };
      expect((await port.listGenerations({ ...EVERYTHING, accountId, user: '\u0000 nobody' })).generations).toEqual([]);
      await expect(port.getGeneration({ accountId, generationId: 'gen\u0000' })).rejects.toMatchObject(invalid);
      await expect(port.listGenerations({ ...EVERYTHING, accountId, model: '\u0000' })).rejects.toMatchObject(invalid);
      await expect(port.listGenerations({ ...EVERYTHING, accountId, status: 'fine' })).rejects.toMatchObject(invalid);
      await expect(port.listActivity({ ...activity, date: '2026-02-30' })).rejects.toMatchObject(invalid);
      await expect(port.listActivity({ ...activity, date: 'today' })).rejects.toMatchObject(invalid);
      await expect(port.listActivity({ ...activity, date: '0000-01-01' })).rejects.toMatchObject(invalid);
      await expect(port.listActivity({ ...activity, date: '', keyHash: '\u0000' })).rejects.toMatchObject(invalid);
    });

    it('streams the windows of endpoints', async () => {
      const endpointId = `endpoint ${binding}`;
      const attempt = events.AttemptCompleted.fromPartial({
        eventId: newEventId(clock, random),
        attemptId: 'g:0',
        generationId: 'g',
        endpointId,
        outcome: events.AttemptOutcome.COMPLETED,
        endTimeMs: BigInt(clock.nowMs()),
        firstTokenMs: 250n,
      });
      await target.eventLog.publish([encodeAttemptCompleted(attempt, 'test')]);
      const isThere = ({ endpoints }: analytics.WatchEndpointStatisticsResponse): boolean => endpoints.some((endpoint) => endpoint.endpointId === endpointId);
      const { endpoints } = await firstMessage(port.watchEndpointStatistics({}), isThere);
      expect(endpoints.find((endpoint) => endpoint.endpointId === endpointId)).toMatchObject({
        last5m: { successCount: 1n, failureCount: 0n },
        recentFailureCount: 0n,
      });
    });

    itKeepsStreamPromises((signal) => port.watchEndpointStatistics({}, { signal }), openCalls);
  },
);
