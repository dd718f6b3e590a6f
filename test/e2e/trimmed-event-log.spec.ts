import { describe } from '@jest/globals';
import { createPool, runMigrations } from '@switchyard/db';
import { EVENT_LOG_SCHEMA, PostgresEventLog } from '@switchyard/events';
import { captureLogger, startTestPostgres } from '@switchyard/testing';
import { trimmedEventLogSuite } from './trimmed-event-log.suite.js';

describe('analytics that is rebuilt from a log in Postgres that was trimmed', () => {
  trimmedEventLogSuite(async () => {
    const postgres = await startTestPostgres();
    await runMigrations(postgres.url, EVENT_LOG_SCHEMA);
    const eventLog = new PostgresEventLog({ url: postgres.url, logger: captureLogger() });
    const pool = createPool(postgres.url, { max: 1 });
    return {
      environment: { SWITCHYARD_DATABASE_URL: postgres.url },
      databaseUrl: postgres.url,
      publishAt: async (record, timeMs) => {
        await eventLog.publish([record]);
        await pool.query('UPDATE event_log.record SET appended_at = to_timestamp($1::float8 / 1000) WHERE key = $2', [timeMs, record.key]);
      },
      trim: async () => void (await eventLog.trim()),
      close: async () => {
        await eventLog.close();
        await pool.end();
        await postgres.close();
      },
    };
  });
});
