import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { analyticsTarget } from '@switchyard/analytics/analytics.target';
import { loadConfig } from '@switchyard/config';
import { newEventId, newGenerationId } from '@switchyard/core';
import { createPool, runMigrations } from '@switchyard/db';
import { encodeAttemptCompleted, encodeGenerationCompleted, EVENT_LOG_SCHEMA, PostgresEventLog } from '@switchyard/events';
import { createLocalPort, createPortClient, startPortServer } from '@switchyard/grpc';
import { AnalyticsPort, common, events } from '@switchyard/proto';
import type { TargetContext } from '@switchyard/runtime';
import { captureLogger, eventually, realClock, seededRandom, startTestPostgres, type TestPostgres } from '@switchyard/testing';
import type { Pool } from 'pg';

const clock = realClock();
const random = seededRandom(11);
const logger = captureLogger();
const EVERYTHING = { accountId: 'acme', keyHash: '', model: '', providerSlug: '', app: '', user: '', status: '', cursor: '', limit: 0, sessionId: '' };

interface Binding {
  readonly name: string;
  bind(implementation: AnalyticsPort): Promise<{ port: AnalyticsPort; close(): Promise<void> }>;
}

const BINDINGS: Binding[] = [
  {
    name: 'in process',
    bind: (implementation) => Promise.resolve({ port: createLocalPort(AnalyticsPort, () => implementation, logger), close: () => Promise.resolve() }),
  },
  {
    name: 'over gRPC',
    bind: async (implementation) => {
      const server = await startPortServer({
        address: '127.0.0.1:0',
        ports: [{ port: AnalyticsPort, implementation }],
        nativeHandlers: [],
        logger,
        nestLogger: false,
      });
      const client = createPortClient(AnalyticsPort, server.address);
      return {
        port: client.port,
        close: async () => {
          client.close();
          await server.close(1_000);
        },
      };
    },
  },
];

let postgres: TestPostgres;
let pool: Pool;
let eventLog: PostgresEventLog;
let application: INestApplicationContext;

beforeAll(async () => {
  postgres = await startTestPostgres();
  await runMigrations(postgres.url, EVENT_LOG_SCHEMA);
  if (!analyticsTarget.schema) throw new Error('analytics owns a schema');
  await runMigrations(postgres.url, analyticsTarget.schema);
  pool = createPool(postgres.url, { schema: analyticsTarget.schema.name });
  eventLog = new PostgresEventLog({ url: postgres.url, logger, pollIntervalMs: 100 });
  const config = loadConfig(analyticsTarget.config, { SWITCHYARD_ANALYTICS_STATISTICS_INTERVAL: '100ms' });
  const context = { config, clock, random, logger, eventLog, pool: () => pool } as unknown as TargetContext<object>;
  application = await NestFactory.createApplicationContext(analyticsTarget.module(context as never), { logger: false, abortOnError: false });
}, 90_000);

afterAll(async () => {
  await application.close();
  await eventLog.close();
  await pool.end();
  await postgres.close();
});

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

describe.each(BINDINGS)('the analytics port $name', ({ name, bind }) => {
  const accountId = `account ${name}`;
  let port: AnalyticsPort;
  let close: () => Promise<void>;

  beforeAll(async () => {
    ({ port, close } = await bind(application.get<AnalyticsPort>(AnalyticsPort.token)));
  });
  afterAll(() => close());

  it('gives back a generation whole, and NOT_FOUND before it came', async () => {
    const sent = generation({
      accountId,
      firstTokenMs: 0n,
      metadata: { a: 'b' },
      attempts: [events.AttemptSummary.fromPartial({ providerSlug: 'openai', status: 200 })],
    });
    await expect(port.getGeneration({ accountId, generationId: sent.generationId })).rejects.toMatchObject({ type: 'not_found' });
    await eventLog.publish([encodeGenerationCompleted(sent, 'test')]);
    const found = await eventually(() => port.getGeneration({ accountId, generationId: sent.generationId }));
    expect(found).toEqual({ generation: sent, upstreamCostPico: 0n });
  });

  it('lists, filters and pages the log, and sums activity', async () => {
    const [first, second] = [generation({ accountId, user: 'u1' }), generation({ accountId, user: 'u2' })];
    await eventLog.publish([encodeGenerationCompleted(first, 'test'), encodeGenerationCompleted(second, 'test')]);
    await eventually(async () => expect((await port.listGenerations({ ...EVERYTHING, accountId })).generations).toHaveLength(3));
    expect((await port.listGenerations({ ...EVERYTHING, accountId, user: 'u2' })).generations).toEqual([second]);
    const page = await port.listGenerations({ ...EVERYTHING, accountId, limit: 2 });
    expect(page.generations).toHaveLength(2);
    const rest = await port.listGenerations({ ...EVERYTHING, accountId, limit: 2, cursor: page.nextCursor });
    expect([rest.generations.length, rest.nextCursor]).toEqual([1, '']);
    await expect(port.listGenerations({ ...EVERYTHING, accountId, cursor: 'nonsense' })).rejects.toMatchObject({
      type: 'invalid_request',
      metadata: { param: 'cursor' },
    });
    const date = new Date(Number(first.acceptTimeMs)).toISOString().slice(0, 10);
    const { rows } = await port.listActivity({ accountId, date, keyHash: '', user: '', workspaceId: '', groupByWorkspace: false });
    expect(rows).toMatchObject([{ requestCount: 3n, usagePico: 27_021_597_764_222_979n, promptTokenCount: 9n }]);
  });

  it('streams statistics until the watcher leaves', async () => {
    const endpointId = `endpoint ${name}`;
    const attempt = events.AttemptCompleted.fromPartial({
      eventId: newEventId(clock, random),
      attemptId: 'g:0',
      generationId: 'g',
      endpointId,
      outcome: events.AttemptOutcome.COMPLETED,
      endTimeMs: BigInt(clock.nowMs()),
      firstTokenMs: 250n,
    });
    await eventLog.publish([encodeAttemptCompleted(attempt, 'test')]);
    const abort = new AbortController();
    const seen = async (): Promise<unknown> => {
      for await (const { endpoints } of port.watchEndpointStatistics({}, { signal: abort.signal })) {
        const statistics = endpoints.find((endpoint) => endpoint.endpointId === endpointId);
        if (statistics) return statistics;
      }
      return undefined;
    };
    expect(await seen()).toMatchObject({ last5m: { successCount: 1n, failureCount: 0n }, recentFailureCount: 0n });
    abort.abort();
  });
});
