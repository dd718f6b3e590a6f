import { sourceCopy, withTransaction } from '@switchyard/db';
import type { Pool, ClientBase } from 'pg';
import type { ConsumedRecord, EventRecord, PartitionProgress } from '../event-log.js';

/** First half of the advisory lock that a consumer's session holds as its sign of life. */
const MEMBER_LOCK_CLASS = 7_923_001;
const WAKE_CHANNEL = 'switchyard_event_log';

export interface TopicInfo {
  readonly id: number;
  readonly partitionCount: number;
}

export interface PartitionPosition {
  readonly topicId: number;
  readonly partition: number;
  /** The next record to read. */
  readonly position: bigint;
}

/** Records for one partition, in order. */
export interface PartitionBatch {
  readonly topicId: number;
  readonly partition: number;
  readonly records: readonly EventRecord[];
}

export interface MemberIdentity {
  readonly group: string;
  readonly memberId: string;
  readonly lockKey: number;
  readonly topicIds: readonly number[];
}

export interface GroupView {
  readonly members: readonly { readonly memberId: string; readonly topicIds: readonly number[] }[];
  readonly claims: readonly (PartitionPosition & { readonly memberId: string | null })[];
}

interface PlacedRecord {
  readonly batch: PartitionBatch;
  readonly position: number;
  readonly record: EventRecord;
}

const copyRecords = sourceCopy<PlacedRecord, 'appended_at'>({
  table: 'record',
  columns: {
    topic_id: ['smallint', ({ batch }) => batch.topicId],
    partition: ['integer', ({ batch }) => batch.partition],
    position: ['bigint', ({ position }) => position],
    key: ['text', ({ record }) => record.key],
    value: ['text', ({ record }) => record.value],
    headers: ['text', ({ record }) => JSON.stringify(record.headers)],
  },
  shared: { appended_at: 'timestamptz' },
});

type Connection = Pick<ClientBase, 'query'> | Pool;

/** SQL of the Postgres event log; connections have `event_log` as their search_path. */
export class EventLogStore {
  constructor(private readonly pool: Pool) {}

  async ensureTopic(name: string, partitionCount: number): Promise<TopicInfo> {
    const { rows } = await this.pool.query<{ id: number }>('SELECT ensure_topic($1, $2) AS id', [name, partitionCount]);
    const id = rows[0]!.id;
    const counted = await this.pool.query<{ size: bigint }>('SELECT count(*) AS size FROM topic_partition WHERE topic_id = $1', [id]);
    return { id, partitionCount: Number(counted.rows[0]!.size) };
  }

  /** Resolves once the records are committed, to the first position that each partition's records took. `appender` is told to every waiting consumer. */
  append(batches: readonly PartitionBatch[], appender: string): Promise<readonly bigint[]> {
    return withTransaction(this.pool, async (client) => {
      const { rows } = await client.query<{ first_positions: bigint[]; taken_at: Date }>({
        name: 'event_log_take_positions',
        text: 'SELECT first_positions, taken_at FROM take_positions($1, $2, $3, $4)',
        values: [batches.map(({ topicId }) => topicId), batches.map(({ partition }) => partition), batches.map(({ records }) => records.length), appender],
      });
      const { first_positions: firstPositions, taken_at: takenAt } = rows[0]!;
      await copyRecords(client, placedRecords(batches, firstPositions), { appended_at: takenAt });
      return firstPositions;
    });
  }

  /** The next records of several partitions, at most `limit` in all, each partition's in order. */
  async read(positions: readonly PartitionPosition[], limit: number, topicNames: ReadonlyMap<number, string>): Promise<ConsumedRecord[]> {
    const { rows } = await this.pool.query<{
      topic_id: number;
      partition: number;
      position: bigint;
      key: string;
      value: string;
      headers: string;
      time_ms: number;
    }>({
      name: 'event_log_read',
      text: `SELECT found.topic_id, found.partition, found.position, found.key, found.value, found.headers,
          (extract(epoch FROM found.appended_at) * 1000)::float8 AS time_ms
        FROM unnest($1::smallint[], $2::integer[], $3::bigint[]) AS wanted(topic_id, partition, position)
        CROSS JOIN LATERAL (
          SELECT * FROM record
          WHERE record.topic_id = wanted.topic_id AND record.partition = wanted.partition AND record.position >= wanted.position
          ORDER BY record.position LIMIT $4
        ) AS found
        LIMIT $4`,
      values: [positions.map((at) => at.topicId), positions.map((at) => at.partition), positions.map((at) => at.position), limit],
    });
    return rows.map((row) => ({
      topic: topicNames.get(row.topic_id) ?? '',
      partition: row.partition,
      offset: row.position,
      timeMs: Math.floor(row.time_ms),
      key: row.key,
      value: row.value,
      headers: JSON.parse(row.headers) as Record<string, string>,
    }));
  }

  /** False when a position was not this member's any more. Does not wait for the disk: what a crash forgets is delivered again. */
  async commit(group: string, memberId: string, positions: readonly PartitionPosition[]): Promise<boolean> {
    const { rowCount } = await this.pool.query({
      name: 'event_log_commit',
      text: `UPDATE claim SET position = done.position
        FROM (SELECT set_config('synchronous_commit', 'off', true)) AS unhurried, unnest($3::smallint[], $4::integer[], $5::bigint[]) AS done(topic_id, partition, position)
        WHERE claim.group_name = $1 AND claim.member_id = $2 AND claim.topic_id = done.topic_id AND claim.partition = done.partition`,
      values: [group, memberId, positions.map((at) => at.topicId), positions.map((at) => at.partition), positions.map((at) => at.position)],
    });
    return rowCount === positions.length;
  }

  async lag(group: string): Promise<bigint> {
    const { rows } = await this.pool.query<{ lag: bigint }>(
      `SELECT coalesce(sum(tp.next_position - greatest(claim.position, tp.first_position)), 0)::bigint AS lag
        FROM topic_partition tp LEFT JOIN claim ON claim.group_name = $1 AND claim.topic_id = tp.topic_id AND claim.partition = tp.partition
        WHERE tp.topic_id IN (SELECT topic_id FROM claim WHERE group_name = $1)`,
      [group],
    );
    return rows[0]!.lag;
  }

  async progress(group: string, topics: readonly string[]): Promise<PartitionProgress[]> {
    const { rows } = await this.pool.query<PartitionProgress>(
      `SELECT topic.name AS topic, tp.partition, tp.first_position AS "firstOffset", tp.next_position AS "endOffset",
          greatest(coalesce(claim.position, tp.first_position), tp.first_position) AS "nextOffset"
        FROM topic JOIN topic_partition tp ON tp.topic_id = topic.id
        LEFT JOIN claim ON claim.group_name = $1 AND claim.topic_id = tp.topic_id AND claim.partition = tp.partition
        WHERE topic.name = ANY($2::text[]) ORDER BY topic.id, tp.partition`,
      [group, topics],
    );
    return rows;
  }

  async isTrimmed(topics: readonly string[]): Promise<boolean> {
    const { rows } = await this.pool.query<{ trimmed: boolean }>(
      `SELECT coalesce(bool_or(first_position > 0), false) AS trimmed FROM topic JOIN topic_partition ON topic_id = topic.id WHERE topic.name = ANY($1::text[])`,
      [topics],
    );
    return rows[0]!.trimmed;
  }

  /** False when it has consumers. */
  forgetGroup(group: string, memberTimeoutMs: number): Promise<boolean> {
    return withTransaction(this.pool, async (client) => {
      // Whoever joins meanwhile waits.
      await client.query('LOCK TABLE member, claim IN SHARE ROW EXCLUSIVE MODE');
      await forgetDeadMembers(client, group, memberTimeoutMs);
      const { rowCount } = await client.query('SELECT 1 FROM member WHERE group_name = $1', [group]);
      if (rowCount !== 0) return false;
      await client.query('DELETE FROM claim WHERE group_name = $1', [group]);
      return true;
    });
  }

  /** At most so many records of each partition; answers how many in all. A transaction for each, as publishers wait for a partition that was trimmed. */
  async trim(olderThanMs: number, atMost: number): Promise<bigint> {
    let trimmed = 0n;
    for (const { topicId, partition } of await this.consumedPartitions()) {
      const { rows } = await this.pool.query<{ trimmed: bigint }>(`SELECT trim_partition($1::smallint, $2, $3 * interval '1 millisecond', $4) AS trimmed`, [
        topicId,
        partition,
        olderThanMs,
        atMost,
      ]);
      trimmed += rows[0]!.trimmed;
    }
    return trimmed;
  }

  /** Begins a membership on this session: the session's lock shows that it lives, even between heartbeats. */
  async join(session: Connection, member: MemberIdentity): Promise<void> {
    await session.query(`LISTEN ${WAKE_CHANNEL}`);
    await session.query('SELECT pg_advisory_lock($1, $2)', [MEMBER_LOCK_CLASS, member.lockKey]);
    await session.query('INSERT INTO member (group_name, member_id, lock_key, topic_ids) VALUES ($1, $2, $3, $4)', [
      member.group,
      member.memberId,
      member.lockKey,
      member.topicIds,
    ]);
  }

  /** False when the others have already given this member up. */
  async heartbeat(session: Connection, member: MemberIdentity): Promise<boolean> {
    const { rowCount } = await session.query('UPDATE member SET heartbeat_at = clock_timestamp() WHERE group_name = $1 AND member_id = $2', [
      member.group,
      member.memberId,
    ]);
    return rowCount === 1;
  }

  /** Forgets members that are gone (session ended, or silent too long) and frees what they had claimed. Then tells who is there and who has what. */
  async viewGroup(session: Connection, { group, topicIds }: MemberIdentity, memberTimeoutMs: number): Promise<GroupView> {
    // Partitions may have been added since the group began.
    await session.query(
      `INSERT INTO claim (group_name, topic_id, partition, position)
        SELECT $1, topic_id, partition, first_position FROM topic_partition WHERE topic_id = ANY($2)
          AND NOT EXISTS (SELECT 1 FROM claim WHERE group_name = $1 AND claim.topic_id = topic_partition.topic_id AND claim.partition = topic_partition.partition)
        ON CONFLICT DO NOTHING`,
      [group, topicIds],
    );
    await forgetDeadMembers(session, group, memberTimeoutMs);
    await session.query(
      `UPDATE claim SET member_id = NULL WHERE group_name = $1 AND member_id IS NOT NULL
        AND member_id NOT IN (SELECT member_id FROM member WHERE group_name = $1)`,
      [group],
    );
    const members = await session.query<{ memberId: string; topicIds: number[] }>(
      `SELECT member_id AS "memberId", topic_ids AS "topicIds" FROM member WHERE group_name = $1 ORDER BY member_id`,
      [group],
    );
    const claims = await session.query<PartitionPosition & { memberId: string | null }>(
      `SELECT topic_id AS "topicId", partition, position, member_id AS "memberId" FROM claim WHERE group_name = $1 ORDER BY topic_id, partition`,
      [group],
    );
    return { members: members.rows, claims: claims.rows };
  }

  /** Takes free partitions; those that somebody else took meanwhile are not in the answer. */
  async claim(session: Connection, member: MemberIdentity, wanted: readonly PartitionPosition[]): Promise<PartitionPosition[]> {
    const { rows } = await session.query<PartitionPosition>(
      `UPDATE claim SET member_id = $2 FROM unnest($3::smallint[], $4::integer[]) AS wanted(topic_id, partition)
        WHERE claim.group_name = $1 AND claim.member_id IS NULL AND claim.topic_id = wanted.topic_id AND claim.partition = wanted.partition
        RETURNING claim.topic_id AS "topicId", claim.partition, claim.position`,
      [member.group, member.memberId, wanted.map((at) => at.topicId), wanted.map((at) => at.partition)],
    );
    return rows;
  }

  async release(session: Connection, member: MemberIdentity, unwanted: readonly PartitionPosition[]): Promise<void> {
    await session.query(
      `UPDATE claim SET member_id = NULL FROM unnest($3::smallint[], $4::integer[]) AS unwanted(topic_id, partition)
        WHERE claim.group_name = $1 AND claim.member_id = $2 AND claim.topic_id = unwanted.topic_id AND claim.partition = unwanted.partition`,
      [member.group, member.memberId, unwanted.map((at) => at.topicId), unwanted.map((at) => at.partition)],
    );
    await this.wake(session);
  }

  async leave(session: Connection, member: MemberIdentity): Promise<void> {
    await session.query('UPDATE claim SET member_id = NULL WHERE group_name = $1 AND member_id = $2', [member.group, member.memberId]);
    await session.query('DELETE FROM member WHERE group_name = $1 AND member_id = $2', [member.group, member.memberId]);
    await this.wake(session);
  }

  /** Those of which every group that consumes them has consumed something that is still kept. */
  private async consumedPartitions(): Promise<readonly { readonly topicId: number; readonly partition: number }[]> {
    const { rows } = await this.pool.query<{ topicId: number; partition: number }>(
      `SELECT topic_id AS "topicId", partition FROM topic_partition JOIN claim USING (topic_id, partition)
        GROUP BY topic_id, partition, first_position HAVING min(claim.position) > first_position ORDER BY topic_id, partition`,
    );
    return rows;
  }

  private async wake(session: Connection): Promise<void> {
    await session.query(`SELECT pg_notify('${WAKE_CHANNEL}', 'members')`);
  }
}

/** Their session ended, or they were silent for too long. */
async function forgetDeadMembers(client: Connection, group: string, memberTimeoutMs: number): Promise<void> {
  await client.query(
    `DELETE FROM member WHERE group_name = $1 AND (
        heartbeat_at < clock_timestamp() - $2 * interval '1 millisecond'
        OR NOT EXISTS (
          SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND classid::bigint = $3 AND objid::bigint = member.lock_key
        )
      )`,
    [group, memberTimeoutMs, MEMBER_LOCK_CLASS],
  );
}

function placedRecords(batches: readonly PartitionBatch[], firstPositions: readonly bigint[]): PlacedRecord[] {
  const placed: PlacedRecord[] = [];
  for (const [index, batch] of batches.entries()) {
    // Exact: a log does not come to as many records as a number can count.
    let position = Number(firstPositions[index]!);
    for (const record of batch.records) placed.push({ batch, position: position++, record });
  }
  return placed;
}
