import type { MigrationInterface, QueryRunner } from '@switchyard/db';

/**
 * Whoever deletes a scope has the database look for leases of it, resolved ones too, and recalls look for the open ones among many that were resolved:
 * one index for both.
 */
export class IndexLeasesOfScope1764400000000 implements MigrationInterface {
  name = 'IndexLeasesOfScope1764400000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP INDEX leases_open_in_scope`);
    await queryRunner.query(`CREATE INDEX leases_of_scope ON leases (scope_id, resolved_at_ms)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP INDEX leases_of_scope`);
    await queryRunner.query(`CREATE INDEX leases_open_in_scope ON leases (scope_id) WHERE resolved_at_ms IS NULL`);
  }
}
