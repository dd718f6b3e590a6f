import { describe, expect, it } from '@jest/globals';
import { newEventId } from '@switchyard/core';
import { events } from '@switchyard/proto';
import { manualClock, seededRandom } from '@switchyard/testing';
import { decodeAttemptCompleted, decodeGenerationCompleted, encodeAttemptCompleted, encodeGenerationCompleted } from './event-codec.js';
import { TOPICS } from './topics.js';

const clock = manualClock(Date.UTC(2026, 10, 21, 9, 30));
const eventId = newEventId(clock, seededRandom(1));
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const TRACESTATE = 'vendor=t61rcWkgMzE,ot=th:c';

const generation = events.GenerationCompleted.fromPartial({
  eventId,
  generationId: 'gen-1',
  acceptTimeMs: 1_795_253_400_000n,
  end: events.GenerationEnd.COMPLETED,
  chargePico: 9_007_199_254_740_993n,
  unitPricesPico: { input_uncached: 2_500_000n },
  leases: [{ leaseId: 'lease-1', amount: 12n }],
  firstTokenMs: 0n,
  metadata: { ünï: '🚂' },
  traceparent: TRACEPARENT,
  tracestate: TRACESTATE,
});

describe('event codecs', () => {
  it('carry every field of a generation through proto3 JSON, money beyond 2^53 included', () => {
    const record = encodeGenerationCompleted(generation, 'switchyard/ingress/a');
    expect(decodeGenerationCompleted(record.value)).toEqual(generation);
    expect(JSON.parse(record.value)).toMatchObject({ chargePico: '9007199254740993', end: 'GENERATION_END_COMPLETED', firstTokenMs: '0' });
  });

  it('put the event into the topic of its kind, keyed by generation, with CloudEvents attributes', () => {
    expect(encodeGenerationCompleted(generation, 'switchyard/ingress/a')).toMatchObject({
      topic: TOPICS.generationCompleted,
      key: 'gen-1',
      headers: {
        ce_specversion: '1.0',
        ce_id: eventId,
        ce_source: 'switchyard/ingress/a',
        ce_type: TOPICS.generationCompleted,
        ce_time: '2026-11-21T09:30:00.000Z',
        traceparent: TRACEPARENT,
        tracestate: TRACESTATE,
      },
    });
    const attempt = events.AttemptCompleted.fromPartial({ eventId, attemptId: 'gen-1:2', generationId: 'gen-1', index: 2, costPico: 7n });
    const record = encodeAttemptCompleted(attempt, 'switchyard/worker/a');
    expect(record).toMatchObject({ topic: TOPICS.attemptCompleted, key: 'gen-1' });
    expect(record.headers).not.toHaveProperty('traceparent');
    expect(decodeAttemptCompleted(record.value)).toEqual(attempt);
  });

  it('write nothing of a tracestate where there is none, as for nearly all events', () => {
    const record = encodeGenerationCompleted({ ...generation, tracestate: '' }, 'a');
    expect(record.headers).toHaveProperty('traceparent', TRACEPARENT);
    expect(record.headers).not.toHaveProperty('tracestate');
    expect(record.value).not.toContain('tracestate');
  });

  it('read an event of a newer program, whose fields they do not know', () => {
    const { value } = encodeGenerationCompleted(generation, 'a');
    const newer = JSON.stringify({ ...(JSON.parse(value) as object), invented: { deeply: [1] }, anotherOne: 'x' });
    expect(decodeGenerationCompleted(newer)).toEqual(generation);
  });

  it.each(['', 'nonsense', '[]', 'null', '"text"', '{}', '{"eventId":"x"}', '{"generationId":"x"}'])('refuse %j', (value) => {
    expect(() => decodeGenerationCompleted(value)).toThrow();
    expect(() => decodeAttemptCompleted(value)).toThrow();
  });
});
