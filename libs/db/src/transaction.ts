import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { cancelOnAbort } from './cancel-on-abort.js';
import { EndingClient } from './ending-client.js';

export interface TransactionOptions {
  /** Default `READ COMMITTED`. */
  readonly isolation?: 'READ COMMITTED' | 'REPEATABLE READ' | 'SERIALIZABLE';
  /** Tries in all when the database asks for a repetition (serialization failure, deadlock); default 5. */
  readonly maxTries?: number;
  readonly readOnly?: boolean;
  /** Once it aborts nobody waits for what is read: the statement that runs is cancelled, and the transaction ends with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

const SERIALIZATION_FAILURE = '40001';
const DEADLOCK_DETECTED = '40P01';
const READ_ONLY = '25006';
const IN_FAILED_TRANSACTION = '25P02';
const LOCK_NOT_AVAILABLE = '55P03';
const QUERY_CANCELED = '57014';

/**
 * Runs the work in one transaction and commits it. The work may run several times, so it must have no effect outside the database. Statements that do not
 * need each other's answers are best asked together and awaited by `allAnswered`: they share one round trip.
 */
export async function withTransaction<Result>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<Result>,
  options: TransactionOptions = {},
): Promise<Result> {
  const { maxTries = 5 } = options;
  for (let attempt = 1; ; attempt++) {
    try {
      return await runOnce(pool, work, options);
    } catch (error) {
      if (attempt >= maxTries || !asksForRepetition(error)) throw error;
    }
    await delay(randomInt(1, 5 * 2 ** attempt));
  }
}

async function runOnce<Result>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<Result>, options: TransactionOptions): Promise<Result> {
  const { isolation = 'READ COMMITTED', readOnly = false, signal } = options;
  signal?.throwIfAborted();
  const client = await pool.connect();
  let endCancelling: (() => Promise<void>) | undefined;
  let broken: Error | undefined;
  try {
    // Awaited: were it refused or cancelled, what is asked behind it would be done outside of any transaction.
    await client.query(`BEGIN ISOLATION LEVEL ${isolation}${readOnly ? ' READ ONLY' : ''}`);
    endCancelling = signal && (await cancelOnAbort(pool, client, signal));
    const result = await work(client);
    // Statements may be over before their cancellation arrives.
    signal?.throwIfAborted();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await endCancelling?.();
    broken = (await rollBack(client)) ?? (isReadOnly(error) ? error : undefined);
    signal?.throwIfAborted();
    throw error;
  } finally {
    await endCancelling?.();
    if (client instanceof EndingClient) client.awaitAnswersFor(undefined);
    client.release(broken);
  }
}

/**
 * The answers of statements that were asked one right after the other. Throws what the first of them failed with, and only when all have been answered: the
 * others then failed because of it, and nobody uses the connection any more.
 */
export async function allAnswered<Answers extends readonly unknown[]>(asked: {
  readonly [Index in keyof Answers]: Answers[Index] | Promise<Answers[Index]>;
}): Promise<Answers> {
  const outcomes = await Promise.allSettled(asked);
  const failures = outcomes.filter((outcome) => outcome.status === 'rejected');
  // What is asked after an earlier answer came may stand before what was asked, and failed, in the meantime.
  const failed = failures.find(({ reason }) => !isConsequence(reason)) ?? failures[0];
  if (failed !== undefined) throw failed.reason;
  return outcomes.map((outcome) => (outcome as PromiseFulfilledResult<unknown>).value) as unknown as Answers;
}

/** The error, if the connection is unusable afterwards and must not return to the pool. */
async function rollBack(client: pg.PoolClient): Promise<Error | undefined> {
  try {
    await client.query('ROLLBACK');
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** Another server is the primary by now: this one would be found again and again as long as it is connected to. */
function isReadOnly(error: unknown): error is pg.DatabaseError {
  return error instanceof pg.DatabaseError && error.code === READ_ONLY;
}

/** The transaction had failed before. */
function isConsequence(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === IN_FAILED_TRANSACTION;
}

/** A lock was not to be had within `lock_timeout`. */
export function isLockUnavailable(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === LOCK_NOT_AVAILABLE;
}

/** A statement took longer than `statement_timeout`. */
export function isStatementCancelled(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === QUERY_CANCELED;
}

function asksForRepetition(error: unknown): boolean {
  return error instanceof pg.DatabaseError && (error.code === SERIALIZATION_FAILURE || error.code === DEADLOCK_DETECTED);
}
