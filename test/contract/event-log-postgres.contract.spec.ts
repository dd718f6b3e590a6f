import { randomUUID } from 'node:crypto';
import { describe } from '@jest/globals';
import { createPool, runMigrations } from '@switchyard/db';
import { EVENT_LOG_SCHEMA, PostgresEventLog } from '@switchyard/events';
import { captureLogger, startTestPostgres } from '@switchyard/testing';
import { describeEventLog } from './event-log.contract.js';

describe('event log in Postgres', () => {
  describeEventLog(async () => {
    const postgres = await startTestPostgres();
    await runMigrations(postgres.url, EVENT_LOG_SCHEMA);
    const admin = createPool(postgres.url, { max: 1 });
    return {
      topic: `contract-${randomUUID()}`,
      open: () => new PostgresEventLog({ url: postgres.url, logger: captureLogger(), rebalanceIntervalMs: 50, pollIntervalMs: 100 }),
      interrupt: async () => {
        await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()');
      },
      close: async () => {
        await admin.end();
        await postgres.close();
      },
    };
  });
});
