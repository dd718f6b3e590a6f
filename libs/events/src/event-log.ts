import type { events } from '@switchyard/proto';

/** One event as it travels: the value is proto3 JSON of a message of `switchyard.events.v1`. */
export interface EventRecord {
  readonly topic: string;
  /** The generation's id, so that both sides of a generation meet in one partition. */
  readonly key: string;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The message that `value` spells, in the process that made it: it spares the decoding. It never travels, and whoever changes `value` leaves it out. */
  readonly message?: events.GenerationCompleted | events.AttemptCompleted;
}

/** An event as a consumer sees it. `value` is what was published, byte for byte: whoever forwards it keeps fields it does not know. */
export interface ConsumedRecord extends EventRecord {
  readonly partition: number;
  readonly offset: bigint;
  /** When the log took it, unix milliseconds. */
  readonly timeMs: number;
}

export interface SubscribeOptions {
  /** Consumers of one group share the partitions; every group sees every event. A new group starts with the oldest event kept. */
  readonly group: string;
  readonly topics: readonly string[];
  /** Most records that one call of the handler gets; records of one key come in the order of their publication. */
  readonly maxBatchSize: number;
  /**
   * How traces show the handling: `parent` as a part of each request's own trace, for what a request is not complete without; `link` (the default) as a
   * trace of its own for the whole batch, linked to its requests'.
   */
  readonly tracing?: 'parent' | 'link';
  /**
   * Offsets are committed after it resolved. When it rejects, the same records are delivered again, with growing pauses.
   * At least once: the effect must be idempotent by event id.
   */
  handler(batch: ConsumedRecord[]): Promise<void>;
}

export interface Subscription {
  /** Stops delivery; resolves when a running handler has ended and its offsets are committed. Safe to call twice. */
  close(): Promise<void>;
}

/** How far a group has come in one partition. */
export interface PartitionProgress {
  readonly topic: string;
  readonly partition: number;
  /** The oldest record kept. */
  readonly firstOffset: bigint;
  /** The next record that the group has to handle. */
  readonly nextOffset: bigint;
  /** The offset that the next record to be published will get. */
  readonly endOffset: bigint;
}

/** An append-only, partitioned log with consumer groups. Implementations: Kafka and Postgres. */
export interface EventLog {
  /** Resolves when all in-sync replicas have the records; rejects within a bounded time otherwise (some may then still have been taken). */
  publish(records: readonly EventRecord[]): Promise<void>;
  /** Resolves once consuming has begun; afterwards it survives outages of the log by itself. */
  subscribe(options: SubscribeOptions): Promise<Subscription>;
  /** Records that the group has not committed yet, over all topics it consumes. */
  lag(group: string): Promise<bigint>;
  /** Where the group stands in these topics; a group that never consumed stands at the oldest record kept. */
  progress(group: string, topics: readonly string[]): Promise<readonly PartitionProgress[]>;
  /** Since when everything that was published to these topics is still there, unix milliseconds; 0 when nothing was ever deleted. */
  keptSinceMs(topics: readonly string[]): Promise<number>;
  /** Forgets how far a group came: it will begin again with the oldest event kept. Throws `SwitchyardError` `precondition_failed` while it has consumers. */
  forgetGroup(group: string): Promise<void>;
  /** Closes subscriptions and connections. */
  close(): Promise<void>;
}
