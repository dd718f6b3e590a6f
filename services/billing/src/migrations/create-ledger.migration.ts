import type { MigrationInterface, QueryRunner } from '@switchyard/db';

/**
 * The journal and what it was made from. Every table here is append-only and partitioned by the month inside its primary
 * key, so that one unique index both dedupes and lets old months be detached.
 */
const EVENT_TABLES = ['usage_events', 'ledger_transactions', 'ledger_entries'] as const;
const GENERATION_TABLES = ['charges', 'attempt_costs', 'attempt_corrections'] as const;

export class CreateLedger1763700001000 implements MigrationInterface {
  name = 'CreateLedger1763700001000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await createJournalTables(queryRunner);
    await createEventTables(queryRunner);
    await queryRunner.query(`
      CREATE TABLE ledger_balances (
        ledger_account text COLLATE "C" PRIMARY KEY,
        balance_pico numeric(38, 0) NOT NULL,
        entry_count bigint NOT NULL
      ) WITH (fillfactor = 80)`);
    await queryRunner.query(`
      CREATE TABLE credit_grants (
        account_id text COLLATE "C" NOT NULL REFERENCES accounts,
        idempotency_key text COLLATE "C" NOT NULL,
        amount_pico bigint NOT NULL CHECK (amount_pico > 0),
        is_promotional boolean NOT NULL,
        description text NOT NULL,
        transaction_id uuid NOT NULL,
        PRIMARY KEY (account_id, idempotency_key)
      )`);
    await createGuards(queryRunner);
    await createPartitions(queryRunner);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE ${[...EVENT_TABLES, ...GENERATION_TABLES].join(', ')}, ledger_balances, credit_grants`);
    await queryRunner.query(`DROP FUNCTION create_month_partitions(bigint), guard_partition(text, text), forbid_change(), require_balance(), id_at(bigint)`);
  }
}

async function createJournalTables(queryRunner: QueryRunner): Promise<void> {
  // For usage events the transaction's id is the event's.
  await queryRunner.query(`
    CREATE TABLE ledger_transactions (
      transaction_id uuid PRIMARY KEY,
      kind text NOT NULL CHECK (kind IN ('charge', 'cost', 'cost_correction', 'credit_grant', 'promotion_grant', 'receivable_cover')),
      account_id text COLLATE "C" NOT NULL,
      generation_id text COLLATE "C" NOT NULL DEFAULT '',
      reference text NOT NULL DEFAULT '',
      accept_time_ms bigint NOT NULL,
      posted_at_ms bigint NOT NULL,
      entry_count smallint NOT NULL CHECK (entry_count >= 2)
    ) PARTITION BY RANGE (transaction_id)`);
  await queryRunner.query(`CREATE INDEX ledger_transactions_of_generation ON ledger_transactions (generation_id) WHERE generation_id <> ''`);
  // Debits are positive, credits negative.
  await queryRunner.query(`
    CREATE TABLE ledger_entries (
      transaction_id uuid NOT NULL,
      entry_index smallint NOT NULL CHECK (entry_index >= 0),
      ledger_account text COLLATE "C" NOT NULL,
      amount_pico bigint NOT NULL CHECK (amount_pico <> 0),
      PRIMARY KEY (transaction_id, entry_index)
    ) PARTITION BY RANGE (transaction_id)`);
  await queryRunner.query(`CREATE INDEX ledger_entries_of_account ON ledger_entries (ledger_account, transaction_id)`);
}

async function createEventTables(queryRunner: QueryRunner): Promise<void> {
  await queryRunner.query(`
    CREATE TABLE usage_events (
      event_id uuid PRIMARY KEY,
      event_type text NOT NULL CHECK (event_type IN ('generation', 'attempt')),
      generation_id text COLLATE "C" NOT NULL,
      document jsonb NOT NULL,
      recorded_at_ms bigint NOT NULL
    ) PARTITION BY RANGE (event_id)`);
  await queryRunner.query(`CREATE INDEX usage_events_of_generation ON usage_events (generation_id)`);
  await queryRunner.query(`
    CREATE TABLE charges (
      generation_id text COLLATE "C" PRIMARY KEY,
      event_id uuid NOT NULL,
      account_id text COLLATE "C" NOT NULL,
      workspace_id text NOT NULL,
      key_hash text COLLATE "C" NOT NULL,
      accept_time_ms bigint NOT NULL,
      charge_pico bigint NOT NULL CHECK (charge_pico >= 0),
      excess_pico bigint NOT NULL CHECK (excess_pico >= 0),
      generation_end text NOT NULL,
      flags text NOT NULL
    ) PARTITION BY RANGE (generation_id)`);
  await queryRunner.query(`CREATE INDEX charges_of_account ON charges (account_id, accept_time_ms)`);
  await queryRunner.query(`CREATE INDEX charges_flagged ON charges (accept_time_ms) WHERE flags <> ''`);
  await queryRunner.query(`
    CREATE TABLE attempt_costs (
      attempt_id text COLLATE "C" PRIMARY KEY,
      event_id uuid NOT NULL,
      generation_id text COLLATE "C" NOT NULL,
      account_id text COLLATE "C" NOT NULL,
      provider_slug text NOT NULL,
      reporter text NOT NULL CHECK (reporter IN ('worker', 'ingress')),
      is_byok boolean NOT NULL,
      accept_time_ms bigint NOT NULL,
      cost_pico bigint NOT NULL CHECK (cost_pico >= 0)
    ) PARTITION BY RANGE (attempt_id)`);
  // At most one per attempt: the worker's own figure after an ingress's estimate.
  await queryRunner.query(`
    CREATE TABLE attempt_corrections (
      attempt_id text COLLATE "C" PRIMARY KEY,
      event_id uuid NOT NULL,
      cost_pico bigint NOT NULL CHECK (cost_pico >= 0),
      difference_pico bigint NOT NULL
    ) PARTITION BY RANGE (attempt_id)`);
}

async function createGuards(queryRunner: QueryRunner): Promise<void> {
  await queryRunner.query(`
    CREATE FUNCTION forbid_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION '% is append-only: % is forbidden', TG_TABLE_NAME, TG_OP USING ERRCODE = 'integrity_constraint_violation';
    END $$`);
  // Each statement brings whole transactions: as many entries as announced, numbered from 0, with the sum zero. Stricter than
  // a check at commit, and one aggregate for a batch instead of one query per row.
  await queryRunner.query(`
    CREATE FUNCTION require_balance() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    DECLARE wrong uuid;
    BEGIN
      SELECT entry.transaction_id INTO wrong
        FROM new_entries entry LEFT JOIN ledger_transactions USING (transaction_id)
        GROUP BY entry.transaction_id, entry_count
        HAVING sum(amount_pico) <> 0 OR count(*) IS DISTINCT FROM entry_count OR min(entry_index) <> 0 OR max(entry_index) <> count(*) - 1
        LIMIT 1;
      IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'ledger transaction % is not whole and balanced', wrong USING ERRCODE = 'integrity_constraint_violation';
      END IF;
      RETURN NULL;
    END $$`);
  await queryRunner.query(`
    CREATE FUNCTION guard_partition(table_name text, parent_name text) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
      EXECUTE format('CREATE TRIGGER forbid_truncate BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION forbid_change()', table_name);
      IF table_name = parent_name THEN
        EXECUTE format('CREATE TRIGGER forbid_change BEFORE UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION forbid_change()', table_name);
      END IF;
      IF parent_name = 'ledger_entries' THEN
        EXECUTE format('CREATE TRIGGER require_balance AFTER INSERT ON %I REFERENCING NEW TABLE AS new_entries
                        FOR EACH STATEMENT EXECUTE FUNCTION require_balance()', table_name);
      END IF;
    END $$`);
  for (const table of [...EVENT_TABLES, ...GENERATION_TABLES]) {
    await queryRunner.query(`SELECT guard_partition('${table}', '${table}')`);
  }
}

async function createPartitions(queryRunner: QueryRunner): Promise<void> {
  // The least UUIDv7 of a millisecond.
  await queryRunner.query(`
    CREATE FUNCTION id_at(time_ms bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT (lpad(to_hex(time_ms), 12, '0') || repeat('0', 20))::uuid $$`);
  await queryRunner.query(`
    CREATE FUNCTION create_month_partitions(time_ms bigint) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    DECLARE
      month_start timestamp := date_trunc('month', to_timestamp(time_ms / 1000) AT TIME ZONE 'UTC');
      start_ms bigint := extract(epoch FROM month_start) * 1000;
      end_ms bigint := extract(epoch FROM month_start + interval '1 month') * 1000;
      suffix text := to_char(month_start, '_YYYY_MM');
      parent text;
    BEGIN
      PERFORM pg_advisory_xact_lock(hashtext('switchyard.billing.partitions'));
      FOREACH parent IN ARRAY ARRAY['${EVENT_TABLES.join("','")}','${GENERATION_TABLES.join("','")}'] LOOP
        CONTINUE WHEN to_regclass(quote_ident(parent || suffix)) IS NOT NULL;
        BEGIN
          IF parent IN ('${EVENT_TABLES.join("','")}') THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', parent || suffix, parent, id_at(start_ms), id_at(end_ms));
          ELSE
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', parent || suffix, parent,
                           'gen-' || start_ms / 1000, 'gen-' || end_ms / 1000);
          END IF;
          PERFORM guard_partition(parent || suffix, parent);
        EXCEPTION WHEN check_violation THEN
          -- Rows of the month lie in the default partition already, so the rest of the month joins them.
          RAISE WARNING 'no partition % for %', suffix, parent;
        END;
      END LOOP;
    END $$`);
  // Catches ids of months that have no partition: far too early, or of a clock far ahead.
  for (const table of [...EVENT_TABLES, ...GENERATION_TABLES]) {
    await queryRunner.query(`CREATE TABLE ${table}_other PARTITION OF ${table} DEFAULT`);
    await queryRunner.query(`SELECT guard_partition('${table}_other', '${table}')`);
  }
}
