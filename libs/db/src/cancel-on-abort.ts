import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { EndingClient } from './ending-client.js';

/** A cancellation that comes before its statement has arrived is lost, so it is repeated. */
const REPEAT_AFTER_MS = 1_000;

/**
 * From the signal's abort on, statements that the connection runs are cancelled by another connection: one of its own, as the pool may have none to spare.
 * Ends when the answer is called, which resolves when no cancellation is under way any more; the connection may be used by others only then.
 */
export async function cancelOnAbort(pool: pg.Pool, client: pg.PoolClient, signal: AbortSignal): Promise<() => Promise<void>> {
  // Not what the driver knows: a database pooler makes that up.
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const ended = new AbortController();
  let cancelling: Promise<void> | undefined;
  const cancel = (): void => {
    cancelling = cancelRepeatedly(pool, rows[0]!.pid, ended.signal);
  };
  if (signal.aborted) cancel();
  else signal.addEventListener('abort', cancel, { once: true });
  return async () => {
    signal.removeEventListener('abort', cancel);
    ended.abort();
    await cancelling;
  };
}

async function cancelRepeatedly(pool: pg.Pool, processId: number, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    // A statement that cannot be cancelled ends by itself, within the time that it may take.
    await cancelOnce(pool, processId).catch(() => undefined);
    await delay(REPEAT_AFTER_MS, undefined, { signal: ended }).catch(() => undefined);
  }
}

async function cancelOnce(pool: pg.Pool, processId: number): Promise<void> {
  const canceller: pg.Client = new EndingClient(pool.options);
  canceller.on('error', () => undefined);
  await canceller.connect();
  try {
    await canceller.query('SELECT pg_cancel_backend($1)', [processId]);
  } finally {
    await canceller.end();
  }
}
