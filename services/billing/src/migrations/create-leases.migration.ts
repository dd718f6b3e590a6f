import type { MigrationInterface, QueryRunner } from '@switchyard/db';

/** What may be spent, by scope and window, and the parts of it that ingresses hold. */
export class CreateLeases1763700002000 implements MigrationInterface {
  name = 'CreateLeases1763700002000';

  async up(queryRunner: QueryRunner): Promise<void> {
    // available = limit − held − spent. over_amount is what is missing when that is negative; granting never touches it, so
    // the last check makes granting more than there is impossible.
    await queryRunner.query(`
      CREATE TABLE lease_scopes (
        scope_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        kind text NOT NULL,
        account_id text COLLATE "C" NOT NULL,
        key_hash text COLLATE "C" NOT NULL DEFAULT '',
        limit_reset text NOT NULL DEFAULT '',
        window_start_ms bigint NOT NULL,
        window_end_ms bigint,
        limit_amount numeric(38, 0) CHECK (limit_amount >= 0),
        held numeric(38, 0) NOT NULL DEFAULT 0 CHECK (held >= 0),
        spent numeric(38, 0) NOT NULL DEFAULT 0 CHECK (spent >= 0),
        over_amount numeric(38, 0) NOT NULL DEFAULT 0,
        UNIQUE (account_id, key_hash, kind, limit_reset, window_start_ms),
        CONSTRAINT lease_scopes_never_overgranted CHECK (over_amount = CASE WHEN limit_amount IS NULL THEN 0 ELSE greatest(0, held + spent - limit_amount) END)
      ) WITH (fillfactor = 80)`);
    await queryRunner.query(`CREATE INDEX lease_scopes_of_key ON lease_scopes (key_hash, window_start_ms) WHERE kind = 'key_limit'`);
    await queryRunner.query(`CREATE INDEX lease_scopes_by_end ON lease_scopes (window_end_ms) WHERE window_end_ms IS NOT NULL`);
    await queryRunner.query(`
      CREATE TABLE lease_epochs (
        holder_id text COLLATE "C" NOT NULL CHECK (length(holder_id) BETWEEN 1 AND 128),
        epoch bigint NOT NULL,
        last_seen_ms bigint NOT NULL,
        stream_seen_ms bigint NOT NULL DEFAULT 0,
        close_requested_ms bigint,
        closed_at_ms bigint,
        PRIMARY KEY (holder_id, epoch)
      ) WITH (fillfactor = 80)`);
    await queryRunner.query(
      `CREATE INDEX lease_epochs_closing ON lease_epochs (close_requested_ms) WHERE close_requested_ms IS NOT NULL AND closed_at_ms IS NULL`,
    );
    // Open hold = granted − released − settled, never below zero; nothing once resolved.
    await queryRunner.query(`
      CREATE TABLE leases (
        lease_id uuid PRIMARY KEY,
        scope_id bigint NOT NULL REFERENCES lease_scopes,
        holder_id text COLLATE "C" NOT NULL,
        epoch bigint NOT NULL,
        request_id text COLLATE "C" NOT NULL,
        request_index smallint NOT NULL,
        granted bigint NOT NULL CHECK (granted > 0),
        released bigint NOT NULL DEFAULT 0 CHECK (released BETWEEN 0 AND granted),
        settled numeric(38, 0) NOT NULL DEFAULT 0 CHECK (settled >= 0),
        granted_at_ms bigint NOT NULL,
        reserve_until_ms bigint NOT NULL,
        is_closed boolean NOT NULL DEFAULT false,
        recall_requested_ms bigint,
        recall_reason text,
        resolved_at_ms bigint,
        resolution text CHECK (resolution IN ('spent', 'epoch_closed', 'abandoned'))
      ) WITH (fillfactor = 80)`);
    await queryRunner.query(`CREATE UNIQUE INDEX leases_of_request ON leases (holder_id, epoch, request_id, request_index)`);
    await queryRunner.query(`CREATE INDEX leases_open_in_scope ON leases (scope_id) WHERE resolved_at_ms IS NULL`);
    await queryRunner.query(`CREATE INDEX leases_open_by_age ON leases (granted_at_ms) WHERE resolved_at_ms IS NULL`);
    await queryRunner.query(`CREATE INDEX leases_recalled ON leases (holder_id) WHERE recall_requested_ms IS NOT NULL`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE leases, lease_epochs, lease_scopes`);
  }
}
