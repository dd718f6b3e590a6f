import type { DatabaseSchema, MigrationInterface, QueryRunner } from '@switchyard/db';

class CreateEventLog1763700000000 implements MigrationInterface {
  name = 'CreateEventLog1763700000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [TABLES, APPEND, ENSURE_TOPIC, TRIM]) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP FUNCTION trim_consumed, ensure_topic, append_records');
    await runner.query('DROP TABLE claim, member, record, topic_partition, topic');
  }
}

class AddAppendBatch1763730000000 implements MigrationInterface {
  name = 'AddAppendBatch1763730000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(APPEND_BATCH);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP FUNCTION append_batch');
  }
}

class AddTakePositions1764300000000 implements MigrationInterface {
  name = 'AddTakePositions1764300000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(TAKE_POSITIONS);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP FUNCTION take_positions');
  }
}

class TrimByPartition1764400000000 implements MigrationInterface {
  name = 'TrimByPartition1764400000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(TRIM_PARTITION);
    await runner.query(TRIM_EACH_PARTITION);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP FUNCTION trim_consumed');
    await runner.query(TRIM);
    await runner.query('DROP FUNCTION trim_partition');
  }
}

/** The Postgres event log's own schema. */
export const EVENT_LOG_SCHEMA: DatabaseSchema = {
  name: 'event_log',
  migrations: [CreateEventLog1763700000000, AddAppendBatch1763730000000, AddTakePositions1764300000000, TrimByPartition1764400000000],
};

const TABLES = `
CREATE TABLE topic (
  id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE
);
CREATE TABLE topic_partition (
  topic_id smallint NOT NULL REFERENCES topic,
  partition integer NOT NULL,
  first_position bigint NOT NULL DEFAULT 0,
  next_position bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (topic_id, partition)
) WITH (fillfactor = 50);
CREATE TABLE record (
  topic_id smallint NOT NULL,
  partition integer NOT NULL,
  position bigint NOT NULL,
  key text NOT NULL,
  value text NOT NULL,
  headers text NOT NULL,
  appended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (topic_id, partition, position)
) PARTITION BY LIST (topic_id);
CREATE TABLE member (
  group_name text NOT NULL,
  member_id uuid NOT NULL,
  lock_key integer NOT NULL,
  topic_ids smallint[] NOT NULL,
  heartbeat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (group_name, member_id)
);
CREATE TABLE claim (
  group_name text NOT NULL,
  topic_id smallint NOT NULL REFERENCES topic,
  partition integer NOT NULL,
  position bigint NOT NULL,
  member_id uuid,
  PRIMARY KEY (group_name, topic_id, partition)
) WITH (fillfactor = 50);`;

/** The partition's row stays locked until commit, so positions become visible in their order and without gaps: a reader never skips one that commits late. */
const APPEND = `
CREATE FUNCTION append_records(topics text[], partitions integer[], keys text[], record_values text[], record_headers text[]) RETURNS void LANGUAGE plpgsql AS $body$
DECLARE
  appended bigint;
BEGIN
  PERFORM 1 FROM topic_partition
    WHERE (topic_id, partition) IN (SELECT topic.id, u.partition FROM unnest(topics, partitions) AS u(name, partition) JOIN topic USING (name))
    ORDER BY topic_id, partition FOR UPDATE;
  WITH incoming AS (
    SELECT topic.id AS topic_id, u.partition, u.key, u.value, u.headers,
      row_number() OVER (PARTITION BY topic.id, u.partition ORDER BY u.ordinal) - 1 AS nth
    FROM unnest(topics, partitions, keys, record_values, record_headers) WITH ORDINALITY AS u(name, partition, key, value, headers, ordinal)
    JOIN topic USING (name)
  ), counted AS (
    SELECT topic_id, partition, count(*) AS size FROM incoming GROUP BY topic_id, partition
  ), advanced AS (
    UPDATE topic_partition AS target SET next_position = target.next_position + counted.size
    FROM counted WHERE target.topic_id = counted.topic_id AND target.partition = counted.partition
    RETURNING target.topic_id, target.partition, target.next_position - counted.size AS base
  )
  INSERT INTO record (topic_id, partition, position, key, value, headers)
    SELECT topic_id, partition, advanced.base + incoming.nth, key, value, headers FROM incoming JOIN advanced USING (topic_id, partition);
  GET DIAGNOSTICS appended = ROW_COUNT;
  IF appended <> coalesce(array_length(topics, 1), 0) THEN
    RAISE EXCEPTION 'An event names a topic or partition that does not exist.';
  END IF;
  PERFORM pg_notify('switchyard_event_log', '');
END $body$;`;

/**
 * As `append_records`, with less work: the caller names each partition once, and for each record the partition's ordinal and the record's number in it.
 * Answers the first position that each partition's records took. Both stay for programs of the versions before.
 */
const APPEND_BATCH = `
CREATE FUNCTION append_batch(part_topics smallint[], part_partitions integer[], part_sizes integer[],
  record_parts integer[], record_numbers integer[], keys text[], record_values text[], record_headers text[], appender text) RETURNS bigint[] LANGUAGE plpgsql AS $body$
DECLARE
  first_positions bigint[];
BEGIN
  PERFORM 1 FROM topic_partition
    WHERE (topic_id, partition) IN (SELECT * FROM unnest(part_topics, part_partitions))
    ORDER BY topic_id, partition FOR UPDATE;
  WITH advanced AS (
    UPDATE topic_partition AS target SET next_position = target.next_position + part.size
    FROM unnest(part_topics, part_partitions, part_sizes) WITH ORDINALITY AS part(topic_id, partition, size, ordinal)
    WHERE target.topic_id = part.topic_id AND target.partition = part.partition
    RETURNING part.ordinal, target.next_position - part.size AS first_position
  )
  SELECT array_agg(first_position ORDER BY ordinal) INTO first_positions FROM advanced;
  IF array_length(first_positions, 1) IS DISTINCT FROM array_length(part_topics, 1) THEN
    RAISE EXCEPTION 'An event names a topic or partition that does not exist.';
  END IF;
  INSERT INTO record (topic_id, partition, position, key, value, headers)
    SELECT part_topics[u.part], part_partitions[u.part], first_positions[u.part] + u.number, u.key, u.value, u.headers
    FROM unnest(record_parts, record_numbers, keys, record_values, record_headers) AS u(part, number, key, value, headers);
  PERFORM pg_notify('switchyard_event_log', appender);
  RETURN first_positions;
END $body$;`;

/**
 * The first half of appending: the transaction that calls it takes so many positions of each partition and then puts its records there. The partitions' rows
 * stay locked until commit, as in `append_records`. Answers each partition's first position, and the time at which the log takes the records; commit wakes
 * whoever waits for records.
 */
const TAKE_POSITIONS = `
CREATE FUNCTION take_positions(part_topics smallint[], part_partitions integer[], part_sizes integer[], appender text,
  OUT first_positions bigint[], OUT taken_at timestamptz) LANGUAGE plpgsql AS $body$
BEGIN
  PERFORM 1 FROM topic_partition
    WHERE (topic_id, partition) IN (SELECT * FROM unnest(part_topics, part_partitions))
    ORDER BY topic_id, partition FOR UPDATE;
  WITH advanced AS (
    UPDATE topic_partition AS target SET next_position = target.next_position + part.size
    FROM unnest(part_topics, part_partitions, part_sizes) WITH ORDINALITY AS part(topic_id, partition, size, ordinal)
    WHERE target.topic_id = part.topic_id AND target.partition = part.partition
    RETURNING part.ordinal, target.next_position - part.size AS first_position
  )
  SELECT array_agg(first_position ORDER BY ordinal) INTO first_positions FROM advanced;
  IF array_length(first_positions, 1) IS DISTINCT FROM array_length(part_topics, 1) THEN
    RAISE EXCEPTION 'An event names a topic or partition that does not exist.';
  END IF;
  PERFORM pg_notify('switchyard_event_log', appender);
  taken_at := clock_timestamp();
END $body$;`;

const ENSURE_TOPIC = `
CREATE FUNCTION ensure_topic(topic_name text, partition_count integer) RETURNS smallint LANGUAGE plpgsql AS $body$
DECLARE
  found_id smallint;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('switchyard event_log topics', 0));
  SELECT id INTO found_id FROM topic WHERE name = topic_name;
  IF found_id IS NULL THEN
    INSERT INTO topic (name) VALUES (topic_name) RETURNING id INTO found_id;
    EXECUTE format('CREATE TABLE record_%s PARTITION OF record FOR VALUES IN (%s)', found_id, found_id);
  END IF;
  INSERT INTO topic_partition (topic_id, partition) SELECT found_id, generate_series(0, partition_count - 1) ON CONFLICT DO NOTHING;
  RETURN found_id;
END $body$;`;

/** Deletes what every group of a partition has consumed and what is older than the age. A topic that no group ever consumed keeps everything. */
const TRIM = `
CREATE FUNCTION trim_consumed(older_than interval, at_most integer) RETURNS bigint LANGUAGE plpgsql AS $body$
DECLARE
  target record;
  last_position bigint;
  trimmed bigint := 0;
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtextextended('switchyard event_log trim', 0)) THEN
    RETURN 0;
  END IF;
  FOR target IN
    SELECT tp.topic_id, tp.partition, tp.first_position, min(claim.position) AS consumed
    FROM topic_partition tp JOIN claim USING (topic_id, partition)
    GROUP BY tp.topic_id, tp.partition, tp.first_position HAVING min(claim.position) > tp.first_position
  LOOP
    SELECT max(position) INTO last_position FROM (
      SELECT position FROM record
      WHERE topic_id = target.topic_id AND partition = target.partition AND position < target.consumed AND appended_at < clock_timestamp() - older_than
      ORDER BY position LIMIT at_most
    ) AS old;
    CONTINUE WHEN last_position IS NULL;
    DELETE FROM record WHERE topic_id = target.topic_id AND partition = target.partition AND position <= last_position;
    UPDATE topic_partition SET first_position = last_position + 1 WHERE topic_id = target.topic_id AND partition = target.partition;
    trimmed := trimmed + last_position + 1 - target.first_position;
  END LOOP;
  RETURN trimmed;
END $body$;`;

/**
 * Deletes of one partition what every group consumed and what is older than the age, at most so many records, and answers how many. It looks no further than
 * the first record that is young enough to stay, and walks no remains of what was deleted before: a log that keeps much costs as little as a short one.
 * Publishers wait for it only from the last statement to the commit, so each partition deserves its own transaction.
 */
const TRIM_PARTITION = `
CREATE FUNCTION trim_partition(of_topic smallint, of_partition integer, older_than interval, at_most integer) RETURNS bigint LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off AS $body$
DECLARE
  cutoff timestamptz := clock_timestamp() - older_than;
  known_first bigint;
  oldest bigint;
  stop bigint;
  trimmed bigint;
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtextextended(format('switchyard event_log trim %s %s', of_topic, of_partition), 0)) THEN
    RETURN 0;
  END IF;
  SELECT first_position INTO known_first FROM topic_partition WHERE topic_id = of_topic AND partition = of_partition;
  SELECT min(position) INTO stop FROM claim WHERE topic_id = of_topic AND partition = of_partition;
  SELECT position INTO oldest FROM record
    WHERE topic_id = of_topic AND partition = of_partition AND position >= known_first AND position < stop ORDER BY position LIMIT 1;
  IF oldest IS NULL THEN
    RETURN 0;
  END IF;
  stop := least(stop, oldest + at_most);
  stop := coalesce((
    SELECT position FROM record
    WHERE topic_id = of_topic AND partition = of_partition AND position >= oldest AND position < stop AND appended_at >= cutoff ORDER BY position LIMIT 1
  ), stop);
  IF stop = oldest THEN
    RETURN 0;
  END IF;
  DELETE FROM record WHERE topic_id = of_topic AND partition = of_partition AND position >= oldest AND position < stop;
  GET DIAGNOSTICS trimmed = ROW_COUNT;
  UPDATE topic_partition SET first_position = stop WHERE topic_id = of_topic AND partition = of_partition;
  RETURN trimmed;
END $body$;`;

/** All partitions in one transaction, in the order in which everybody locks them: for programs of the versions before. */
const TRIM_EACH_PARTITION = `
CREATE OR REPLACE FUNCTION trim_consumed(older_than interval, at_most integer) RETURNS bigint LANGUAGE plpgsql AS $body$
DECLARE
  target record;
  trimmed bigint := 0;
BEGIN
  FOR target IN SELECT topic_id, partition FROM topic_partition ORDER BY topic_id, partition LOOP
    trimmed := trimmed + trim_partition(target.topic_id, target.partition, older_than, at_most);
  END LOOP;
  RETURN trimmed;
END $body$;`;
