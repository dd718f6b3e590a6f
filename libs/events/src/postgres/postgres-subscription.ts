import type { Logger } from '@switchyard/telemetry';
import { Backoff, pauseFor } from '../backoff.js';
import type { ConsumedRecord, SubscribeOptions, Subscription } from '../event-log.js';
import { WakeSignal } from '../wake-signal.js';
import type { EventLogStore, PartitionPosition } from './event-log.store.js';
import type { PostgresGroupMember } from './postgres-group-member.js';
import { partitionKeyOf, type RecentReader } from './recent-records.js';

export interface PostgresSubscriptionOptions {
  readonly subscribe: SubscribeOptions;
  readonly store: EventLogStore;
  readonly logger: Logger;
  readonly pollIntervalMs: number;
  readonly rebalanceIntervalMs: number;
  openReader(topicIds: readonly number[], onAdd: () => void): RecentReader;
  /** Makes a member, not yet joined, and tells the topics' names. `isForeign`: the records that woke it are not this process's own. */
  newMember(onWake: (isForeign: boolean) => void): Promise<{ member: PostgresGroupMember; topicNames: ReadonlyMap<number, string> }>;
}

const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 5_000;
/** Batches that are not full begin at most this often: each costs its handler a transaction with all its statements, however few events it has. */
const BATCH_INTERVAL_MS = 100;
/** What comes so soon after the first record is taken with it: a request's events come from two publishers, its attempts' first. */
const GATHER_MS = 10;

/** One consumer: reads the partitions that its membership holds, in batches over all of them, until closed. A lost database is waited for. */
export class PostgresSubscription implements Subscription {
  private readonly closing = new AbortController();
  private readonly doorbell = new WakeSignal();
  private finished: Promise<void> | undefined;
  /** Partitions of which the database may have records that this process's memory lacks, from where they were read to. */
  private suspects = new Set<string>();
  private areAllSuspect = true;
  private askedAtMs = 0;

  constructor(private readonly options: PostgresSubscriptionOptions) {}

  /** Resolves when the first membership has begun. */
  async start(): Promise<void> {
    const first = await this.join();
    this.finished = this.runForEver(first);
  }

  async close(): Promise<void> {
    this.closing.abort();
    this.doorbell.ring();
    await this.finished;
  }

  private async join(): Promise<Membership> {
    const { member, topicNames } = await this.options.newMember((isForeign) => this.wake(isForeign));
    const recent = this.options.openReader([...topicNames.keys()], () => this.doorbell.ring());
    try {
      await member.join();
      // A server that took over may lack the last of what was published, and gives its positions anew: to read on from memory would skip what has them now.
      recent.forgetAll();
      await member.rebalance();
      this.areAllSuspect = true;
      return { member, topicNames, recent };
    } catch (error) {
      recent.close();
      await member.leave().catch(() => undefined);
      throw error;
    }
  }

  private async runForEver(first: Membership): Promise<void> {
    const backoff = new Backoff(FIRST_PAUSE_MS, MAX_PAUSE_MS);
    let membership: Membership | undefined = first;
    while (!this.closing.signal.aborted) {
      try {
        membership ??= await this.join();
        backoff.reset();
        await this.consume(membership);
      } catch (error) {
        this.options.logger.warn('A consumer lost its place in its group and joins again.', { error, group: this.options.subscribe.group });
      }
      membership?.recent.close();
      await membership?.member.leave().catch(() => undefined);
      membership = undefined;
      if (!this.closing.signal.aborted) await backoff.pause(this.closing.signal);
    }
  }

  private wake(isForeign: boolean): void {
    if (isForeign) this.areAllSuspect = true;
    this.doorbell.ring();
  }

  private async consume(membership: Membership): Promise<void> {
    const { subscribe, rebalanceIntervalMs, pollIntervalMs } = this.options;
    const { member, topicNames } = membership;
    const handlerBackoff = new Backoff(FIRST_PAUSE_MS, MAX_PAUSE_MS);
    let rebalancedAtMs = performance.now();
    while (!this.closing.signal.aborted) {
      member.requireAlive();
      if (performance.now() - rebalancedAtMs >= rebalanceIntervalMs) {
        if (await member.rebalance()) this.areAllSuspect = true;
        rebalancedAtMs = performance.now();
      }
      const startedAtMs = performance.now();
      const batch = await this.nextBatch(membership);
      if (batch.length === 0) await this.awaitRecords(pollIntervalMs);
      else await this.deliver(batch, member, topicNames, handlerBackoff);
      if (batch.length > 0 && batch.length < subscribe.maxBatchSize) await this.pauseUntil(startedAtMs + BATCH_INTERVAL_MS);
    }
  }

  /**
   * From this process's memory, and from the database for partitions that others published to or that memory has forgotten; now and then for all while there
   * is nothing else to do. A consumer that lags thus reads its own process's records from memory all the same.
   */
  private async nextBatch({ member, topicNames, recent }: Membership): Promise<ConsumedRecord[]> {
    const { store, subscribe, pollIntervalMs } = this.options;
    const { maxBatchSize } = subscribe;
    const positions = member.nextPositions();
    if (positions.length === 0) return [];
    const asked = this.partitionsToAsk(positions, recent);
    // Neither may keep the other waiting.
    const known = recent.read(positions, asked.length === 0 ? maxBatchSize : Math.floor(maxBatchSize / 2));
    const isIdle = known.length === 0 && performance.now() - this.askedAtMs >= pollIntervalMs;
    if (asked.length === 0 && !isIdle) return known;
    const wanted = isIdle ? positions : asked;
    // Whatever is told of from here on is news.
    for (const at of wanted) this.suspects.delete(partitionKeyOf(at));
    this.askedAtMs = performance.now();
    const limit = maxBatchSize - known.length;
    const found = await store.read(wanted, limit, topicNames);
    if (found.length >= limit) for (const at of wanted) this.suspects.add(partitionKeyOf(at));
    if (found.length === 0 && known.length === 0) return recent.read(positions, maxBatchSize);
    return [...known, ...found];
  }

  private partitionsToAsk(positions: readonly PartitionPosition[], recent: RecentReader): PartitionPosition[] {
    if (this.areAllSuspect) {
      this.areAllSuspect = false;
      this.suspects = new Set(positions.map(partitionKeyOf));
    }
    return positions.filter((at) => !recent.holds(at) && (this.suspects.has(partitionKeyOf(at)) || recent.isAhead(at)));
  }

  private async awaitRecords(pollIntervalMs: number): Promise<void> {
    await this.doorbell.wait(pollIntervalMs);
    await pauseFor(GATHER_MS, this.closing.signal);
  }

  private async pauseUntil(timeMs: number): Promise<void> {
    const durationMs = timeMs - performance.now();
    if (durationMs > 0) await pauseFor(durationMs, this.closing.signal);
  }

  private async deliver(batch: ConsumedRecord[], member: PostgresGroupMember, topicNames: ReadonlyMap<number, string>, backoff: Backoff): Promise<void> {
    try {
      await this.options.subscribe.handler(batch);
    } catch (error) {
      this.options.logger.error('A batch of events was not handled and is delivered again.', {
        error,
        group: this.options.subscribe.group,
        count: batch.length,
        attempt: backoff.failureCount + 1,
      });
      await backoff.pause(this.closing.signal);
      return;
    }
    backoff.reset();
    await member.commit(positionsAfter(batch, topicNames));
  }
}

interface Membership {
  readonly member: PostgresGroupMember;
  readonly topicNames: ReadonlyMap<number, string>;
  readonly recent: RecentReader;
}

function positionsAfter(batch: readonly ConsumedRecord[], topicNames: ReadonlyMap<number, string>): PartitionPosition[] {
  const ids = new Map([...topicNames].map(([id, name]) => [name, id]));
  const last = new Map<string, PartitionPosition>();
  for (const [index, record] of batch.entries()) {
    const next = batch[index + 1];
    // A batch has the records of a partition one after the other, and the last of them says all.
    if (next !== undefined && next.partition === record.partition && next.topic === record.topic) continue;
    const at = { topicId: ids.get(record.topic) ?? -1, partition: record.partition, position: record.offset + 1n };
    last.set(partitionKeyOf(at), at);
  }
  return [...last.values()];
}
