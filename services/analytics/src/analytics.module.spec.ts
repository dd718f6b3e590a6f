import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { newEventId, newGenerationId } from '@switchyard/core';
import { createPool, runMigrations } from '@switchyard/db';
import { encodeAttemptCompleted, encodeGenerationCompleted, EVENT_LOG_SCHEMA, PostgresEventLog } from '@switchyard/events';
import { AnalyticsPort, events } from '@switchyard/proto';
import { READINESS_CHECKS, type ReadinessCheck, type TargetContext } from '@switchyard/runtime';
import { PrometheusMetrics } from '@switchyard/telemetry';
import { captureLogger, eventually, realClock, seededRandom, startTestPostgres, type TestPostgres } from '@switchyard/testing';
import type { Pool } from 'pg';
import type { AnalyticsConfig } from './analytics.config.js';
import { AnalyticsModule } from './analytics.module.js';
import { analyticsTarget } from './analytics.target.js';
import { CONSUMER_GROUP } from './usage-event.consumer.js';

const clock = realClock();
const random = seededRandom(3);
const metrics = new PrometheusMetrics();

let postgres: TestPostgres;
let pool: Pool;
let eventLog: PostgresEventLog;
let application: INestApplicationContext;
let port: AnalyticsPort;

beforeAll(async () => {
  postgres = await startTestPostgres();
  await runMigrations(postgres.url, EVENT_LOG_SCHEMA);
  if (!analyticsTarget.schema) throw new Error('analytics owns a schema');
  await runMigrations(postgres.url, analyticsTarget.schema);
  pool = createPool(postgres.url, { schema: 'analytics' });
  eventLog = new PostgresEventLog({ url: postgres.url, logger: captureLogger() });
  const config: AnalyticsConfig = { consumerBatchSize: 100, statisticsIntervalMs: 50, generationRetentionMs: 86_400_000, attemptRetentionMs: 86_400_000 };
  const context = { config, clock, logger: captureLogger(), metrics, eventLog, pool: () => pool } as unknown as TargetContext<AnalyticsConfig>;
  application = await NestFactory.createApplicationContext(AnalyticsModule.register(context), { logger: false, abortOnError: false });
  port = application.get<AnalyticsPort>(AnalyticsPort.token);
}, 90_000);

afterAll(async () => {
  await application.close();
  await eventLog.close();
  await pool.end();
  await postgres.close();
});

function generation(): events.GenerationCompleted {
  return events.GenerationCompleted.fromPartial({
    eventId: newEventId(clock, random),
    generationId: newGenerationId(clock, random),
    acceptTimeMs: BigInt(clock.nowMs()),
    end: events.GenerationEnd.COMPLETED,
    accountId: 'acme',
    endpointId: 'e1',
  });
}

describe('AnalyticsModule', () => {
  it('answers from events that were published, past those that nobody can read', async () => {
    const sent = generation();
    const { topic, headers } = encodeGenerationCompleted(sent, 'test');
    await eventLog.publish([
      { topic, headers, key: 'bad', value: '{"eventId":1}' },
      encodeGenerationCompleted(sent, 'test'),
      encodeGenerationCompleted(sent, 'test'),
    ]);
    const found = await eventually(() => port.getGeneration({ accountId: 'acme', generationId: sent.generationId }));
    expect(found.generation).toEqual(sent);
    await eventually(async () => expect(await eventLog.lag(CONSUMER_GROUP)).toBe(0n));
    const { rows } = await pool.query('SELECT sum(request_count)::int AS requests FROM activity_daily');
    expect(rows).toEqual([{ requests: 1 }]);
    expect(metrics.render()).toContain('switchyard_analytics_dead_letters_total 1\n');
    expect(metrics.render()).toMatch(/^switchyard_consumer_lag_records{group="analytics",topic="switchyard.generation-completed.v1"} \d/m);
  });

  it('streams endpoint statistics as attempts come in, and is ready', async () => {
    const checks = application.get<ReadinessCheck[]>(READINESS_CHECKS);
    expect(checks.map((check) => check.check().ready)).toEqual([true]);
    const abort = new AbortController();
    const attempt = events.AttemptCompleted.fromPartial({
      eventId: newEventId(clock, random),
      attemptId: 'g:0',
      generationId: 'g',
      endpointId: 'openai/gpt-4o@openai',
      outcome: events.AttemptOutcome.UPSTREAM_FAILED,
      upstreamStatus: 500,
      endTimeMs: BigInt(clock.nowMs()),
      reporter: events.AttemptReporter.WORKER,
    });
    await eventLog.publish([encodeAttemptCompleted(attempt, 'test')]);
    for await (const message of port.watchEndpointStatistics({}, { signal: abort.signal })) {
      const statistics = message.endpoints.find((endpoint) => endpoint.endpointId === 'openai/gpt-4o@openai');
      if (statistics) {
        expect(statistics).toMatchObject({ last5m: { failureCount: 1n }, recentFailureCount: 1n, recentRequestCount: 1n });
        break;
      }
    }
    abort.abort();
  });
});
