import pg from 'pg';
import { sourceInsert, type SharedValues } from './batch-insert.js';
import { sourceCopy, type SourceCopyOptions } from './source-copy.js';
import { withTransaction } from './transaction.js';

export interface InsertOnceOptions<Source, Shared extends string = never> extends SourceCopyOptions<Source, Shared> {
  /** Column of the unique index. */
  readonly key: string;
  /** A column of UUIDs or texts that tells which sources were inserted, and each source's value of it. */
  readonly identity: readonly [column: string, valueOf: (source: Source) => string];
}

const UNIQUE_VIOLATION = '23505';

/**
 * A function that inserts what is not there yet and returns those sources. When `mayBeKnown` is false they are taken to be new, which costs the database half
 * as much; one that is known then fails the transaction with a unique violation.
 */
export function insertOnce<Source, Shared extends string = never>(
  options: InsertOnceOptions<Source, Shared>,
): (client: pg.ClientBase, sources: readonly Source[], mayBeKnown: boolean, ...shared: SharedValues<Shared>) => Promise<readonly Source[]> {
  const { key, identity, ...insert } = options;
  const [column, valueOf] = identity;
  const insertNew = sourceCopy<Source, Shared>(insert);
  const suffix = `ON CONFLICT (${key}) DO NOTHING RETURNING ${column}::text AS id`;
  const insertUnknown = sourceInsert<Source, { id: string }, Shared>({ ...insert, suffix });
  return async (client, sources, mayBeKnown, ...shared) => {
    if (!mayBeKnown) {
      await insertNew(client, sources, ...shared);
      return sources;
    }
    const remaining = new Set((await insertUnknown(client, sources, ...shared)).map((row) => row.id));
    // Each once, even where the batch holds it twice.
    return sources.filter((source) => remaining.delete(valueOf(source)));
  };
}

/**
 * Work on what is nearly always new: it is done as if it were, and should a unique index know better, once more from the beginning with `mayBeKnown`. As for
 * `withTransaction`, the work must have no effect outside the database.
 */
export async function withLikelyNew<Result>(pool: pg.Pool, work: (client: pg.PoolClient, mayBeKnown: boolean) => Promise<Result>): Promise<Result> {
  try {
    return await withTransaction(pool, (client) => work(client, false));
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || error.code !== UNIQUE_VIOLATION) throw error;
    return withTransaction(pool, (client) => work(client, true));
  }
}
