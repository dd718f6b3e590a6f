import type { Migration } from '@switchyard/db';

/** A target's own Postgres schema. */
export interface TargetSchema {
  readonly name: string;
  readonly migrations: readonly Migration[];
}
