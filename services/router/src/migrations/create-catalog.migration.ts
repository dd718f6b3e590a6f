import type { MigrationInterface, QueryRunner } from '@switchyard/db';

/** The catalogue as it is, and every price there ever was. Prices are history: the database itself forbids to change one. */
export class CreateCatalog1763700000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE model (
        slug text COLLATE "C" PRIMARY KEY,
        record jsonb NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE TABLE endpoint (
        endpoint_id text COLLATE "C" PRIMARY KEY,
        model_slug text COLLATE "C" NOT NULL,
        record jsonb NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE INDEX ON endpoint (model_slug);
      CREATE TABLE price (
        sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        revision text COLLATE "C" NOT NULL UNIQUE,
        endpoint_id text COLLATE "C" NOT NULL,
        side text NOT NULL CHECK (side IN ('charge', 'cost')),
        start_time_ms bigint NOT NULL,
        schedule jsonb NOT NULL,
        source text NOT NULL,
        recorded_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE INDEX ON price (endpoint_id, side, sequence);
      CREATE FUNCTION forbid_price_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION 'prices are append-only: a new price is a new row';
      END $$;
      CREATE TRIGGER price_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON price FOR EACH STATEMENT EXECUTE FUNCTION forbid_price_change();
    `);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE price; DROP FUNCTION forbid_price_change; DROP TABLE endpoint; DROP TABLE model');
  }
}
