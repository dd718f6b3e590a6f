import type { MigrationInterface, QueryRunner } from '@switchyard/db';

/**
 * Work that does not grow with each day's windows. A key's present windows are those that have not ended, so they are found by their ends, not
 * by their starts; quota windows are dropped without a look at the windows of money, which stay; and what is above its limit is found by itself.
 */
export class BoundPastWindows1764500000000 implements MigrationInterface {
  name = 'BoundPastWindows1764500000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP INDEX lease_scopes_of_key, lease_scopes_by_end`);
    await queryRunner.query(`CREATE INDEX lease_scopes_of_key ON lease_scopes (key_hash, window_end_ms) WHERE kind = 'key_limit'`);
    await queryRunner.query(
      `CREATE INDEX lease_scopes_of_quotas_by_end ON lease_scopes (window_end_ms) WHERE kind <> 'key_limit' AND window_end_ms IS NOT NULL`,
    );
    // Zero stays zero in nearly every update, which so needs no new entry in any index.
    await queryRunner.query(
      `CREATE INDEX lease_scopes_above_limit ON lease_scopes (scope_id) WHERE over_amount > 0 AND kind IN ('account_credit', 'key_limit')`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP INDEX lease_scopes_above_limit, lease_scopes_of_quotas_by_end, lease_scopes_of_key`);
    await queryRunner.query(`CREATE INDEX lease_scopes_by_end ON lease_scopes (window_end_ms) WHERE window_end_ms IS NOT NULL`);
    await queryRunner.query(`CREATE INDEX lease_scopes_of_key ON lease_scopes (key_hash, window_start_ms) WHERE kind = 'key_limit'`);
  }
}
