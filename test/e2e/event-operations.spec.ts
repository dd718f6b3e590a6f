import { describe } from '@jest/globals';
import { runMigrations } from '@switchyard/db';
import { EVENT_LOG_SCHEMA, PostgresEventLog } from '@switchyard/events';
import { captureLogger, startTestPostgres } from '@switchyard/testing';
import { eventOperationsSuite } from './event-operations.suite.js';

describe('events in Postgres', () => {
  eventOperationsSuite(async () => {
    const postgres = await startTestPostgres();
    await runMigrations(postgres.url, EVENT_LOG_SCHEMA);
    const eventLog = new PostgresEventLog({ url: postgres.url, logger: captureLogger() });
    return {
      environment: { SWITCHYARD_DATABASE_URL: postgres.url },
      databaseUrl: postgres.url,
      eventLog,
      close: async () => {
        await eventLog.close();
        await postgres.close();
      },
    };
  });
});
