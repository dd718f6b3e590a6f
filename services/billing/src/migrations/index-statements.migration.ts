import type { MigrationInterface, QueryRunner } from '@switchyard/db';

/** Grants and whatever else is no usage, by account and time: few rows among many. Charges have their own index. */
export class IndexStatements1764100000000 implements MigrationInterface {
  name = 'IndexStatements1764100000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      `CREATE INDEX ledger_transactions_of_account ON ledger_transactions (account_id, accept_time_ms) WHERE kind NOT IN ('charge', 'cost', 'cost_correction')`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP INDEX ledger_transactions_of_account`);
  }
}
