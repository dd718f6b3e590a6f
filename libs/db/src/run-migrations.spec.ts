import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually, startTestPostgres, type TestPostgres } from '@switchyard/testing';
import { MigrationError, type MigrationInterface, type QueryRunner } from './migration.js';
import { createClient, createPool } from './pool.js';
import { readSchemaVersion, runMigrations } from './run-migrations.js';

class CreateStation1760000000001 implements MigrationInterface {
  name = 'CreateStation1760000000001';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE station (id bigint PRIMARY KEY, distance numeric(20, 3))');
    await runner.query('SELECT pg_sleep(0.05)');
  }
  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE station');
  }
}

class AddPlatform1760000000002 implements MigrationInterface {
  name = 'AddPlatform1760000000002';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE station ADD COLUMN platform text');
  }
  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE station DROP COLUMN platform');
  }
}

class BreakHalfWay1760000000003 implements MigrationInterface {
  name = 'BreakHalfWay1760000000003';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE half_way (id bigint)');
    await runner.query('SELECT 1 / 0');
  }
  async down(): Promise<void> {}
}

class NoteKeepAlive1760000000005 implements MigrationInterface {
  name = 'NoteKeepAlive1760000000005';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE keep_alive AS SELECT current_setting('tcp_keepalives_idle') AS seconds`);
  }
  async down(): Promise<void> {}
}

/** As a server that goes away does: every connection ends, that of the lock first. */
class LoseServer1760000000004 implements MigrationInterface {
  name = 'LoseServer1760000000004';
  async up(runner: QueryRunner): Promise<void> {
    const sessions = `SELECT pid FROM pg_stat_activity WHERE application_name = 'switchyard migrate lost' ORDER BY pid = pg_backend_pid()`;
    await runner.query(`SELECT pg_terminate_backend(pid) FROM (${sessions}) AS session`);
    await runner.query('SELECT 1');
  }
  async down(): Promise<void> {}
}

describe('runMigrations', () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startTestPostgres();
  }, 90_000);
  afterAll(() => postgres.close());

  it('applies each migration once however many replicas race, in order, inside the schema', async () => {
    const schema = { name: 'race', migrations: [AddPlatform1760000000002, CreateStation1760000000001] };
    const reports = await Promise.all([1, 2, 3].map(() => runMigrations(postgres.url, schema)));
    expect(reports.map((report) => report.applied.length).sort()).toEqual([0, 0, 2]);
    expect(reports.find((report) => report.applied.length > 0)?.applied).toEqual(['CreateStation1760000000001', 'AddPlatform1760000000002']);
    const pool = createPool(postgres.url);
    const { rows } = await pool.query(`SELECT table_schema FROM information_schema.tables WHERE table_name = 'station'`);
    expect(rows).toEqual([{ table_schema: 'race' }]);
    await pool.end();
  });

  it('tells readiness what is missing, before the schema exists and after part of it', async () => {
    const whole = { name: 'version', migrations: [CreateStation1760000000001, AddPlatform1760000000002] };
    const pool = createPool(postgres.url);
    expect(await readSchemaVersion(pool, whole)).toEqual({ isCurrent: false, missing: ['CreateStation1760000000001', 'AddPlatform1760000000002'] });
    await runMigrations(postgres.url, { name: 'version', migrations: [CreateStation1760000000001] });
    expect(await readSchemaVersion(pool, whole)).toEqual({ isCurrent: false, missing: ['AddPlatform1760000000002'] });
    await runMigrations(postgres.url, whole);
    expect(await readSchemaVersion(pool, whole)).toEqual({ isCurrent: true, missing: [] });
    await pool.end();
  });

  it('leaves nothing of a migration that fails, keeps those before it, and can be run again', async () => {
    const broken = { name: 'broken', migrations: [CreateStation1760000000001, BreakHalfWay1760000000003] };
    await expect(runMigrations(postgres.url, broken)).rejects.toThrow(/division by zero/);
    const pool = createPool(postgres.url);
    expect(await readSchemaVersion(pool, broken)).toMatchObject({ missing: ['BreakHalfWay1760000000003'] });
    const { rows } = await pool.query(`SELECT table_name FROM information_schema.tables WHERE table_schema = 'broken' AND table_name = 'half_way'`);
    expect(rows).toEqual([]);
    await expect(runMigrations(postgres.url, { ...broken, migrations: [CreateStation1760000000001] })).resolves.toEqual({ applied: [] });
    await pool.end();
  });

  it('lets the service go on while it waits for a table that somebody reads for long', async () => {
    const migrations = [CreateStation1760000000001, AddPlatform1760000000002];
    await runMigrations(postgres.url, { name: 'busy', migrations: migrations.slice(0, 1) });
    const pool = createPool(postgres.url, { schema: 'busy', statementTimeoutMs: 10_000 });
    const reader = await pool.connect();
    await reader.query('BEGIN');
    await reader.query('SELECT count(*) FROM station');
    const migrating = runMigrations(postgres.url, { name: 'busy', migrations });
    try {
      await eventually(async () => {
        const { rows } = await pool.query(`SELECT FROM pg_locks WHERE relation = 'station'::regclass AND NOT granted`);
        expect(rows).toHaveLength(1);
      });
      await pool.query('INSERT INTO station VALUES (1, 12.5)');
    } finally {
      await reader.query('ROLLBACK');
      reader.release();
    }
    await expect(migrating).resolves.toEqual({ applied: ['AddPlatform1760000000002'] });
    await pool.end();
  });

  it('tells of a server that goes away in the middle, and the process lives', async () => {
    const lost = { name: 'lost', migrations: [CreateStation1760000000001, LoseServer1760000000004] };
    await expect(runMigrations(postgres.url, lost)).rejects.toThrow(MigrationError);
    const pool = createPool(postgres.url);
    expect(await readSchemaVersion(pool, lost)).toMatchObject({ missing: ['LoseServer1760000000004'] });
    await pool.end();
  });

  it('says who is in the way when another process keeps migrating', async () => {
    const other = createClient(postgres.url);
    await other.connect();
    await other.query(`SELECT pg_advisory_lock(hashtextextended('switchyard migrations of taken', 0))`);
    try {
      const waiting = runMigrations(postgres.url, { name: 'taken', migrations: [] }, { lockWaitMs: 100 });
      await expect(waiting).rejects.toThrow('another process has been migrating the schema taken all the while');
    } finally {
      await other.end();
    }
  });

  it('has the server miss a machine that goes in the middle within minutes, so that another can migrate', async () => {
    await runMigrations(postgres.url, { name: 'missed', migrations: [NoteKeepAlive1760000000005] });
    const pool = createPool(postgres.url, { schema: 'missed' });
    expect((await pool.query('SELECT seconds FROM keep_alive')).rows).toEqual([{ seconds: '60' }]);
    await pool.end();
    const lock = createClient(postgres.url);
    await lock.connect();
    expect((await lock.query('SHOW tcp_keepalives_idle')).rows).toEqual([{ tcp_keepalives_idle: '60' }]);
    await lock.end();
  });

  it('puts nothing into a database that cannot keep what clients write', async () => {
    const admin = createPool(postgres.url);
    const url = new URL(postgres.url);
    url.pathname += '_latin';
    const name = url.pathname.slice(1);
    await admin.query(`CREATE DATABASE ${name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`);
    const latin = createPool(url.href);
    try {
      const migrating = runMigrations(url.href, { name: 'narrow', migrations: [CreateStation1760000000001] });
      await expect(migrating).rejects.toThrow(
        new MigrationError(`The database has the encoding LATIN1, which lacks most characters; make one with ENCODING 'UTF8' and name that`),
      );
      expect((await latin.query(`SELECT 1 FROM pg_namespace WHERE nspname = 'narrow'`)).rowCount).toBe(0);
    } finally {
      await latin.end();
      await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
      await admin.end();
    }
  });

  it('refuses a schema name that would need quoting', async () => {
    await expect(runMigrations(postgres.url, { name: 'a"; DROP', migrations: [] })).rejects.toThrow(/Not a schema name/);
  });
});
