import type { MigrationInterface, QueryRunner } from '@switchyard/db';

/** Accounts, workspaces, API keys, and the numbered log of changes that ingresses follow. */
export class CreateAccountsAndKeys1763700000000 implements MigrationInterface {
  name = 'CreateAccountsAndKeys1763700000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE accounts (
        account_id text COLLATE "C" PRIMARY KEY CHECK (length(account_id) BETWEEN 1 AND 128),
        name text NOT NULL CHECK (length(name) <= 256),
        requests_per_minute bigint CHECK (requests_per_minute > 0),
        tokens_per_minute bigint CHECK (tokens_per_minute > 0),
        zdr boolean NOT NULL DEFAULT false,
        allowed_providers text[] NOT NULL DEFAULT '{}',
        ignored_providers text[] NOT NULL DEFAULT '{}',
        purchased_pico numeric(38, 0) NOT NULL DEFAULT 0 CHECK (purchased_pico >= 0),
        has_purchased boolean NOT NULL DEFAULT false,
        is_negative boolean NOT NULL DEFAULT false,
        created_at timestamptz NOT NULL
      )`);
    await queryRunner.query(`
      CREATE TABLE workspaces (
        workspace_id text COLLATE "C" PRIMARY KEY,
        account_id text COLLATE "C" NOT NULL REFERENCES accounts,
        name text NOT NULL,
        is_default boolean NOT NULL DEFAULT false,
        created_at timestamptz NOT NULL
      )`);
    await queryRunner.query(`CREATE UNIQUE INDEX workspaces_one_default ON workspaces (account_id) WHERE is_default`);
    await queryRunner.query(`
      CREATE TABLE api_keys (
        key_hash text COLLATE "C" PRIMARY KEY CHECK (key_hash ~ '^[0-9a-f]{64}$'),
        account_id text COLLATE "C" NOT NULL REFERENCES accounts,
        workspace_id text COLLATE "C" NOT NULL REFERENCES workspaces,
        kind text NOT NULL CHECK (kind IN ('inference', 'management')),
        name text NOT NULL CHECK (length(name) BETWEEN 1 AND 256),
        label text NOT NULL,
        disabled boolean NOT NULL DEFAULT false,
        deleted boolean NOT NULL DEFAULT false,
        limit_pico bigint CHECK (limit_pico >= 0),
        limit_reset text NOT NULL DEFAULT '' CHECK (limit_reset IN ('', 'daily', 'weekly', 'monthly')),
        include_byok_in_limit boolean NOT NULL DEFAULT false,
        expires_at_ms bigint,
        allowed_models text[] NOT NULL DEFAULT '{}',
        requests_per_minute bigint CHECK (requests_per_minute > 0),
        tokens_per_minute bigint CHECK (tokens_per_minute > 0),
        creator_user_id text NOT NULL DEFAULT '',
        external_user text NOT NULL DEFAULT '',
        cost_centre text NOT NULL DEFAULT '',
        created_at_ms bigint NOT NULL,
        updated_at_ms bigint,
        version bigint NOT NULL DEFAULT 1
      )`);
    await queryRunner.query(`CREATE INDEX api_keys_of_account ON api_keys (account_id, created_at_ms DESC, key_hash) WHERE NOT deleted`);
    // One row: its lock puts changes into the order of their commits, so that a watcher never sees number 5 before 4.
    await queryRunner.query(`CREATE TABLE change_counter (only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), sequence bigint NOT NULL)`);
    await queryRunner.query(`INSERT INTO change_counter (sequence) VALUES (0)`);
    await queryRunner.query(`
      CREATE TABLE changes (
        sequence bigint PRIMARY KEY,
        key_hash text COLLATE "C",
        account_id text COLLATE "C",
        changed_at_ms bigint NOT NULL,
        CHECK (num_nonnulls(key_hash, account_id) = 1)
      )`);
    await queryRunner.query(`
      CREATE TABLE key_usage_days (
        key_hash text COLLATE "C" NOT NULL,
        day_start_ms bigint NOT NULL,
        charge_pico numeric(38, 0) NOT NULL DEFAULT 0,
        byok_pico numeric(38, 0) NOT NULL DEFAULT 0,
        generation_count bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (key_hash, day_start_ms)
      ) WITH (fillfactor = 80)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE key_usage_days, changes, change_counter, api_keys, workspaces, accounts`);
  }
}
