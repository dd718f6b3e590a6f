import type { MigrationInterface, QueryRunner } from '@switchyard/db';

/**
 * Posting made several times cheaper. Events keep the text that they came as: parsing it into `jsonb` cost more than all else that a batch does, and only
 * explanations and reports need it. What the events of a generation are is found by its charge and its attempts' costs, whose keys begin with its id,
 * and nobody asks for the entries of one ledger account, so three indexes are one too many each.
 */
export class LightenPosting1764200000000 implements MigrationInterface {
  name = 'LightenPosting1764200000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    // Events of before keep their `document`.
    await queryRunner.query(`ALTER TABLE usage_events ADD COLUMN body text, ALTER COLUMN document DROP NOT NULL`);
    // Rows of before have content already: looking through all of them would hold everybody up.
    await queryRunner.query(`ALTER TABLE usage_events ADD CONSTRAINT usage_events_have_content CHECK (body IS NOT NULL OR document IS NOT NULL) NOT VALID`);
    await queryRunner.query(`DROP INDEX usage_events_of_generation, ledger_transactions_of_generation, ledger_entries_of_account`);
    await queryRunner.query(balanceCheck(INDEXED_CHECK, 'SET enable_seqscan = off'));
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(balanceCheck(JOINED_CHECK, ''));
    await queryRunner.query(`CREATE INDEX ledger_entries_of_account ON ledger_entries (ledger_account, transaction_id)`);
    await queryRunner.query(`CREATE INDEX ledger_transactions_of_generation ON ledger_transactions (generation_id) WHERE generation_id <> ''`);
    await queryRunner.query(`CREATE INDEX usage_events_of_generation ON usage_events (generation_id)`);
    await queryRunner.query(`ALTER TABLE usage_events DROP CONSTRAINT usage_events_have_content`);
    await queryRunner.query(`ALTER TABLE usage_events DISABLE TRIGGER forbid_change`);
    await queryRunner.query(`UPDATE usage_events SET document = body::jsonb WHERE document IS NULL`);
    await queryRunner.query(`ALTER TABLE usage_events ENABLE TRIGGER forbid_change`);
    await queryRunner.query(`ALTER TABLE usage_events DROP COLUMN body, ALTER COLUMN document SET NOT NULL`);
  }
}

/** Sums first and then looks each transaction up once, by its key: a plan made while the table was small must not read all of it later. */
const INDEXED_CHECK = `
  SELECT body.transaction_id INTO wrong
    FROM (SELECT transaction_id, sum(amount_pico) AS sum, count(*) AS count, min(entry_index) AS first, max(entry_index) AS last FROM new_entries GROUP BY transaction_id) body
   WHERE sum <> 0 OR first <> 0 OR last <> count - 1
      OR count IS DISTINCT FROM (SELECT entry_count FROM ledger_transactions head WHERE head.transaction_id = body.transaction_id)
   LIMIT 1;`;

const JOINED_CHECK = `
  SELECT entry.transaction_id INTO wrong
    FROM new_entries entry LEFT JOIN ledger_transactions USING (transaction_id)
    GROUP BY entry.transaction_id, entry_count
    HAVING sum(amount_pico) <> 0 OR count(*) IS DISTINCT FROM entry_count OR min(entry_index) <> 0 OR max(entry_index) <> count(*) - 1
    LIMIT 1;`;

function balanceCheck(statement: string, setting: string): string {
  return `
    CREATE OR REPLACE FUNCTION require_balance() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT ${setting} AS $$
    DECLARE wrong uuid;
    BEGIN
      ${statement}
      IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'ledger transaction % is not whole and balanced', wrong USING ERRCODE = 'integrity_constraint_violation';
      END IF;
      RETURN NULL;
    END $$`;
}
