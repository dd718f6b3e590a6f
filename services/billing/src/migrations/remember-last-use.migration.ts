import type { MigrationInterface, QueryRunner } from '@switchyard/db';

/** When a key was last used on a day; unknown of the days before, and of what an earlier version counts meanwhile. */
export class RememberLastUse1764600000000 implements MigrationInterface {
  name = 'RememberLastUse1764600000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE key_usage_days ADD COLUMN last_use_time_ms bigint`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE key_usage_days DROP COLUMN last_use_time_ms`);
  }
}
