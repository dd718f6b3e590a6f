import { randomInt, randomUUID } from 'node:crypto';
import type { Client } from 'pg';
import type { EventLogStore, GroupView, MemberIdentity, PartitionPosition } from './event-log.store.js';

export interface GroupMemberOptions {
  readonly store: EventLogStore;
  /** A connection of the member's own; the member ends it. */
  readonly session: Client;
  readonly group: string;
  readonly topicIds: readonly number[];
  readonly heartbeatIntervalMs: number;
  readonly memberTimeoutMs: number;
  /** New records, and who appended them; or members that came or went. */
  onWake(appender: string): void;
}

/** One membership in a consumer group: it lives exactly as long as its database session. */
export class PostgresGroupMember {
  readonly identity: MemberIdentity;
  private held = new Map<string, PartitionPosition>();
  private turn = 0;
  /** The session does one thing after the other. */
  private sessionIsFree: Promise<unknown> = Promise.resolve();
  private lost: Error | undefined;
  private heartbeatTimer: NodeJS.Timeout | undefined;

  constructor(private readonly options: GroupMemberOptions) {
    this.identity = { group: options.group, memberId: randomUUID(), lockKey: randomInt(1, 2 ** 31 - 1), topicIds: options.topicIds };
  }

  async join(): Promise<void> {
    const { session, store } = this.options;
    session.on('error', (error) => this.lose(error));
    session.on('end', () => this.lose(new Error('The database ended the session.')));
    session.on('notification', ({ payload }) => this.options.onWake(payload ?? ''));
    await session.connect();
    await store.join(session, this.identity);
    this.heartbeatTimer = setInterval(() => void this.heartbeat(), this.options.heartbeatIntervalMs);
  }

  /** Where to read on; each call begins with another partition, so that a full one does not starve the rest. */
  nextPositions(): readonly PartitionPosition[] {
    const positions = [...this.held.values()];
    this.turn = positions.length === 0 ? 0 : (this.turn + 1) % positions.length;
    return [...positions.slice(this.turn), ...positions.slice(0, this.turn)];
  }

  /** Throws once the session is gone: whatever is held may be another's by now. */
  requireAlive(): void {
    if (this.lost !== undefined) throw this.lost;
  }

  /** Gives up what others should have and takes what is free and ours: true when it took some. Partitions go round the members that read their topic. */
  rebalance(): Promise<boolean> {
    return this.exclusively(() => this.rebalanceNow());
  }

  private async rebalanceNow(): Promise<boolean> {
    const { session, store, memberTimeoutMs } = this.options;
    const view = await store.viewGroup(session, this.identity, memberTimeoutMs);
    const wanted = view.claims.filter((claim) => ownerOf(claim, view) === this.identity.memberId);
    const wantedKeys = new Set(wanted.map(keyOf));
    const unwanted = [...this.held.values()].filter((at) => !wantedKeys.has(keyOf(at)));
    const free = wanted.filter((claim) => claim.memberId === null);
    for (const claim of view.claims) {
      if (this.held.has(keyOf(claim)) && claim.memberId !== this.identity.memberId) this.held.delete(keyOf(claim));
    }
    if (unwanted.length > 0) {
      for (const at of unwanted) this.held.delete(keyOf(at));
      await store.release(session, this.identity, unwanted);
    }
    if (free.length === 0) return false;
    for (const at of await store.claim(session, this.identity, free)) this.held.set(keyOf(at), at);
    return true;
  }

  /** Moves the group's positions; throws when a partition is no longer ours. */
  async commit(positions: readonly PartitionPosition[]): Promise<void> {
    this.requireAlive();
    const isOurs = await this.options.store.commit(this.identity.group, this.identity.memberId, positions);
    if (!isOurs) {
      this.held.clear();
      throw new Error('Partitions were given to another consumer while their records were being handled.');
    }
    for (const at of positions) this.held.set(keyOf(at), at);
  }

  async leave(): Promise<void> {
    clearInterval(this.heartbeatTimer);
    const wasLost = this.lost !== undefined;
    this.lose(new Error('The consumer has left its group.'));
    try {
      if (!wasLost) await this.exclusively(() => this.options.store.leave(this.options.session, this.identity));
    } finally {
      await this.options.session.end();
    }
  }

  private async heartbeat(): Promise<void> {
    try {
      const isKnown = await this.exclusively(() => this.options.store.heartbeat(this.options.session, this.identity));
      if (!isKnown) this.lose(new Error('The group gave this consumer up: it was silent for too long.'));
    } catch (error) {
      this.lose(error instanceof Error ? error : new Error(String(error)));
    }
  }

  private exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.sessionIsFree.then(work);
    this.sessionIsFree = done.catch(() => undefined);
    return done;
  }

  private lose(reason: Error): void {
    this.lost ??= reason;
    this.held.clear();
    this.options.onWake('');
  }
}

function keyOf(at: { readonly topicId: number; readonly partition: number }): string {
  return `${at.topicId}/${at.partition}`;
}

function ownerOf(claim: PartitionPosition, view: GroupView): string | undefined {
  const readers = view.members.filter((member) => member.topicIds.includes(claim.topicId));
  return readers[(claim.partition + claim.topicId) % readers.length]?.memberId;
}
