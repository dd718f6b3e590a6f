import type { MigrationInterface } from 'typeorm';

export type { MigrationInterface, QueryRunner } from 'typeorm';

/** A TypeORM migration class with raw SQL; its name ends with the 13 digits of its unix milliseconds, which order it: `CreateLedger1763700000000`. */
export type Migration = new () => MigrationInterface;

/** A Postgres schema that one owner keeps, and how it came to be. Migrations run with `search_path` set to it. */
export interface DatabaseSchema {
  readonly name: string;
  readonly migrations: readonly Migration[];
}

/** A migration failed, of which nothing is left; those before it stay. A sentence for people. */
export class MigrationError extends Error {}
