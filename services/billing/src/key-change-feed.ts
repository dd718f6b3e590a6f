import type { Queryable } from '@switchyard/db';
import type { Clock } from '@switchyard/core';
import type { billing } from '@switchyard/proto';
import type { Logger } from '@switchyard/telemetry';
import { findAccounts } from './account.store.js';
import { readChanges, readSequence, type Change } from './change.store.js';
import { findKeys } from './key.store.js';
import { accountMessage, keyMessage } from './message-mapping.js';
import type { NotificationListener } from './notification-listener.store.js';
import type { ScopeLimits } from './scope-limits.js';
import { SubscriberQueue } from './subscriber-queue.js';

export interface KeyChangeFeedDependencies {
  readonly pool: Queryable;
  readonly listener: Pick<NotificationListener, 'on'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly heartbeatMs: number;
  readonly scopeLimits: Pick<ScopeLimits, 'inForce'>;
}

const MAX_CHANGES_PER_MESSAGE = 1_000;
const MAX_QUEUED_MESSAGES = 256;
/** Who missed more begins anew. */
const MAX_MISSED_CHANGES = MAX_QUEUED_MESSAGES * MAX_CHANGES_PER_MESSAGE;

/**
 * Reads the log of changes once for all watchers of this instance. A heartbeat says that the log was read a moment ago: while
 * the database is away there are none, so that watchers know that they are stale.
 */
export class KeyChangeFeed {
  private readonly watchers = new Set<SubscriberQueue<billing.WatchKeysResponse>>();
  private sequence: bigint | undefined;
  private beginning: Promise<bigint> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private stopListening: (() => void) | undefined;
  private reading: Promise<void> | undefined;
  private isReadWanted = false;

  constructor(private readonly dependencies: KeyChangeFeedDependencies) {}

  start(): void {
    this.timer = setInterval(() => this.wake(true), this.dependencies.heartbeatMs);
    this.stopListening = this.dependencies.listener.on('billing_changes', () => this.wake(false));
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    this.stopListening?.();
    for (const watcher of this.watchers) watcher.close();
    await this.reading;
  }

  /** A stream's messages; its first one comes at once. */
  async *watch(afterSequence: bigint | undefined, signal?: AbortSignal): AsyncGenerator<billing.WatchKeysResponse, void, undefined> {
    const queue = new SubscriberQueue<billing.WatchKeysResponse>(MAX_QUEUED_MESSAGES);
    const close = (): void => queue.close();
    if (signal?.aborted === true) return;
    signal?.addEventListener('abort', close);
    this.watchers.add(queue);
    try {
      // Before the backlog is read: what comes after it is then broadcast.
      await this.begin();
      let sentSequence = -1n;
      for await (const message of this.backlog(afterSequence)) {
        sentSequence = message.sequence;
        yield message;
      }
      for await (const message of queue) {
        // Read before the backlog was complete: it is in the backlog.
        if (message.sequence < sentSequence) continue;
        const previousSequence = message.previousSequence < sentSequence ? sentSequence : message.previousSequence;
        sentSequence = message.sequence;
        yield { ...message, previousSequence };
      }
    } finally {
      signal?.removeEventListener('abort', close);
      this.watchers.delete(queue);
    }
  }

  /** What a new stream begins with: the changes since its number, or only the present number, which shows the gap. */
  private async *backlog(afterSequence: bigint | undefined): AsyncGenerator<billing.WatchKeysResponse, void, undefined> {
    const present = await readSequence(this.dependencies.pool);
    let sequence = afterSequence === undefined || present - afterSequence > MAX_MISSED_CHANGES ? present : afterSequence;
    if (sequence >= present) yield this.heartbeat(present, present);
    while (sequence < present) {
      const changes = await readChanges(this.dependencies.pool, sequence, MAX_CHANGES_PER_MESSAGE);
      const message = changes && changes.length > 0 ? await this.messageOf(sequence, changes) : this.heartbeat(present, present);
      sequence = message.sequence;
      yield message;
    }
  }

  /** The first watcher's number is where reading begins. */
  private async begin(): Promise<bigint> {
    if (this.sequence !== undefined) return this.sequence;
    this.beginning ??= readSequence(this.dependencies.pool)
      .then((sequence) => (this.sequence = sequence))
      .finally(() => (this.beginning = undefined));
    return this.beginning;
  }

  private wake(isHeartbeat: boolean): void {
    if (this.watchers.size === 0) {
      this.sequence = undefined;
      return;
    }
    this.isReadWanted = true;
    this.reading ??= this.readAll(isHeartbeat).finally(() => (this.reading = undefined));
  }

  private async readAll(isHeartbeat: boolean): Promise<void> {
    try {
      let hasSent = false;
      while (this.isReadWanted) {
        this.isReadWanted = false;
        hasSent = (await this.readOnce()) || hasSent;
      }
      if (isHeartbeat && !hasSent && this.sequence !== undefined) this.broadcast(this.heartbeat(this.sequence, this.sequence));
    } catch (error) {
      this.dependencies.logger.warn('could not read key changes; watchers get no heartbeat', { error });
    }
  }

  private async readOnce(): Promise<boolean> {
    const sequence = await this.begin();
    const changes = await readChanges(this.dependencies.pool, sequence, MAX_CHANGES_PER_MESSAGE);
    if (!changes) {
      // This instance slept longer than changes are kept: watchers must see the gap.
      this.sequence = await readSequence(this.dependencies.pool);
      return false;
    }
    if (changes.length === 0) return false;
    const message = await this.messageOf(sequence, changes);
    this.sequence = message.sequence;
    this.isReadWanted ||= changes.length === MAX_CHANGES_PER_MESSAGE;
    this.broadcast(message);
    return true;
  }

  private async messageOf(previousSequence: bigint, changes: readonly Change[]): Promise<billing.WatchKeysResponse> {
    const { pool, scopeLimits } = this.dependencies;
    const keys = await findKeys(pool, distinct(changes.map((change) => change.keyHash)));
    const changedAccountIds = distinct(changes.map((change) => change.accountId));
    const accounts = await findAccounts(pool, distinct([...changedAccountIds, ...keys.map((key) => key.accountId)]));
    const accountOf = new Map(accounts.map((account) => [account.accountId, scopeLimits.inForce(account)]));
    return {
      sequence: changes.at(-1)!.sequence,
      previousSequence,
      changed: keys.map((key) => keyMessage(key, accountOf.get(key.accountId))),
      changedAccounts: changedAccountIds.flatMap((accountId) => accountOf.get(accountId) ?? []).map(accountMessage),
      serverTimeMs: BigInt(this.dependencies.clock.nowMs()),
    };
  }

  private heartbeat(previousSequence: bigint, sequence: bigint): billing.WatchKeysResponse {
    return { sequence, previousSequence, changed: [], changedAccounts: [], serverTimeMs: BigInt(this.dependencies.clock.nowMs()) };
  }

  private broadcast(message: billing.WatchKeysResponse): void {
    for (const watcher of this.watchers) watcher.push(message);
  }
}

function distinct(values: readonly (string | null)[]): string[] {
  return [...new Set(values)].filter((value) => value !== null);
}
