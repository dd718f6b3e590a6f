import type { MigrationInterface, QueryRunner } from '@switchyard/db';

/** Nobody asks for the attempts of one generation: its own event tells of them. An index of them was one too many for every request. */
export class LightenAttempts1764800000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP INDEX attempt_generation_id_idx`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`CREATE INDEX attempt_generation_id_idx ON attempt (generation_id)`);
  }
}
