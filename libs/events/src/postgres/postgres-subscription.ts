import type { Logger } from '@switchyard/telemetry';
import { Backoff } from '../backoff.js';
import type { ConsumedRecord, SubscribeOptions, Subscription } from '../event-log.js';
import { WakeSignal } from '../wake-signal.js';
import type { EventLogStore, PartitionPosition } from './event-log.store.js';
import type { PostgresGroupMember } from './postgres-group-member.js';

export interface PostgresSubscriptionOptions {
  readonly subscribe: SubscribeOptions;
  readonly store: EventLogStore;
  readonly logger: Logger;
  readonly pollIntervalMs: number;
  readonly rebalanceIntervalMs: number;
  /** Makes a member, not yet joined, and tells the topics' names. */
  newMember(onWake: () => void): Promise<{ member: PostgresGroupMember; topicNames: ReadonlyMap<number, string> }>;
}

const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 5_000;

/** One consumer: reads the partitions that its membership holds, in batches over all of them, until closed. A lost database is waited for. */
export class PostgresSubscription implements Subscription {
  private readonly closing = new AbortController();
  private readonly doorbell = new WakeSignal();
  private finished: Promise<void> | undefined;

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
    const { member, topicNames } = await this.options.newMember(() => this.doorbell.ring());
    try {
      await member.join();
      await member.rebalance();
      return { member, topicNames };
    } catch (error) {
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
      await membership?.member.leave().catch(() => undefined);
      membership = undefined;
      if (!this.closing.signal.aborted) await backoff.pause(this.closing.signal);
    }
  }

  private async consume({ member, topicNames }: Membership): Promise<void> {
    const { store, subscribe, rebalanceIntervalMs } = this.options;
    const handlerBackoff = new Backoff(FIRST_PAUSE_MS, MAX_PAUSE_MS);
    let rebalancedAtMs = performance.now();
    while (!this.closing.signal.aborted) {
      member.requireAlive();
      if (performance.now() - rebalancedAtMs >= rebalanceIntervalMs) {
        await member.rebalance();
        rebalancedAtMs = performance.now();
      }
      const positions = member.nextPositions();
      const batch = positions.length === 0 ? [] : await store.read(positions, subscribe.maxBatchSize, topicNames);
      if (batch.length === 0) await this.doorbell.wait(this.options.pollIntervalMs);
      else await this.deliver(batch, member, topicNames, handlerBackoff);
    }
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
}

function positionsAfter(batch: readonly ConsumedRecord[], topicNames: ReadonlyMap<number, string>): PartitionPosition[] {
  const ids = new Map([...topicNames].map(([id, name]) => [name, id]));
  const last = new Map<string, PartitionPosition>();
  for (const record of batch) {
    const topicId = ids.get(record.topic) ?? -1;
    last.set(`${topicId}/${record.partition}`, { topicId, partition: record.partition, position: record.offset + 1n });
  }
  return [...last.values()];
}
