import type { MigrationInterface, QueryRunner } from '@switchyard/db';

/** The events of generations as the text that they came as. Only ever read whole, so that parsing them as JSON on their way in was for nothing. */
export class KeepEventText1764200000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    // Generations of before keep their `event`.
    await queryRunner.query(`ALTER TABLE generation ADD COLUMN body text, ALTER COLUMN event DROP NOT NULL`);
    // Rows of before have content already: looking through all of them would hold everybody up.
    await queryRunner.query(`ALTER TABLE generation ADD CONSTRAINT generation_has_content CHECK (body IS NOT NULL OR event IS NOT NULL) NOT VALID`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE generation DROP CONSTRAINT generation_has_content`);
    await queryRunner.query(`UPDATE generation SET event = body::json WHERE event IS NULL`);
    await queryRunner.query(`ALTER TABLE generation DROP COLUMN body, ALTER COLUMN event SET NOT NULL`);
  }
}
