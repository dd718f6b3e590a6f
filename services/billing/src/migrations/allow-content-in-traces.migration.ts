import type { MigrationInterface, QueryRunner } from '@switchyard/db';

/** Whether a key's prompts and answers may stand in traces. */
export class AllowContentInTraces1764300000000 implements MigrationInterface {
  name = 'AllowContentInTraces1764300000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE api_keys ADD COLUMN include_content_in_traces boolean NOT NULL DEFAULT false`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE api_keys DROP COLUMN include_content_in_traces`);
  }
}
