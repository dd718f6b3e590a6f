import { sendSignal } from './notification-listener.store.js';
import type { Queryable } from '@switchyard/db';

/** What changed; `sequence` numbers have no gaps and follow the order of commits. */
export interface Change {
  readonly sequence: bigint;
  readonly keyHash: string | null;
  readonly accountId: string | null;
}

export interface ChangedSubjects {
  readonly keyHashes?: readonly string[];
  readonly accountIds?: readonly string[];
}

/** Changes are kept this long for watchers that come back. */
const KEPT_FOR_MS = 86_400_000;

/** Writes changes into the surrounding transaction, as its last step: the counter's lock is held until the commit. */
export async function appendChanges(client: Queryable, subjects: ChangedSubjects, nowMs: number): Promise<void> {
  const keyHashes = subjects.keyHashes ?? [];
  const accountIds = subjects.accountIds ?? [];
  const count = keyHashes.length + accountIds.length;
  if (count === 0) return;
  await client.query(
    `WITH counter AS (UPDATE change_counter SET sequence = sequence + $3 RETURNING sequence - $3 AS before),
          subject AS (SELECT key_hash, account_id, row_number() OVER () AS position
                        FROM (SELECT unnest($1::text[]) AS key_hash, NULL AS account_id UNION ALL SELECT NULL, unnest($2::text[])) both_kinds)
     INSERT INTO changes (sequence, key_hash, account_id, changed_at_ms) SELECT before + position, key_hash, account_id, $4 FROM counter, subject`,
    [keyHashes, accountIds, count, nowMs],
  );
  await sendSignal(client, 'billing_changes');
}

export async function readSequence(client: Queryable): Promise<bigint> {
  const { rows } = await client.query<{ sequence: bigint }>('SELECT sequence FROM change_counter');
  return rows[0]?.sequence ?? 0n;
}

/** Changes after a number, oldest first; undefined when some of them, or all, were already dropped, or the number is none yet. */
export async function readChanges(client: Queryable, afterSequence: bigint, limit: number): Promise<Change[] | undefined> {
  const { rows } = await client.query<(Change | { readonly sequence: null }) & { readonly present: bigint }>(
    `SELECT counter.sequence AS present, change.sequence, key_hash AS "keyHash", account_id AS "accountId" FROM change_counter counter
       LEFT JOIN LATERAL (SELECT * FROM changes WHERE sequence > $1 ORDER BY sequence LIMIT $2) change ON true ORDER BY change.sequence`,
    [afterSequence, limit],
  );
  const changes = rows.filter((row) => row.sequence !== null);
  const next = changes[0]?.sequence ?? rows[0]!.present + 1n;
  return next === afterSequence + 1n ? changes : undefined;
}

export async function dropOldChanges(client: Queryable, nowMs: number): Promise<void> {
  await client.query('DELETE FROM changes WHERE changed_at_ms < $1', [nowMs - KEPT_FOR_MS]);
}
