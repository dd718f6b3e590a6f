import type { MigrationInterface, QueryRunner } from '@switchyard/db';

/**
 * Generations and attempts are partitioned by the time inside their event's id (a UUIDv7), so that one unique index both
 * dedupes and prunes. Monthly partitions are made ahead by the retention job; what fits none lands in the default one.
 */
export class CreateAnalytics1763700000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE generation (
        event_id uuid NOT NULL PRIMARY KEY,
        generation_id text NOT NULL,
        account_id text NOT NULL,
        workspace_id text NOT NULL,
        key_hash text NOT NULL,
        accept_time_ms bigint NOT NULL,
        status text NOT NULL,
        model text NOT NULL,
        model_permaslug text NOT NULL,
        provider_slug text NOT NULL,
        http_referer text NOT NULL,
        app_title text NOT NULL,
        external_user text NOT NULL,
        session_id text NOT NULL,
        event json NOT NULL
      ) PARTITION BY RANGE (event_id);
      CREATE TABLE generation_default PARTITION OF generation DEFAULT;
      CREATE INDEX ON generation (generation_id);
      CREATE INDEX ON generation (account_id, accept_time_ms DESC, event_id DESC);
      CREATE INDEX ON generation (account_id, session_id, accept_time_ms DESC) WHERE session_id <> '';

      CREATE TABLE attempt (
        event_id uuid NOT NULL PRIMARY KEY,
        attempt_id text NOT NULL,
        generation_id text NOT NULL,
        endpoint_id text NOT NULL,
        provider_slug text NOT NULL,
        is_from_worker boolean NOT NULL,
        outcome text NOT NULL,
        end_time_ms bigint NOT NULL,
        first_token_ms integer,
        output_tokens bigint NOT NULL,
        cost_pico bigint NOT NULL
      ) PARTITION BY RANGE (event_id);
      CREATE TABLE attempt_default PARTITION OF attempt DEFAULT;
      CREATE INDEX ON attempt (generation_id);

      CREATE TABLE activity_daily (
        account_id text NOT NULL,
        day date NOT NULL,
        endpoint_id text NOT NULL,
        model text NOT NULL,
        model_permaslug text NOT NULL,
        provider_name text NOT NULL,
        workspace_id text NOT NULL,
        key_hash text NOT NULL,
        external_user text NOT NULL,
        usage_pico bigint NOT NULL,
        request_count bigint NOT NULL,
        prompt_token_count bigint NOT NULL,
        completion_token_count bigint NOT NULL,
        reasoning_token_count bigint NOT NULL,
        PRIMARY KEY (account_id, day, endpoint_id, model, model_permaslug, provider_name, workspace_id, key_hash, external_user)
      );

      CREATE TABLE endpoint_slot (
        slot_ms bigint NOT NULL,
        endpoint_id text NOT NULL,
        success_count bigint NOT NULL,
        failure_count bigint NOT NULL,
        rate_limited_count bigint NOT NULL,
        PRIMARY KEY (slot_ms, endpoint_id)
      );
      CREATE TABLE endpoint_measure (
        slot_ms bigint NOT NULL,
        endpoint_id text NOT NULL,
        measure text NOT NULL,
        bucket integer NOT NULL,
        sample_count bigint NOT NULL,
        PRIMARY KEY (slot_ms, endpoint_id, measure, bucket)
      );
    `);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE endpoint_measure, endpoint_slot, activity_daily, attempt, generation');
  }
}
