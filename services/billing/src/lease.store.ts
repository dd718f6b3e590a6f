import type { Queryable } from '@switchyard/db';
import { openHold, type LeaseAmounts } from './core/lease-scope.js';

export type LeaseResolution = 'spent' | 'epoch_closed' | 'abandoned';
export type RecallReason = 'shortage' | 'limit_lowered' | 'key_revoked';

export interface LeaseRow {
  readonly leaseId: string;
  readonly scopeId: bigint;
  readonly holderId: string;
  readonly epoch: bigint;
  readonly reserveUntilMs: number;
  amounts: LeaseAmounts;
  isClosed: boolean;
  isRecalled: boolean;
  resolution: LeaseResolution | undefined;
}

interface RawLease {
  leaseId: string;
  scopeId: bigint;
  holderId: string;
  epoch: bigint;
  granted: bigint;
  released: bigint;
  settled: string;
  reserveUntilMs: bigint;
  isClosed: boolean;
  recallRequestedMs: bigint | null;
  resolution: LeaseResolution | null;
}

const COLUMNS = `lease_id AS "leaseId", scope_id AS "scopeId", holder_id AS "holderId", epoch, granted, released, settled,
  reserve_until_ms AS "reserveUntilMs", is_closed AS "isClosed", recall_requested_ms AS "recallRequestedMs", resolution`;

export interface NewLease {
  readonly leaseId: string;
  readonly scopeId: bigint;
  readonly granted: bigint;
}

export interface LeaseRequestIdentity {
  readonly holderId: string;
  readonly epoch: bigint;
  readonly requestId: string;
}

export async function insertLeases(
  client: Queryable,
  request: LeaseRequestIdentity,
  leases: readonly NewLease[],
  grantedAtMs: number,
  reserveUntilMs: number,
): Promise<void> {
  await client.query(
    `INSERT INTO leases (lease_id, scope_id, granted, request_index, holder_id, epoch, request_id, granted_at_ms, reserve_until_ms)
     SELECT lease_id, scope_id, granted, position - 1, $4, $5, $6, $7, $8
       FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS new (lease_id, scope_id, granted, position)`,
    [
      leases.map((lease) => lease.leaseId),
      leases.map((lease) => lease.scopeId),
      leases.map((lease) => lease.granted),
      request.holderId,
      request.epoch,
      request.requestId,
      grantedAtMs,
      reserveUntilMs,
    ],
  );
}

/** What an earlier try of the same call was granted, in the call's order. */
export async function findLeasesOfRequest(client: Queryable, request: LeaseRequestIdentity): Promise<LeaseRow[]> {
  const { rows } = await client.query<RawLease>(
    `SELECT ${COLUMNS} FROM leases WHERE holder_id = $1 AND epoch = $2 AND request_id = $3 ORDER BY request_index`,
    [request.holderId, request.epoch, request.requestId],
  );
  return rows.map(toLease);
}

/** Scopes never change, so they are found before anything is locked. Unknown leases are absent. */
export async function findScopesOfLeases(client: Queryable, leaseIds: readonly string[]): Promise<Map<string, bigint>> {
  const { rows } = await client.query<{ leaseId: string; scopeId: bigint }>({
    name: 'find_scopes_of_leases',
    text: 'SELECT lease_id AS "leaseId", scope_id AS "scopeId" FROM unnest($1::uuid[]) AS asked (lease_id) JOIN leases USING (lease_id)',
    values: [leaseIds],
  });
  return new Map(rows.map((row) => [row.leaseId, row.scopeId]));
}

/** Whoever changes a lease holds its scope's lock, so these rows are free to be read and written. */
export async function readLeases(client: Queryable, leaseIds: readonly string[]): Promise<Map<string, LeaseRow>> {
  const { rows } = await client.query<RawLease>({
    name: 'read_leases',
    text: `SELECT ${COLUMNS} FROM unnest($1::uuid[]) AS charged (lease_id) JOIN leases USING (lease_id)`,
    values: [leaseIds],
  });
  return new Map(rows.map((row) => [row.leaseId, toLease(row)]));
}

/** A lease with nothing open that its holder has closed is resolved as spent. */
export async function saveLeases(client: Queryable, leases: readonly LeaseRow[], nowMs: number): Promise<void> {
  if (leases.length === 0) return;
  await client.query({
    name: 'save_leases',
    text: `UPDATE leases SET released = new.released, settled = new.settled, is_closed = new.is_closed,
                  recall_requested_ms = CASE WHEN new.is_recalled THEN recall_requested_ms END,
                  resolution = new.resolution, resolved_at_ms = CASE WHEN new.resolution IS NULL THEN NULL ELSE coalesce(resolved_at_ms, $7) END
             FROM unnest($1::uuid[], $2::bigint[], $3::numeric[], $4::boolean[], $5::boolean[], $6::text[]) AS new (lease_id, released, settled, is_closed, is_recalled, resolution)
            WHERE leases.lease_id = new.lease_id`,
    values: [
      leases.map((lease) => lease.leaseId),
      leases.map((lease) => lease.amounts.released),
      leases.map((lease) => lease.amounts.settled),
      leases.map((lease) => lease.isClosed),
      leases.map((lease) => lease.isRecalled),
      leases.map((lease) => lease.resolution ?? (lease.isClosed && openHold(lease.amounts) === 0n ? 'spent' : null)),
      nowMs,
    ],
  });
}

/** Asks every holder but one for what it has not reserved in the scopes. Leases that wait for an answer already are left as they are. */
export async function requestRecalls(
  client: Queryable,
  scopeIds: readonly bigint[],
  exceptHolderId: string,
  reason: RecallReason,
  nowMs: number,
): Promise<number> {
  const { rowCount } = await client.query(
    `UPDATE leases SET recall_requested_ms = $4, recall_reason = $3
      WHERE scope_id = ANY($1::bigint[]) AND holder_id <> $2 AND resolved_at_ms IS NULL AND NOT is_closed AND recall_requested_ms IS NULL
        AND granted - released - settled > 0`,
    [scopeIds, exceptHolderId, reason, nowMs],
  );
  return rowCount ?? 0;
}

/** Recalls in the scopes that holders with a stream have not answered yet. */
export async function countPendingRecalls(client: Queryable, scopeIds: readonly bigint[], exceptHolderId: string, streamSinceMs: number): Promise<number> {
  const { rows } = await client.query<{ count: bigint }>(
    `SELECT count(*) FROM leases JOIN lease_epochs USING (holder_id, epoch)
      WHERE scope_id = ANY($1::bigint[]) AND holder_id <> $2 AND recall_requested_ms IS NOT NULL AND resolved_at_ms IS NULL AND stream_seen_ms >= $3 AND close_requested_ms IS NULL`,
    [scopeIds, exceptHolderId, streamSinceMs],
  );
  return Number(rows[0]!.count);
}

export interface PendingRecall {
  readonly leaseId: string;
  readonly holderId: string;
  readonly epoch: bigint;
  readonly reason: RecallReason;
  readonly requestedMs: bigint;
}

/** At most 10,000; the rest follows when these were answered. */
export async function findPendingRecalls(client: Queryable, holderIds: readonly string[]): Promise<PendingRecall[]> {
  const { rows } = await client.query<PendingRecall>(
    `SELECT lease_id AS "leaseId", holder_id AS "holderId", epoch, recall_reason AS reason, recall_requested_ms AS "requestedMs" FROM leases
      WHERE recall_requested_ms IS NOT NULL AND holder_id = ANY($1::text[]) AND resolved_at_ms IS NULL ORDER BY recall_requested_ms LIMIT 10000`,
    [holderIds],
  );
  return rows;
}

/** Unresolved leases granted within a time, half-open, oldest first. */
export async function findLeasesGrantedBetween(client: Queryable, startMs: number, endMs: number, limit: number): Promise<string[]> {
  const { rows } = await client.query<{ leaseId: string }>(
    'SELECT lease_id AS "leaseId" FROM leases WHERE resolved_at_ms IS NULL AND granted_at_ms >= $1 AND granted_at_ms < $2 ORDER BY granted_at_ms LIMIT $3',
    [startMs, endMs, limit],
  );
  return rows.map((row) => row.leaseId);
}

export async function findLeasesOfEpoch(client: Queryable, holderId: string, epoch: bigint, limit: number): Promise<string[]> {
  const { rows } = await client.query<{ leaseId: string }>(
    'SELECT lease_id AS "leaseId" FROM leases WHERE holder_id = $1 AND epoch = $2 AND resolved_at_ms IS NULL ORDER BY lease_id LIMIT $3',
    [holderId, epoch, limit],
  );
  return rows.map((row) => row.leaseId);
}

function toLease(row: RawLease): LeaseRow {
  return {
    leaseId: row.leaseId,
    scopeId: row.scopeId,
    holderId: row.holderId,
    epoch: row.epoch,
    reserveUntilMs: Number(row.reserveUntilMs),
    amounts: { granted: row.granted, released: row.released, settled: BigInt(row.settled), isResolved: row.resolution !== null },
    isClosed: row.isClosed,
    isRecalled: row.recallRequestedMs !== null,
    resolution: row.resolution ?? undefined,
  };
}
