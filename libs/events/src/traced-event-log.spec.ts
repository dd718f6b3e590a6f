import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { runMigrations } from '@switchyard/db';
import { events } from '@switchyard/proto';
import { SWITCHYARD } from '@switchyard/telemetry';
import { captureLogger, eventually, recordingTracing, startTestPostgres, type RecordingTracing, type TestPostgres } from '@switchyard/testing';
import { encodeGenerationCompleted } from './event-codec.js';
import type { ConsumedRecord, EventLog, EventRecord } from './event-log.js';
import { EVENT_LOG_SCHEMA } from './postgres/event-log.schema.js';
import { PostgresEventLog } from './postgres/postgres-event-log.js';
import { TOPICS } from './topics.js';
import { tracedContextOf, traceEventLog } from './traced-event-log.js';

const REQUEST = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };
const TRACEPARENT = `00-${REQUEST.traceId}-${REQUEST.spanId}-01`;
const UNRECORDED = `00-${REQUEST.traceId}-${REQUEST.spanId}-00`;
const TRACESTATE = 'vendor=t61rcWkgMzE,ot=th:c';
const SEND = `send ${TOPICS.generationCompleted}`;
const PROCESS = `process ${TOPICS.generationCompleted}`;

describe('a traced event log', () => {
  let postgres: TestPostgres;
  let tracing: RecordingTracing;
  let untraced: EventLog;
  let log: EventLog;
  beforeEach(async () => {
    postgres = await startTestPostgres();
    await runMigrations(postgres.url, EVENT_LOG_SCHEMA);
    tracing = recordingTracing();
    untraced = new PostgresEventLog({ url: postgres.url, logger: captureLogger(), rebalanceIntervalMs: 50, pollIntervalMs: 50 });
    log = traceEventLog(untraced, tracing.tracer);
  }, 90_000);
  afterEach(async () => {
    await log.close();
    await postgres.close();
  });

  const eventOf = (generationId: string, fields: Partial<events.GenerationCompleted>): EventRecord =>
    encodeGenerationCompleted(events.GenerationCompleted.fromPartial({ eventId: `event of ${generationId}`, generationId, ...fields }), 'test');
  /** What billing, which posts, and analytics, which is linked, are given of these; then all is closed. */
  const handled = async (...records: readonly EventRecord[]): Promise<readonly ConsumedRecord[]> => {
    const byGroup: Record<string, ConsumedRecord[]> = { billing: [], analytics: [] };
    const subscriptions = await Promise.all(
      Object.entries(byGroup).map(([group, seen]) =>
        log.subscribe({
          group,
          topics: [TOPICS.generationCompleted],
          maxBatchSize: 10,
          tracing: group === 'billing' ? 'parent' : 'link',
          handler: async (batch) => void seen.push(...batch),
        }),
      ),
    );
    await log.publish(records);
    await eventually(() => expect(Object.values(byGroup).map(({ length }) => length)).toEqual([records.length, records.length]));
    await Promise.all(subscriptions.map((subscription) => subscription.close()));
    return byGroup['billing']!;
  };

  it('has the client’s tracestate on what sends, handles and is linked to an event, and hands it on', async () => {
    const [posted] = await handled(eventOf('gen-1', { traceparent: TRACEPARENT, tracestate: TRACESTATE }));
    const spans = await tracing.finished();
    const [sending, billing] = [SEND, PROCESS].map((name) => spans.find((span) => span.name === name && span.parentSpanId !== undefined)!);
    expect(sending).toMatchObject({ parentSpanId: REQUEST.spanId, links: [{ ...REQUEST, tracestate: TRACESTATE }] });
    expect(billing).toMatchObject({ parentSpanId: sending!.context.spanId, links: [sending!.context] });
    expect([sending, billing].map((span) => span!.context)).toEqual([
      { traceId: REQUEST.traceId, spanId: expect.any(String), isSampled: true, tracestate: TRACESTATE },
      { traceId: REQUEST.traceId, spanId: expect.any(String), isSampled: true, tracestate: TRACESTATE },
    ]);
    expect(posted!.headers).toMatchObject({ tracestate: TRACESTATE });
    expect(tracedContextOf(posted!)).toEqual(billing!.context);
    const analytics = spans.find((span) => span.name === PROCESS && span.parentSpanId === undefined)!;
    expect(analytics).toMatchObject({ links: [sending!.context], contentBytes: TRACESTATE.length });
    expect(analytics.context.tracestate).toBeUndefined();
  });

  it('has none where the event carries none, or one that is malformed', async () => {
    const malformed = eventOf('gen-2', { traceparent: TRACEPARENT });
    await handled(eventOf('gen-1', { traceparent: TRACEPARENT }), { ...malformed, headers: { ...malformed.headers, tracestate: 'not valid' } });
    const contexts = (await tracing.finished()).map(({ context }) => context);
    expect(contexts.filter(({ traceId }) => traceId === REQUEST.traceId)).toHaveLength(4);
    expect(contexts.filter((context) => 'tracestate' in context)).toEqual([]);
  });

  it('leaves the events of traces that are not recorded as they are, and makes no span of them', async () => {
    const records = [
      eventOf('gen-1', {}),
      eventOf('gen-2', { traceparent: UNRECORDED }),
      eventOf('gen-3', { traceparent: UNRECORDED, tracestate: TRACESTATE }),
    ];
    const seen = await handled(...records);
    expect(seen.map(({ key, headers }) => ({ key, headers })).sort((a, b) => a.key.localeCompare(b.key))).toEqual(
      records.map(({ key, headers }) => ({ key, headers })),
    );
    expect(await tracing.finished()).toEqual([]);
  });

  it('records of tries that fail for as long as an outage lasts the first and then one a minute, and tells how many were left out', async () => {
    let failuresLeft = 4;
    const fail = (): void => {
      if (failuresLeft-- > 0) throw new Error('away');
    };
    const away = Object.create(untraced, { publish: { value: async (records: readonly EventRecord[]) => (fail(), untraced.publish(records)) } }) as EventLog;
    const sender = traceEventLog(away, tracing.tracer);
    const event = eventOf('gen-1', { traceparent: TRACEPARENT });
    for (const pauseMs of [5_000, 5_000, 60_000, 0]) {
      await expect(sender.publish([event])).rejects.toThrow('away');
      tracing.clock.advance(pauseMs);
    }
    await sender.publish([event]);
    failuresLeft = 3;
    let isHandled = false;
    const subscription = await log.subscribe({
      group: 'billing',
      topics: [TOPICS.generationCompleted],
      maxBatchSize: 10,
      tracing: 'parent',
      handler: async () => {
        fail();
        isHandled = true;
      },
    });
    await eventually(() => expect(isHandled).toBe(true));
    await subscription.close();
    const spans = (await tracing.finished()).filter(({ kind }) => kind !== 'internal');
    const shown = (name: string) =>
      spans.filter((span) => span.name === name).map(({ errorType, attributes }) => [errorType, attributes[SWITCHYARD.failuresLeftOut]]);
    expect(shown(PROCESS)).toEqual([
      ['Error', undefined],
      [undefined, 2],
    ]);
    expect(shown(SEND)).toEqual([
      ['Error', undefined],
      ['Error', 2],
      [undefined, undefined],
    ]);
  });
});
